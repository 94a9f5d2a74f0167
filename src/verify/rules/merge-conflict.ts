import type { Rule } from '../rule.ts';

export const mergeConflict: Rule = {
  id: 'merge-conflict',
  severity: 'error',
  summary: 'a merge conflict that is not resolved',
  why: 'A file with the markers of git is not the file that anyone meant, and both sides may hold values. It is neither sealed nor judged before the conflict is resolved.',
  wrong:
    '<<<<<<< HEAD\n  password: ZXlKaGJHY2lPaUpTVTBF…\n=======\n  password: Y29ycmVjdCBob3JzZQ==\n>>>>>>> topic',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  covers: 'text',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'merge-conflict' ? problem : undefined),
};
