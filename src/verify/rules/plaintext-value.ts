import { none, type ReaderProblem, type Rule, sealCommand, sealInTemplate } from '../rule.ts';

export const plaintextValue: Rule = {
  id: 'plaintext-value',
  severity: 'error',
  summary: 'a value that is not sealed',
  why: 'Base64 is not encryption: anyone who can read the repository, or ever could, knows this value. Sealing it now does not remove it from the history of the repository: if it was ever committed, change it as well.',
  wrong: 'kind: Secret\nstringData:\n  password: correct horse',
  right: 'kind: Secret\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # kseal seal -f FILE -i',
  inTemplates: true,
  checkProblem: (problem, { path }) => {
    if (!isPlaintext(problem)) return undefined;
    const { position, key, message, madeKey, inTemplate } = problem;
    const seal = inTemplate ? sealInTemplate : sealCommand(path);
    if (madeKey)
      return { position, key, message: 'the value is not sealed', hint: `seal it: ${seal}` };
    const hint = inTemplate ? seal : `${problem.hint ?? 'correct it'}; then: ${seal}`;
    return { position, key, message: `not sealed, and ${message}`, hint };
  },
  checkValue: ({ position, key, jwe, defect, placeholder }, { path, sops, inTemplate }) => {
    if (jwe !== undefined || defect !== undefined || placeholder) return none;
    const own = inTemplate ? sealInTemplate : `seal it: ${sealCommand(path)}`;
    const first = sops ? 'encrypt it with sops, like the rest' : own;
    const hint = `${first}; if it was ever committed, change it as well`;
    return [{ position, key, message: 'the value is not sealed', hint }];
  },
};

/** A value that YAML readers disagree on, or that is not base64, is plaintext too. */
function isPlaintext({ code, key, holds, madeKey }: ReaderProblem): boolean {
  if (holds !== 'text') return false;
  if (madeKey) return code === 'invalid-data-key';
  return key !== undefined && (code === 'ambiguous-scalar' || code === 'not-base64');
}
