import { keyLengthProblem } from '../../jwe/compact.ts';
import { none, type Rule } from '../rule.ts';

export const malformedJwe: Rule = {
  id: 'malformed-jwe',
  severity: 'error',
  summary: 'a damaged sealed value',
  why: 'The value looks sealed, but it was cut, joined, encoded twice or changed in some other way, and nothing opens it. The webhook will refuse the whole Secret. The usual causes are a partly copied line, an editor that wraps lines, and base64 applied twice.',
  wrong: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF   # the end is missing',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # the whole value, as kseal wrote it',
  inTemplates: true,
  checkProblem: ({ code, position, key, holds, message }) => {
    if (key === undefined || holds !== 'sealed') return undefined;
    if (code !== 'ambiguous-scalar' && code !== 'not-base64') return undefined;
    const hint = 'it may have been cut or changed by copying; seal the value again';
    return { position, key, message: `looks like a sealed value, but ${message}`, hint };
  },
  checkValue: ({ position, key, jwe, defect }, _, { keys }) => {
    if (defect?.kind === 'damaged' && defect.error !== undefined) {
      const { message, hint = 'seal the value again' } = defect.error;
      return [{ position, key, message, hint }];
    }
    if (defect?.kind === 'prefixed') {
      const message = 'characters before the sealed value: the webhook would not open it';
      return [{ position, key, message, hint: 'remove the white space or quotes before it' }];
    }
    const bits = keys?.get(jwe?.header.kid ?? '')?.bits;
    if (jwe === undefined || bits === undefined) return none;
    const problem = keyLengthProblem(jwe, Math.ceil(bits / 8));
    if (problem === undefined) return none;
    return [{ position, key, message: problem, hint: 'seal the value again' }];
  },
};
