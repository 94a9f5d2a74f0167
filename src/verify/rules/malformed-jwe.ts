import { faultOf, none, type Rule } from '../rule.ts';

export const malformedJwe: Rule = {
  id: 'malformed-jwe',
  severity: 'error',
  summary: 'a sealed value that is damaged',
  why: 'It looks sealed, but it was cut, joined, encoded once too often, or changed in some other way, and nothing opens it. At admission the whole Secret is refused. The usual causes are a copy of a part of a line, an editor that wraps lines, and base64 applied twice.',
  wrong: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF   # the end is missing',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # the whole value, as kseal wrote it',
  inTemplates: true,
  checkValue: (value, _, { keys }) => {
    const { position, key, jwe } = value;
    const bits = keys?.get(jwe?.header.kid ?? '')?.bits;
    if (jwe === undefined || bits === undefined) return faultOf(value, 'malformed-jwe');
    const [actual, expected] = [jwe.encryptedKey.length, Math.ceil(bits / 8)];
    if (actual === expected) return none;
    const message = `JWE encrypted key has ${actual} bytes, and its key makes ${expected}`;
    return [{ position, key, message, hint: 'seal the value again' }];
  },
};
