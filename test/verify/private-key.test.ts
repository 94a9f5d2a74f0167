import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyText } from '../../src/verify/verify.ts';
import { defaults, openPolicy } from './fixtures.ts';
import { base64, pem } from './values.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const ed = generateKeyPairSync('ed25519').privateKey;

const pkcs8 = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const encrypted = { cipher: 'aes-256-cbc', passphrase: 'CANARY' };
const key = pkcs8(ed);

/** Bytes of any length as the body of a PEM block. */
const block = (label: string, bytes: Buffer, headers = '') =>
  `-----BEGIN ${label}-----\n${headers}${base64(bytes).replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;

const openSsh = (cipher: string) =>
  block(
    'OPENSSH PRIVATE KEY',
    Buffer.concat([
      Buffer.from('openssh-key-v1\0\0\0\0'),
      Buffer.from([cipher.length]),
      Buffer.from(cipher),
      randomBytes(200),
    ]),
  );

const pgp = (first: number) =>
  block('PGP PRIVATE KEY BLOCK', Buffer.concat([Buffer.from([first]), randomBytes(200)]))
    .replace('-----\n', '-----\nVersion: GnuPG v2\n\n')
    .replace('\n-----END', '\n=aB3/\n-----END');

const putty = (cipher: string) =>
  `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: ${cipher}\nComment: x\nPublic-Lines: 2\nAAAA\nPrivate-Lines: 1\nAAAA\n`;

const age = 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX';

/** Returns the findings of private-key as `line:column severity`. */
function findingsIn(text: string | Buffer, isKeyFile = false): readonly string[] {
  const content = Buffer.from(text as Buffer);
  const { findings } = verifyText({ path: 'f', isKeyFile, content }, openPolicy, defaults);
  return findings
    .filter(({ code }) => code === 'private-key')
    .map(({ position: { line, column }, severity }) => `${line}:${column} ${severity}`);
}

describe('a key file', () => {
  test.each([
    ['PKCS#8', pkcs8(rsa), 'error'],
    ['PKCS#8 of Ed25519', key, 'error'],
    ['PKCS#1', rsa.export({ type: 'pkcs1', format: 'pem' }), 'error'],
    ['SEC 1', ec.export({ type: 'sec1', format: 'pem' }), 'error'],
    ['encrypted PKCS#8', rsa.export({ type: 'pkcs8', format: 'pem', ...encrypted }), 'warning'],
    ['encrypted PKCS#1', rsa.export({ type: 'pkcs1', format: 'pem', ...encrypted }), 'warning'],
    ['OpenSSH', openSsh('none'), 'error'],
    ['encrypted OpenSSH', openSsh('aes256-ctr'), 'warning'],
    ['OpenPGP', pgp(0x95), 'error'],
    ['OpenPGP in the new format', pgp(0xc5), 'error'],
    ['a JWK', JSON.stringify(rsa.export({ format: 'jwk' })), 'error'],
    ['a JWK of EC', JSON.stringify(ec.export({ format: 'jwk' }), null, 2), 'error'],
    ['age', `# created: 2026\n${age}\n`, 'error'],
    ['PuTTY', putty('none'), 'error'],
    ['encrypted PuTTY', putty('aes256-cbc'), 'warning'],
    ['a certificate before the key', pem('prod') + key, 'error'],
    ['Windows line ends', key.replaceAll('\n', '\r\n'), 'error'],
    ['UTF-16', Buffer.from(`\uFEFF${key}`, 'utf16le'), 'error'],
  ])('with %s is reported', (_, text, severity) => {
    const found = findingsIn(text as string, true);
    expect(found.map((finding) => finding.split(' ')[1])).toEqual([severity]);
  });

  test.each([
    ['a public key', pem('prod')],
    ['a public JWK', JSON.stringify({ ...rsa.export({ format: 'jwk' }), d: undefined })],
    ['a JWK without its private part', '{"kty":"RSA","n":"AQAB","e":"AQAB","d":"…"}'],
    ['a certificate', block('CERTIFICATE', randomBytes(400))],
    ['an OpenPGP public key', pgp(0x99)],
    ['binary data', randomBytes(4096)],
    ['nothing', ''],
  ])('with %s is not reported', (_, text) => {
    expect(findingsIn(text as string, true)).toEqual([]);
  });

  test('can be suppressed by a comment above the key', () => {
    const comment = '# kseal-ignore private-key: only for tests\n';
    const { findings, suppressed } = verifyText(
      { path: 'f', isKeyFile: true, content: Buffer.from(comment + key) },
      openPolicy,
      defaults,
    );
    expect([findings, suppressed.map(({ reason }) => reason)]).toEqual([[], ['only for tests']]);
  });
});

const indented = (text: string) => text.replace(/^(?=.)/gm, '    ');

