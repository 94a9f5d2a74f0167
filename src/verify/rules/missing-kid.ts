import { none, type Rule } from '../rule.ts';

export const missingKid: Rule = {
  id: 'missing-kid',
  severity: 'error',
  summary: 'a sealed value that does not say to which key',
  why: 'Without the thumbprint of its key as kid, nobody can tell offline whether this value opens, or which key version must be kept for it. Opening it means trying one key after the other. Only values of other JOSE tools are without one.',
  wrong: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  right: '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{…},"kid":"<RFC 7638 thumbprint>"}',
  inTemplates: true,
  checkValue: (value) => {
    if (value.jwe === undefined || value.kid !== undefined) return none;
    const said =
      value.jwe.header.kid === undefined
        ? 'names no key'
        : 'names a key, but not by its thumbprint';
    const message = `the header ${said}, so nobody can tell which one opens it`;
    return [
      { position: value.position, key: value.key, message, hint: 'seal the plaintext with kseal' },
    ];
  },
};
