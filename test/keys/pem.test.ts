import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { kidOf } from '../../src/jwe/thumbprint.ts';
import { looksLikeKey, parseKey } from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-pem-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pair = await makePair();
const { publicPem, privatePem } = pair;
const jwk = pair.key.export({ format: 'jwk' });
const privateText = (type: 'pkcs1' | 'pkcs8', cipher?: string) =>
  pair.privateKey
    .export({ type, format: 'pem', ...(cipher && { cipher, passphrase: 'x' }) })
    .toString();

/** A certificate for the pair, made by openssl. */
function certificate(): string {
  writeFileSync(join(folder, 'key.pem'), privatePem);
  const args = ['req', '-x509', '-key', 'key.pem', '-subj', '/CN=kseal', '-out', 'cert.pem'];
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  return readFileSync(join(folder, 'cert.pem'), 'utf8');
}

const read = (text: string | Buffer) => parseKey(Buffer.from(text), 'prod.pub');

describe('a public key', () => {
  const forms: Record<string, [string, string]> = {
    'as SPKI PEM': [publicPem, 'SPKI PEM'],
    'with Windows line ends': [publicPem.replaceAll('\n', '\r\n'), 'SPKI PEM'],
    'without a newline at the end': [publicPem.trimEnd(), 'SPKI PEM'],
    'with blank lines around it': [`\n\n${publicPem}\r\n \n`, 'SPKI PEM'],
    'with a byte order mark': [`\ufeff${publicPem}`, 'SPKI PEM'],
    'as PKCS#1 PEM': [pair.key.export({ type: 'pkcs1', format: 'pem' }).toString(), 'PKCS#1 PEM'],
    'as X.509 certificate': [certificate(), 'X.509 certificate'],
    'as JWK': [JSON.stringify(jwk), 'JWK'],
    'as JWK with its use': [JSON.stringify({ ...jwk, use: 'enc', alg: 'RSA-OAEP-256' }), 'JWK'],
    'as JWK, indented': [`${JSON.stringify({ ...jwk, kid: 'x' }, null, 2)}\n`, 'JWK'],
  };

  test.each(Object.entries(forms))('%s is read', async (_, [text, form]) => {
    const found = await read(text);
    expect(found).toMatchObject({ kind: 'public', form, kid: pair.kid, bits: 2048 });
    expect(await kidOf(found.key)).toBe(pair.kid);
    expect(looksLikeKey(Buffer.from(text))).toBe(true);
  });
});

describe('a private key', () => {
  test.each([
    ['PKCS#8 PEM', privateText('pkcs8')],
    ['PKCS#1 PEM', privateText('pkcs1')],
    ['JWK', JSON.stringify(pair.privateKey.export({ format: 'jwk' }))],
  ])('as %s is read', async (form, text) => {
    const found = await read(text);
    expect(found).toMatchObject({ kind: 'private', form, kid: pair.kid });
    expect(await kidOf(createPublicKey(found.key))).toBe(pair.kid);
  });

  test.each([
    ['PKCS#8', privateText('pkcs8', 'aes-256-cbc')],
    ['PKCS#1', privateText('pkcs1', 'aes-128-cbc')],
  ])('with a passphrase, as %s, is refused with the command that removes it', async (_, text) => {
    expect(await rejectionOf(read(text))).toEqual({
      code: 'KEY_INVALID',
      message: 'prod.pub: private key is encrypted with a passphrase',
      hint: 'openssl pkey -in prod.pub -out plain.pem',
    });
  });
});