describe('a manifest', () => {
  test.each([
    ['in a block', `data:\n  k: |\n${indented(key)}`, '2:6 error'],
    ['in quotes', `a: 1\nk: ${JSON.stringify(key)}`, '2:4 error'],
    ['on one line', `k: ${key.replaceAll('\n', ' ')}`, '1:4 error'],
    ['in a comment', key.replace(/^(?=.)/gm, '# '), '1:3 error'],
    ['in base64', `k: ${base64(key)}`, '1:4 error'],
    ['in lines of base64', `k: |\n  ${base64(key).replace(/.{64}/g, '$&\n  ')}`, '1:4 error'],
    ['as a JWK in a string', `k: '${JSON.stringify(ec.export({ format: 'jwk' }))}'`, '1:4 error'],
    ['in text that is not YAML', `a: [\n${key}`, '2:1 error'],
    ['of age', `k: ${age}`, '1:4 error'],
    ['of PuTTY', `k: ${JSON.stringify(putty('none'))}`, '1:4 error'],
  ])('with a key %s is reported', (_, text, finding) => {
    expect(findingsIn(text)).toEqual([finding]);
  });

  test('reports each value once', () => {
    expect(findingsIn(`a: |\n${indented(key + key)}b: "${base64(key)}"\n`)).toEqual([
      '1:4 error',
      expect.stringMatching(/:4 error$/),
    ]);
  });

  test.each([
    ['many headers', 'PuTTY-User-Key-File-3: x\nEncryption: none\n'.repeat(40_000)],
    ['white space', `PuTTY-User-Key-File-3: x${' '.repeat(300_000)}`],
  ])('with %s of PuTTY is searched once', (_, text) => {
    expect(findingsIn(`k: |\n${indented(text)}`)).toEqual([]);
  });

  const secret = (field: string, value: string) =>
    `apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\n${field}:\n  k: ${value}\n`;

  test.each([
    ['data', base64(key)],
    ['data', `|\n${indented(key)}`],
    ['stringData', `|\n${indented(key)}`],
    ['stringData', JSON.stringify(key)],
  ])('with a key as plaintext in %s has only plaintext-value', (field, value) => {
    const content = Buffer.from(secret(field, value));
    const { findings } = verifyText({ path: 'f', content }, openPolicy, defaults);
    const codes = findings.map(({ code }) => code);
    expect(codes).toContain('plaintext-value');
    expect(codes).not.toContain('private-key');
  });

  test('with a key in an annotation that copies the Secret has only plaintext-annotation', () => {
    const copy = JSON.stringify({ data: { k: base64(key) } });
    const name = 'kubectl.kubernetes.io/last-applied-configuration';
    const text = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: b\n  annotations:\n    ${name}: '${copy}'\n`;
    const { findings } = verifyText(
      { path: 'f', content: Buffer.from(text) },
      openPolicy,
      defaults,
    );
    expect(findings.map(({ code }) => code)).toEqual(['plaintext-annotation']);
  });

  test('with a key beside a Secret is reported', () => {
    const beside = `${secret('data', base64('x'))}---\nkind: ConfigMap\ndata:\n  k: ${base64(key)}\n`;
    expect(findingsIn(beside)).toEqual(['9:6 error']);
  });
});

describe('an example is not reported', () => {
  test.each([
    ['dots', '-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----'],
    ['a cut key', key.replace(/.{20}\n-----END/, '\n-----END')],
    ['a key that goes on', key.replace(/(.{4})\n-----END/, '$1AAAA\n-----END')],
    ['no end', key.replace(/-----END.*/, '')],
    ['another end', key.replace('END PRIVATE', 'END RSA PRIVATE')],
    ['a name', '-----BEGIN RSA PRIVATE KEY-----'],
    ['base64 of dots', base64('-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----')],
    ['a row of letters', `AGE-SECRET-KEY-1${'X'.repeat(58)}`],
  ])('with %s', (_, text) => {
    expect(findingsIn(`k: |\n${indented(text)}\n`)).toEqual([]);
    expect(findingsIn(text, true)).toEqual([]);
  });

  test('with random bytes', () => {
    const labels = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'];
    fc.assert(
      fc.property(
        fc.constantFrom(...labels),
        // No other first byte is a SEQUENCE.
        fc.uint8Array({ minLength: 1, maxLength: 300 }).filter(([first]) => first !== 0x30),
        (label, bytes) => {
          expect(findingsIn(block(label, Buffer.from(bytes)), true)).toEqual([]);
        },
      ),
    );
  });
});

test('many boundaries take no time', () => {
  const begin = '-----BEGIN PRIVATE KEY-----\n'.repeat(50_000);
  const started = performance.now();
  expect(findingsIn(begin + 'A'.repeat(1_000_000), true)).toEqual([]);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('no message quotes the key', () => {
  const content = Buffer.from(`k: ${base64(key)}\nj: ${JSON.stringify(key)}\n`);
  const { findings } = verifyText({ path: 'f', content }, openPolicy, defaults);
  const body = key.split('\n')[1] ?? '';
  expect(JSON.stringify(findings)).not.toContain(body.slice(0, 12));
});
