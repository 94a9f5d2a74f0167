import { none, type Rule } from '../rule.ts';

export const unreadable: Rule = {
  id: 'unreadable',
  severity: 'error',
  summary: 'a file that cannot be read, or that is not UTF-8',
  why: 'A file that cannot be read cannot be judged, and may contain anything. PowerShell 5 writes UTF-16, which no Kubernetes tool reads.',
  wrong: '# db.yaml as UTF-16',
  right: '# … | Set-Content -Encoding utf8 db.yaml',
  covers: 'text',
  checkText: ({ unreadable: error }) => {
    if (error === undefined) return none;
    // Reports print the path themselves, so the message has only the problem.
    return [{ position: { line: 1, column: 1 }, message: error.problem, hint: error.hint }];
  },
};
