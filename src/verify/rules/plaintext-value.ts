import type { NestedSecret } from '../../manifest/types.ts';
import {
  none,
  type ReaderProblem,
  type Rule,
  sealCommand,
  sealInTemplate,
  sealNested,
} from '../rule.ts';

export const plaintextValue: Rule = {
  id: 'plaintext-value',
  severity: 'error',
  summary: 'a value that is not sealed',
  why: 'Base64 is not encryption: anyone who can read the repository, or ever could, knows this value. Sealing it now does not remove it from the history of the repository: if it was ever committed, change it as well.',
  wrong: 'kind: Secret\nstringData:\n  password: correct horse',
  right: 'kind: Secret\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # kseal seal -f FILE -i',
  inTemplates: true,
  checkProblem: (problem, { path }, policy) => {
    if (!isPlaintext(problem)) return undefined;
    const { position, key, message, madeKey, inTemplate, nested } = problem;
    const words = madeKey ? NOT_SEALED : `not sealed, and ${message}`;
    if (nested !== undefined)
      return { position, key, message: words + inside(nested), hint: sealNested(nested, key) };
    const seal = inTemplate ? sealInTemplate : sealCommand(path, policy);
    const first = madeKey ? 'to seal it: ' : `${problem.hint ?? 'correct it'}; then: `;
    const hint = inTemplate && !madeKey ? seal : first + seal;
    return { position, key, message: words, hint };
  },
  checkValue: ({ position, key, field, jwe, defect, placeholder }, secret, policy) => {
    if (jwe !== undefined || defect !== undefined || placeholder) return none;
    const { path, sops, inTemplate, nested } = secret;
    const own = inTemplate ? sealInTemplate : `to seal it: ${sealCommand(path, policy)}`;
    const seal = nested === undefined ? own : sealNested(nested, key, field);
    const first = sops ? 'encrypt it with sops, like the rest' : seal;
    // The command is at the end, so that it can be pasted.
    const hint = `change the value if it was ever committed; ${first}`;
    return [{ position, key, message: NOT_SEALED + inside(nested), hint }];
  },
};

const NOT_SEALED = 'the value is not sealed';

const inside = (nested: NestedSecret | undefined) =>
  nested === undefined ? '' : `; its Secret is inside ${nested.outer}`;

/** A value that YAML readers disagree on, or that is not base64, is plaintext too. */
function isPlaintext({ code, key, holds, madeKey }: ReaderProblem): boolean {
  if (holds !== 'text') return false;
  if (madeKey) return code === 'invalid-data-key';
  return key !== undefined && (code === 'ambiguous-scalar' || code === 'not-base64');
}
