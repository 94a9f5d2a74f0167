import { none, type Rule } from '../rule.ts';

export const missingKid: Rule = {
  id: 'missing-kid',
  severity: 'error',
  summary: 'a sealed value that does not name its key',
  why: 'Without the thumbprint of its key as kid, nobody can tell offline whether a value opens, or which key version it needs. Opening it means trying one key after another. Only values from other JOSE tools lack it.',
  wrong: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  right: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{…},"kid":"<RFC 7638 thumbprint>"}',
  inTemplates: true,
  checkValue: ({ position, key, jwe, kid }) => {
    if (jwe === undefined || kid !== undefined) return none;
    const problem = jwe.header.kid === undefined ? 'no kid' : 'a kid that is not a thumbprint';
    const message = `the header has ${problem}, so the key that opens the value is unknown`;
    return [{ position, key, message, hint: 'seal the plaintext with kseal' }];
  },
};
