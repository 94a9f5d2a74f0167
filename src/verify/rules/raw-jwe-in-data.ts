import type { Rule } from '../rule.ts';

export const rawJweInData: Rule = {
  id: 'raw-jwe-in-data',
  severity: 'error',
  summary: 'a bare JWE under data, which takes base64',
  why: 'A JWE contains dots, so the API server refuses it under data as invalid base64. Like every value under data, it has to be base64-encoded. A JWE without this encoding belongs under stringData.',
  wrong: 'data:\n  password: eyJhbGciOiJSU0Et….….….….…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # base64 of the JWE',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'raw-jwe-in-data' ? problem : undefined),
};
