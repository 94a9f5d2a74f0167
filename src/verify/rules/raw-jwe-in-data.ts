import type { Rule } from '../rule.ts';

export const rawJweInData: Rule = {
  id: 'raw-jwe-in-data',
  severity: 'error',
  summary: 'a bare JWE under data, where Kubernetes wants base64',
  why: 'A JWE has dots in it, so under data the API server refuses it as bad base64. There it must be base64-encoded once more, as all values under data are; as it is, it belongs under stringData.',
  wrong: 'data:\n  password: eyJhbGciOiJSU0Et….….….….…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # base64 of the JWE',
  inTemplates: true,
};
