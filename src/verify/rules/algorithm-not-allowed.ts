import { faultOf, type Rule } from '../rule.ts';

export const algorithmNotAllowed: Rule = {
  id: 'algorithm-not-allowed',
  severity: 'error',
  summary: 'a JWE that kseal refuses to open',
  why: 'A sealed value has alg RSA-OAEP-256 and enc A128CBC-HS256, and nothing else: no compression (zip), no critical extensions (crit), no b64. Weaker algorithms, and choices left to whoever writes the header, are how JWEs get broken.',
  wrong: '# the protected header of the value:\n{"alg":"RSA-OAEP","enc":"A128GCM"}',
  right: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{…},"kid":"…"}',
  inTemplates: true,
  checkValue: (value) => faultOf(value, 'algorithm-not-allowed'),
};
