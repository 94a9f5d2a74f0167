import { none, type Rule } from '../rule.ts';

export const unboundValue: Rule = {
  id: 'unbound-value',
  severity: 'error',
  summary: 'a sealed value that is not bound to a Secret',
  why: 'Anyone who may create a Secret in a namespace that accepts unbound values can copy this value there and read it. It opens only with --accept-unbound. Values from other JOSE tools are unbound.',
  wrong: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kid":"…"}',
  right:
    '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"},"kid":"…"}',
  checkValue: ({ position, key, jwe }) => {
    if (jwe === undefined || jwe.header.binding !== undefined) return none;
    const message =
      'the value is not bound to a Secret: anyone can copy it into their own and read it';
    return [{ position, key, message, hint: 'seal the plaintext with kseal, which binds it' }];
  },
};
