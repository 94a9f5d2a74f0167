import { none, type Rule } from '../rule.ts';

export const unboundValue: Rule = {
  id: 'unbound-value',
  severity: 'error',
  summary: 'a sealed value that is bound to no place',
  why: 'Whoever may create a Secret in a namespace where unbound values are accepted can paste this value into one of their own and read it. It opens only where --accept-unbound allows that. Values of other JOSE tools are unbound.',
  wrong: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kid":"…"}',
  right:
    '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"},"kid":"…"}',
  checkValue: ({ position, key, jwe }) => {
    if (jwe === undefined || jwe.header.binding !== undefined) return none;
    const message =
      'the value is bound to no place, so whoever copies it into their own Secret reads it';
    return [{ position, key, message, hint: 'seal the plaintext with kseal, which binds it' }];
  },
};