describe('a file that is not a key file', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const body = publicPem.replace(/-----.*-----\n/g, '');
  const forms: Record<string, [string | Buffer, string]> = {
    'that is empty': ['', 'is empty'],
    'of white space': [' \n\n', 'not a key in PEM or JWK format'],
    'of other text': ['not a key\n', 'not a key in PEM or JWK format'],
    'of an SSH key': ['ssh-rsa AAAAB3NzaC1yc2E= me@host\n', 'not a key in PEM or JWK format'],
    'of a key in DER': [
      pair.key.export({ type: 'spki', format: 'der' }),
      'not a key in PEM or JWK format',
    ],
    'of two blocks': [publicPem + publicPem, 'contains more than one PEM block'],
    'of a public and a private block': [publicPem + privatePem, 'contains more than one PEM block'],
    'with text after END': [`${publicPem}junk\n`, 'not exactly one complete PEM block'],
    'with text in the line of END': [
      `${publicPem.trimEnd()}junk`,
      'not exactly one complete PEM block',
    ],
    'with text before BEGIN': [`prod key:\n${publicPem}`, 'not exactly one complete PEM block'],
    'without END': [publicPem.split('-----END')[0] ?? '', 'not exactly one complete PEM block'],
    'with a different END': [
      publicPem.replace('END PUBLIC', 'END PRIVATE'),
      'not exactly one complete PEM block',
    ],
    'with all in one line': [publicPem.replaceAll('\n', ' '), 'not exactly one complete PEM block'],
    'of an empty block': [
      '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n',
      'key is damaged',
    ],
    'of a damaged block': [publicPem.replace('MII', 'M!I'), 'key is damaged'],
    'of half a block': [publicPem.replace(body, body.slice(0, 64)), 'key is damaged'],
    'with the wrong label': [publicPem.replaceAll('PUBLIC', 'PRIVATE'), 'key is damaged'],
    'of a private key under a public label': [
      privatePem.replaceAll('PRIVATE', 'PUBLIC'),
      'key is damaged',
    ],
    'of an EC private key': [
      ec.privateKey.export({ type: 'sec1', format: 'pem' }),
      'unsupported PEM type EC PRIVATE KEY',
    ],
    'of parameters': [
      '-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n',
      'unsupported PEM type DH PARAMETERS',
    ],
    'of a damaged certificate': [
      publicPem.replaceAll('PUBLIC KEY', 'CERTIFICATE'),
      'key is damaged',
    ],
    'in UTF-16, as PowerShell writes': [
      Buffer.from(`\ufeff${publicPem}`, 'utf16le'),
      'is encoded in UTF-16',
    ],
    'in UTF-16, big-endian': [
      Buffer.from(`\ufeff${publicPem}`, 'utf16le').swap16(),
      'is encoded in UTF-16',
    ],
    'of a JWK to sign with': [
      JSON.stringify({ ...jwk, use: 'sig' }),
      'JWK member "use" is not "enc"',
    ],
    'of a JWK with another alg': [
      JSON.stringify({ ...jwk, alg: 'RSA-OAEP' }),
      'JWK member "alg" is not "RSA-OAEP-256"',
    ],
    'of a JWK to verify with': [
      JSON.stringify({ ...jwk, alg: 'RS256' }),
      'JWK member "alg" is not "RSA-OAEP-256"',
    ],
    'of a JWK whose alg is null': [
      JSON.stringify({ ...jwk, alg: null }),
      'JWK member "alg" is not "RSA-OAEP-256"',
    ],
    'of a symmetric JWK': ['{"kty":"oct","k":"AAAA"}', 'key is damaged'],
    'of a JWK without modulus': ['{"kty":"RSA","e":"AQAB"}', 'key is damaged'],
    'of a JWK with a duplicate member': [
      JSON.stringify(jwk).replace('{', '{"kty":"RSA",'),
      'key is damaged',
    ],
    'of a set of JWKs': [JSON.stringify({ keys: [jwk] }), 'key is damaged'],
    'of a private JWK without its primes': [
      JSON.stringify({ ...jwk, d: 'AQAB' }),
      'key is damaged',
    ],
    'of broken JSON': ['{"kty":"RSA",', 'key is damaged'],
  };

  test.each(Object.entries(forms))('%s is refused, and not quoted', async (_, [text, reason]) => {
    const { code, message, hint } = await rejectionOf(read(text));
    expect({ code, message }).toEqual({ code: 'KEY_INVALID', message: `prod.pub: ${reason}` });
    expect(hint).toBeTruthy();
    for (const line of text
      .toString()
      .split('\n')
      .filter((part) => part.length > 20)) {
      expect(`${message} ${hint}`).not.toContain(line.slice(0, 40));
    }
  });
});

test.each([
  ['a manifest', 'kind: Secret\n'],
  ['a JSON manifest', '{"kind":"Secret","data":{"kty":"x"}}'],
  ['a manifest that holds a key', `data: |\n  ${publicPem}`],
  ['an empty file', ''],
])('%s does not look like a key file', (_, text) => {
  expect(looksLikeKey(Buffer.from(text))).toBe(false);
});
