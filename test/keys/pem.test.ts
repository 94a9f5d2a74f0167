import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { kidOf } from '../../src/jwe/thumbprint.ts';
import { looksLikeKey, readKeyText } from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { thrownBy } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-pem-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pair = await makePair();
const { publicPem, privatePem } = pair;
const jwk = pair.key.export({ format: 'jwk' });
const privateText = (type: 'pkcs1' | 'pkcs8', cipher?: string) =>
  pair.privateKey
    .export({ type, format: 'pem', ...(cipher && { cipher, passphrase: 'x' }) })
    .toString();

/** A certificate of the pair, as openssl makes it. */
function certificate(): string {
  writeFileSync(join(folder, 'key.pem'), privatePem);
  const args = ['req', '-x509', '-key', 'key.pem', '-subj', '/CN=kseal', '-out', 'cert.pem'];
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  return readFileSync(join(folder, 'cert.pem'), 'utf8');
}

const read = (text: string | Buffer) => readKeyText(Buffer.from(text), 'prod.pub');

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
    const found = read(text);
    expect(found).toMatchObject({ kind: 'public', form });
    expect(await kidOf(found.key)).toBe(pair.kid);
    expect(looksLikeKey(Buffer.from(text))).toBe(true);
  });
});

describe('a private key', () => {
  test.each([
    ['PKCS#8 PEM', privateText('pkcs8')],
    ['PKCS#1 PEM', privateText('pkcs1')],
    ['JWK', JSON.stringify(pair.privateKey.export({ format: 'jwk' }))],
  ])('as %s is read, and known to be private', async (form, text) => {
    const found = read(text);
    expect(found).toMatchObject({ kind: 'private', form });
    expect(await kidOf(createPublicKey(found.key))).toBe(pair.kid);
  });

  test.each([
    ['PKCS#8', privateText('pkcs8', 'aes-256-cbc')],
    ['PKCS#1', privateText('pkcs1', 'aes-128-cbc')],
  ])('under a passphrase, in %s, is refused with the way out', (_, text) => {
    expect(thrownBy(() => read(text))).toEqual({
      code: 'KEY_INVALID',
      message: 'prod.pub: is a private key under a passphrase',
      hint: 'openssl pkey -in prod.pub -out plain.pem',
    });
  });
});

describe('a file that is no key file', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const body = publicPem.replace(/-----.*-----\n/g, '');
  const forms: Record<string, [string | Buffer, string]> = {
    'of nothing': ['', 'is empty'],
    'of white space': [' \n\n', 'holds no key in PEM or JWK form'],
    'of other text': ['not a key\n', 'holds no key in PEM or JWK form'],
    'of an SSH key': ['ssh-rsa AAAAB3NzaC1yc2E= me@host\n', 'holds no key in PEM or JWK form'],
    'in DER': [pair.key.export({ type: 'spki', format: 'der' }), 'holds no key in PEM or JWK form'],
    'of two blocks': [
      publicPem + publicPem,
      'holds several PEM blocks, and a key file must hold one',
    ],
    'of a public and a private block': [
      publicPem + privatePem,
      'holds several PEM blocks, and a key file must hold one',
    ],
    'with text after END': [`${publicPem}junk\n`, 'is not one whole PEM block and nothing else'],
    'with text in the line of END': [
      `${publicPem.trimEnd()}junk`,
      'is not one whole PEM block and nothing else',
    ],
    'with text before BEGIN': [
      `prod key:\n${publicPem}`,
      'is not one whole PEM block and nothing else',
    ],
    'without END': [
      publicPem.split('-----END')[0] ?? '',
      'is not one whole PEM block and nothing else',
    ],
    'with another END': [
      publicPem.replace('END PUBLIC', 'END PRIVATE'),
      'is not one whole PEM block and nothing else',
    ],
    'with all in one line': [
      publicPem.replaceAll('\n', ' '),
      'is not one whole PEM block and nothing else',
    ],
    'of an empty block': [
      '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n',
      'the key in it is damaged',
    ],
    'of a damaged block': [publicPem.replace('MII', 'M!I'), 'the key in it is damaged'],
    'of half a block': [publicPem.replace(body, body.slice(0, 64)), 'the key in it is damaged'],
    'of the wrong label': [publicPem.replaceAll('PUBLIC', 'PRIVATE'), 'the key in it is damaged'],
    'of a private key under a public label': [
      privatePem.replaceAll('PRIVATE', 'PUBLIC'),
      'the key in it is damaged',
    ],
    'of an EC private key': [
      ec.privateKey.export({ type: 'sec1', format: 'pem' }),
      'holds a PEM block of type EC PRIVATE KEY',
    ],
    'of parameters': [
      '-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n',
      'holds a PEM block of type DH PARAMETERS',
    ],
    'of a damaged certificate': [
      publicPem.replaceAll('PUBLIC KEY', 'CERTIFICATE'),
      'the key in it is damaged',
    ],
    'in UTF-16, as PowerShell writes': [
      Buffer.from(`\ufeff${publicPem}`, 'utf16le'),
      'is UTF-16 text',
    ],
    'in UTF-16, big-endian': [
      Buffer.from(`\ufeff${publicPem}`, 'utf16le').swap16(),
      'is UTF-16 text',
    ],
    'of a JWK to sign with': [
      JSON.stringify({ ...jwk, use: 'sig' }),
      'is a JWK whose use is not enc',
    ],
    'of a JWK of another alg': [
      JSON.stringify({ ...jwk, alg: 'RSA-OAEP' }),
      'is a JWK whose alg is not RSA-OAEP-256',
    ],
    'of a JWK to verify with': [
      JSON.stringify({ ...jwk, alg: 'RS256' }),
      'is a JWK whose alg is not RSA-OAEP-256',
    ],
    'of a JWK whose alg is null': [
      JSON.stringify({ ...jwk, alg: null }),
      'is a JWK whose alg is not RSA-OAEP-256',
    ],
    'of a symmetric JWK': ['{"kty":"oct","k":"AAAA"}', 'the key in it is damaged'],
    'of a JWK without modulus': ['{"kty":"RSA","e":"AQAB"}', 'the key in it is damaged'],
    'of a JWK with a member twice': [
      JSON.stringify(jwk).replace('{', '{"kty":"RSA",'),
      'the key in it is damaged',
    ],
    'of a set of JWKs': [JSON.stringify({ keys: [jwk] }), 'the key in it is damaged'],
    'of a private JWK without its primes': [
      JSON.stringify({ ...jwk, d: 'AQAB' }),
      'the key in it is damaged',
    ],
    'of broken JSON': ['{"kty":"RSA",', 'the key in it is damaged'],
  };

  test.each(Object.entries(forms))('%s is refused, and not quoted', (_, [text, reason]) => {
    const { code, message, hint } = thrownBy(() => read(text));
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
  ['nothing', ''],
])('%s does not look like a key file', (_, text) => {
  expect(looksLikeKey(Buffer.from(text))).toBe(false);
});
