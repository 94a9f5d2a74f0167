import type { Rule } from '../rule.ts';

export const mergeConflict: Rule = {
  id: 'merge-conflict',
  severity: 'error',
  summary: 'a merge conflict that is not resolved',
  why: 'A file with conflict markers is not a file that anyone meant to have, and both of its sides may contain values. kseal neither seals nor judges it until the conflict is resolved.',
  wrong:
    '<<<<<<< HEAD\n  password: ZXlKaGJHY2lPaUpTVTBF…\n=======\n  password: Y29ycmVjdCBob3JzZQ==\n>>>>>>> topic',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  covers: 'text',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'merge-conflict' ? problem : undefined),
};
