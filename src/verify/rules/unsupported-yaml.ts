import type { Rule } from '../rule.ts';

export const unsupportedYaml: Rule = {
  id: 'unsupported-yaml',
  severity: 'error',
  summary: 'an alias, anchor, tag or merge key in a Secret',
  why: 'YAML readers do not agree on the meaning of these, and a value in two places cannot be sealed for both. kseal neither seals nor judges values written with them.',
  wrong: 'stringData:\n  user: &name hr_app\n  owner: *name',
  right: 'data:\n  user: ZXlKaGJHY2lPaUpTVTBF…\n  owner: ZXlKaGJHY2lPaUpTVTBF…',
  covers: 'text',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'unsupported-yaml' ? problem : undefined),
};
