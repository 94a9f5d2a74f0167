import { none, type Rule } from '../rule.ts';

export const algorithmNotAllowed: Rule = {
  id: 'algorithm-not-allowed',
  severity: 'error',
  summary: 'a JWE that kseal refuses to open',
  why: 'A sealed value has alg RSA-OAEP-256 and enc A128CBC-HS256, and nothing else: no compression (zip), no critical extensions (crit), no b64. Attacks on JWEs use weak algorithms, and options that the attacker chooses.',
  wrong: '# the protected header of the value:\n{"alg":"RSA-OAEP","enc":"A128GCM"}',
  right: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{…},"kid":"…"}',
  inTemplates: true,
  checkValue: ({ position, key, defect }) => {
    if (defect?.kind === 'refused' && defect.error !== undefined) {
      const { message, hint = 'seal the value again' } = defect.error;
      return [{ position, key, message, hint }];
    }
    if (defect?.kind !== 'foreign') return none;
    const message = 'a JWE that the webhook neither recognises nor opens';
    return [{ position, key, message, hint: 'seal the value again with kseal' }];
  },
};
