import { shellWord } from '../../text.ts';
import { type JudgedRequest, none, type Rule, type Violation } from '../rule.ts';

export const unfilledRequest: Rule = {
  id: 'unfilled-request',
  severity: 'warning',
  summary: 'a secret request without an answer, or with an incomplete one',
  why: 'The values that a secret request asks for are missing in the manifests that it names. It is an error if some are there: kseal fill writes all targets or none, so something was lost later, or the request was extended. A value counts only if it is sealed.',
  wrong: '# requests/db.yaml, but clusters/prod/db.yaml does not exist',
  right: '# after: kseal fill requests/db.yaml',
  covers: 'line',
  checkRequest,
};

function checkRequest({ path, position, progress, targets }: JudgedRequest): readonly Violation[] {
  if (progress === undefined || progress.state === 'filled') return none;
  const hint = `kseal fill ${shellWord(path)}`;
  const isUntouched = progress.state === 'unfilled' && targets.every(({ error }) => !error);
  if (isUntouched) return [{ position, message: 'not answered yet', hint }];
  return progress.missing.flatMap(({ target, values }, index): readonly Violation[] => {
    const { position: at = position, error } = targets[index] ?? {};
    if (error !== undefined) {
      const message = `${target.file} ${error.problem}`;
      return [{ position: at, severity: 'error', message, hint: error.hint }];
    }
    if (values.length === 0) return [];
    const keys = values.map(({ key }) => `"${key}"`).join(', ');
    const message = `${target.file} lacks sealed values for ${keys}`;
    return [{ position: at, severity: 'error', message, hint }];
  });
}
