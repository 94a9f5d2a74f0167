import type { Rule } from '../rule.ts';

export const invalidDataKey: Rule = {
  id: 'invalid-data-key',
  severity: 'error',
  summary: 'a data key that Kubernetes does not allow',
  why: 'A data key consists of at most 253 characters from A-Z a-z 0-9 - _ . and does not begin with two dots. A key that YAML readers may parse as a number or a boolean must be in quotes.',
  wrong: 'data:\n  db password: ZXlKaGJHY2lPaUpTVTBF…',
  right: 'data:\n  db-password: ZXlKaGJHY2lPaUpTVTBF…',
  inTemplates: true,
  checkProblem: (problem) =>
    problem.code === 'invalid-data-key' && !problem.madeKey ? problem : undefined,
};
