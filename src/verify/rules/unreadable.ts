import { none, type Rule } from '../rule.ts';

export const unreadable: Rule = {
  id: 'unreadable',
  severity: 'error',
  summary: 'a file that cannot be read, is not UTF-8, or has its content elsewhere',
  why: 'A file that cannot be read cannot be judged, and may contain anything. PowerShell 5 writes UTF-16, which no Kubernetes tool reads. A Git LFS pointer and a file that git-crypt or another tool encrypts are not the manifest that is applied. In the index and in commits, symbolic links are not followed.',
  wrong: '# db.yaml as UTF-16',
  right: '# … | Set-Content -Encoding utf8 db.yaml',
  covers: 'text',
  checkText: ({ unreadable: error }) => {
    if (error === undefined) return none;
    // Reports print the path themselves, so the message has only the problem.
    return [{ position: { line: 1, column: 1 }, message: error.problem, hint: error.hint }];
  },
};
