import type { Rule } from '../rule.ts';

export const unreadable: Rule = {
  id: 'unreadable',
  severity: 'error',
  summary: 'a file that cannot be read, or is not UTF-8',
  why: 'What cannot be read cannot be judged, and may hold anything. PowerShell 5 writes UTF-16, which no Kubernetes tool reads.',
  wrong: '# db.yaml as UTF-16',
  right: '# … | Set-Content -Encoding utf8 db.yaml',
  covers: 'text',
};
