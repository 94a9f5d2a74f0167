import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { importJWK } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { kidOf } from '../../src/jwe/thumbprint.ts';
import {
  holdsPrivateKey,
  looksLikeKey,
  openingKeyFromFile,
  parseKey,
  publicKeyFrom,
  publicKeyFromFile,
  publicKeyText,
  readKeyFile,
} from '../../src/keys/key-file.ts';
import { makePair, type Pair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [pair, other, odd] = await Promise.all([makePair(), makePair(), makePair(2052)]);

function save(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const paths = {
  pub: save('prod.pub', pair.publicPem),
  pem: save('prod.pem', pair.privatePem),
  pkcs1: save('pkcs1.pem', pair.privateKey.export({ type: 'pkcs1', format: 'pem' })),
  jwk: save('prod.jwk', JSON.stringify(pair.privateKey.export({ format: 'jwk' }))),
};

/** Yields the given passphrases. */
const passphrases = (...given: (string | Uint8Array)[]) =>
  async function* () {
    yield* given;
  };
const none = passphrases();

const seal = async (to: Pair) =>
  readCompact(Buffer.from(await encryptCompact(Buffer.from('P'), { scope: 'cluster-wide' }, to)));

describe('a public key file', () => {
  test('seals for its pair', async () => {
    const key = await publicKeyFromFile(paths.pub, 'prod.pub');
    expect(key).toMatchObject({ kid: pair.kid, bits: 2048 });
    expect(key.key.equals(pair.key)).toBe(true);
  });

  test.each([
    ['pem', "openssl pkey -in 'a key.pem' -pubout -out key.pub"],
    ['pkcs1', "openssl pkey -in 'a key.pem' -pubout -out key.pub"],
    ['jwk', "jq '{kty, n, e}' 'a key.pem' > key.jwk"],
  ] as const)('with a private key (%s) is refused, and not quoted', async (form, hint) => {
    expect(await rejectionOf(publicKeyFromFile(paths[form], 'a key.pem'))).toEqual({
      code: 'KEY_INVALID',
      message: 'a key.pem: is a private key, expected a public key',
      hint,
    });
  });

  test('with a weak exponent is refused by every function', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
    const pub = save('weak.pub', weak.publicKey.export({ type: 'spki', format: 'pem' }));
    const pem = save('weak.pem', weak.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const refusal of [
      readKeyFile(pub, 'weak.pub'),
      publicKeyFromFile(pub, 'weak.pub'),
      openingKeyFromFile(pem, 'weak.pem', none),
    ]) {
      expect(await rejectionOf(refusal)).toMatchObject({
        code: 'KEY_INVALID',
        message: expect.stringContaining('RSA public exponent is 3, must be 65537'),
      });
    }
  });
});

describe('a private key file', () => {
  test.each(['pem', 'pkcs1', 'jwk'] as const)(
    'opens values sealed to its pair: %s',
    async (form) => {
      const key = await openingKeyFromFile(paths[form], form, none);
      expect(key).toMatchObject({ kid: pair.kid, modulusBytes: 256, state: 'active' });
      expect(
        Buffer.from((await decryptCompact(await seal(pair), [key])).plaintext).toString(),
      ).toBe('P');
    },
  );

  test('returns undefined for another key and for another length', async () => {
    const key = await openingKeyFromFile(paths.pem, 'prod.pem', none);
    for (const bytes of [
      (await seal(other)).encryptedKey,
      Buffer.alloc(256, 0xff),
      Buffer.alloc(9),
    ]) {
      expect(await key.decryptKey(bytes)).toBeUndefined();
    }
  });

  test('with an odd length has encrypted keys as long as its modulus, rounded up', async () => {
    const key = await openingKeyFromFile(save('odd.pem', odd.privatePem), 'odd.pem', none);
    const jwe = await seal(odd);
    expect([key.modulusBytes, jwe.encryptedKey.length]).toEqual([257, 257]);
    expect(Buffer.from((await decryptCompact(jwe, [key])).plaintext).toString()).toBe('P');
  });

  test('with a public key is refused', async () => {
    expect(await rejectionOf(openingKeyFromFile(paths.pub, 'prod.pub', none))).toMatchObject({
      code: 'KEY_INVALID',
      message: 'prod.pub: is a public key, expected a private key',
    });
  });
});

describe('a path without a key file', () => {
  mkdirSync(join(folder, 'folder'));
  test.each([
    ['nothing', 'missing.pub', 'no such file'],
    ['a folder', 'folder', 'is a folder, not a file'],
    ['a path below a file', 'prod.pub/x', 'no such file'],
    ['a file of more than 64 KiB', 'large.pub', 'larger than 65536 bytes'],
  ])('%s is an IO error', async (_, name, message) => {
    save('large.pub', pair.publicPem.padEnd(64 * 1024 + 1));
    expect(await rejectionOf(readKeyFile(join(folder, name), 'shown'))).toMatchObject({
      code: 'IO',
      message: `shown: ${message}`,
    });
  });

  test('a file of 64 KiB is accepted', async () => {
    const path = save('largest.pub', pair.publicPem.padEnd(64 * 1024));
    expect((await readKeyFile(path, 'shown')).kid).toBe(pair.kid);
  });
});

const { publicPem, privatePem } = pair;
const jwk = pair.key.export({ format: 'jwk' });
const PASSPHRASE = 'CANARY-passphrase é';
const privateText = (type: 'pkcs1' | 'pkcs8', cipher?: string) =>
  pair.privateKey
    .export({ type, format: 'pem', ...(cipher && { cipher, passphrase: PASSPHRASE }) })
    .toString();
const dhParameters = '-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n';

/** A certificate for the pair, made by openssl. */
function certificate(...options: string[]): string {
  writeFileSync(join(folder, 'key.pem'), privatePem);
  const args = ['req', '-x509', '-key', 'key.pem', '-subj', '/CN=kseal', ...options];
  return execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' }).toString();
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
    'as JWK Set': [JSON.stringify({ keys: [jwk] }), 'JWK Set'],
    'with old Mac line ends': [publicPem.replaceAll('\n', '\r'), 'SPKI PEM'],
    'with spaces at the ends of lines': [publicPem.replaceAll('\n', ' \t\n'), 'SPKI PEM'],
    'in one line': [publicPem.replaceAll('\n', ' '), 'SPKI PEM'],
    'in lines of another length': [publicPem.replace(/(?<!-)\n(?!-)/g, ''), 'SPKI PEM'],
    'with text after END': [`${publicPem}\nprod key\n`, 'SPKI PEM'],
    'with text before BEGIN': [`prod key:\n${publicPem}`, 'SPKI PEM'],
    'with the text of openssl x509 -text': [certificate('-text'), 'X.509 certificate'],
  };

  test.each(Object.entries(forms))('%s is read', async (_, [text, form]) => {
    const found = await read(text);
    expect(found).toMatchObject({ kind: 'public', form, kid: pair.kid, bits: 2048 });
    expect(kidOf(found.key)).toBe(pair.kid);
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
    expect(kidOf(createPublicKey(found.key))).toBe(pair.kid);
  });

  const bag = 'Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n';
  test.each([
    ['as openssl pkcs12 -nodes -nocerts prints it', bag + privatePem],
    ['before its certificate', bag + privatePem + bag + certificate()],
    ['after a chain of certificates', certificate() + certificate() + privatePem],
    ['with other objects', `${dhParameters}${privatePem}`],
    ['in a manifest', `stringData:\n  key: |\n${privatePem.replace(/^/gm, '    ')}`],
  ])('%s opens values', async (_, text) => {
    const key = await openingKeyFromFile(save('bundle.pem', text), 'bundle.pem', none);
    expect(key.kid).toBe(pair.kid);
  });
});

describe('an encrypted private key', () => {
  const encrypted = {
    'PKCS#8': privateText('pkcs8', 'aes-256-cbc'),
    'PKCS#1': privateText('pkcs1', 'aes-128-cbc'),
    'PKCS#1 with Windows line ends': privateText('pkcs1', 'aes-128-cbc').replaceAll('\n', '\r\n'),
  };
  const refused = (message: string, hint: string) => ({
    code: 'KEY_INVALID',
    message: `prod.pem: ${message}`,
    hint,
  });
  const open = (text: string, ...given: Parameters<typeof passphrases>) =>
    openingKeyFromFile(save('encrypted.pem', text), 'prod.pem', passphrases(...given));

  test.each(Object.entries(encrypted))('%s opens with its passphrase', async (_, text) => {
    expect((await open(text, PASSPHRASE)).kid).toBe(pair.kid);
    expect((await open(text, Buffer.from(PASSPHRASE))).kid).toBe(pair.kid);
    expect((await open(text, 'CANARY-wrong', '', PASSPHRASE)).kid).toBe(pair.kid);
  });

  test('is refused without its passphrase, and names the variable', async () => {
    for (const text of Object.values(encrypted)) {
      for (const given of [[], ['CANARY-wrong']]) {
        expect(await rejectionOf(open(text, ...given))).toEqual(
          refused(
            'private key is encrypted with a passphrase',
            'write the passphrase to a file, then: export KSEAL_KEY_PASSPHRASE_FILE=FILE',
          ),
        );
      }
    }
  });

  test('is refused if nothing is opened with it, with the command that gets its public key', async () => {
    for (const text of Object.values(encrypted)) {
      const hint = 'openssl pkey -in prod.pem -pubout -out key.pub';
      const problem = 'private key is encrypted with a passphrase';
      expect(await rejectionOf(parseKey(Buffer.from(text), 'prod.pem'))).toEqual(
        refused(problem, hint),
      );
      expect(await rejectionOf(publicKeyFrom(Buffer.from(text), 'prod.pem'))).toEqual(
        refused('is a private key, expected a public key', hint),
      );
    }
  });

  test('is refused before the passphrase is asked if a second key makes the choice ambiguous', async () => {
    const asked: string[] = [];
    const ask = async function* (shown: string) {
      asked.push(shown);
      yield PASSPHRASE;
    };
    const path = save('two.pem', encrypted['PKCS#8'] + privatePem);
    const { message } = await rejectionOf(openingKeyFromFile(path, 'two.pem', ask));
    expect([message, asked]).toEqual(['two.pem: contains more than one PEM block', []]);
  });

  test('with a cipher that OpenSSL has retired is refused with the command that converts it', async () => {
    const text = encrypted['PKCS#1'].replace(/AES-128-CBC,.*/, 'DES-CBC,0123456789ABCDEF');
    expect(await rejectionOf(open(text, PASSPHRASE))).toEqual(
      refused(
        'private key is encrypted with an outdated cipher',
        'openssl pkey -provider legacy -provider default -in prod.pem -out key.pem',
      ),
    );
  });
});

describe('a certificate', () => {
  test('has its dates, and another file has none', async () => {
    const dates = ['-days', '1'];
    const { validity } = await read(certificate(...dates));
    expect(Number(validity?.to) - Number(validity?.from)).toBe(86_400_000);
    expect((await read(publicPem)).validity).toBeUndefined();
  });

  test('and its private key in one file are refused as a public key', async () => {
    const both = Buffer.from(certificate() + privatePem);
    expect(await rejectionOf(publicKeyFrom(both, 'prod.pem'))).toEqual({
      code: 'KEY_INVALID',
      message: 'prod.pem: is a private key, expected a public key',
      hint: 'openssl x509 -in prod.pem -out key.crt',
    });
  });
});

describe('the text around a PEM block', () => {
  const anyText = fc
    .string({ unit: fc.constantFrom(...'aZ0+/=-#: \t\n\r', 'é', 'BEGIN', '-----') })
    .filter((text) => !/-----(?:BEGIN|END)/.test(text));
  const space = fc.constantFrom('', ' ', '\t', '  \t ', '\r');

  test('never changes the key, and neither does white space at the ends of lines', async () => {
    const forms = [publicPem, certificate(), privatePem];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        anyText,
        anyText,
        fc.array(space, { minLength: 1 }),
        async (pem, before, after, spaces) => {
          let line = 0;
          const block = pem.replace(/$/gm, () => spaces[line++ % spaces.length] ?? '');
          expect((await read(`${before}\n${block}\n${after}`)).kid).toBe(pair.kid);
        },
      ),
    );
  });

  test('contains no second key', async () => {
    const keys = [publicPem, privatePem, privateText('pkcs1'), certificate()];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys.slice(0, 3)),
        fc.constantFrom(...keys.slice(0, 3)),
        anyText,
        fc.boolean(),
        async (first, second, between, isCut) => {
          const rest = isCut ? second.replace(/-----END.*-----/, '') : second;
          const text = Buffer.from(`${first}\n${between}\n${rest}`);
          for (const refusal of [
            parseKey(text, 'x'),
            publicKeyFrom(text, 'x'),
            openingKeyFromFile(save('second.pem', `${text}`), 'x', none),
          ])
            expect(await rejectionOf(refusal)).toMatchObject({ code: 'KEY_INVALID' });
        },
      ),
      { numRuns: 30 },
    );
  });

  test('contains no private key as text, as openssl rsa -pubout -text prints it', async () => {
    const options = { cwd: folder, input: privatePem };
    const text = execFileSync('openssl', ['rsa', '-pubout', '-text'], {
      ...options,
      stdio: 'pipe',
    });
    expect(text.toString()).toContain(publicPem);
    expect(holdsPrivateKey(text)).toBe(true);
    expect(await rejectionOf(publicKeyFrom(text, 'prod.pub'))).toEqual({
      code: 'KEY_INVALID',
      message: 'prod.pub: is a private key, expected a public key',
      hint: 'openssl pkey -pubin -in prod.pub -out key.pub',
    });
  });
});

describe('a JWK Set', () => {
  const otherJwk = other.key.export({ format: 'jwk' });
  const privateJwk = pair.privateKey.export({ format: 'jwk' });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const set = (...keys: object[]) => Buffer.from(JSON.stringify({ keys, issuer: 'x' }, null, 1));

  test.each([
    ['with keys of other types', set(ec, { kty: 'oct', k: 'AA' }, jwk)],
    ['with a key to sign with', set({ ...otherJwk, use: 'sig' }, { ...jwk, use: 'enc' })],
    ['with a key for another algorithm', set(jwk, { ...otherJwk, alg: 'RS256' })],
  ])('%s has one key to seal with', async (_, text) => {
    expect(await publicKeyFrom(text, 'keys.json')).toMatchObject({
      kind: 'public',
      form: 'JWK Set',
      kid: pair.kid,
    });
    expect(looksLikeKey(text)).toBe(true);
  });

  test('with two public RSA keys opens nothing', async () => {
    const path = save('public.jwks', set(jwk, otherJwk).toString());
    expect(await rejectionOf(openingKeyFromFile(path, 'keys.json', none))).toMatchObject({
      message: 'keys.json: is a public key, expected a private key',
    });
  });

  test('with one private RSA key opens values', async () => {
    const path = save('private.jwks', set(otherJwk, privateJwk).toString());
    expect((await openingKeyFromFile(path, 'keys.json', none)).kid).toBe(pair.kid);
  });

  test.each([
    [
      'with two keys',
      Buffer.from(
        JSON.stringify({ keys: [null, ec, { ...jwk, kid: 'a' }, { ...otherJwk, kid: 'b' }] }),
      ),
      'JWK Set has 2 RSA keys to encrypt with: a, b',
      "jq '.keys[2]' keys.json > key.jwk",
    ],
    [
      'with two keys without a plain name',
      set(jwk, { ...otherJwk, kid: 'CANARY \u001b[31m' }),
      'JWK Set has 2 RSA keys to encrypt with: number 1, number 2',
      "jq '.keys[0]' keys.json > key.jwk",
    ],
    ['without an RSA key', set(ec), 'JWK Set has no RSA key', undefined],
    ['that is empty', set(), 'JWK Set has no RSA key', undefined],
    [
      'with one key to sign with',
      set({ ...jwk, use: 'sig' }),
      'JWK member "use" is not "enc"',
      undefined,
    ],
    [
      'with a private key',
      set(jwk, { ...ec, d: 'CANARY' }),
      'is a private key, expected a public key',
      `jq 'first(.keys[] | select(.kty == "RSA")) | {kty, n, e}' keys.json > key.jwk`,
    ],
    ['with members that are not objects', set(['x']), 'JWK Set has no RSA key', undefined],
  ])('%s is refused as a public key', async (_, text, problem, hint) => {
    expect(await rejectionOf(publicKeyFrom(text, 'keys.json'))).toEqual({
      code: 'KEY_INVALID',
      message: `keys.json: ${problem}`,
      hint: hint ?? 'use the public key that the KMS manager published',
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
    'of two blocks': [publicPem + publicPem, 'contains more than one PEM block'],
    'of a public and a private block': [publicPem + privatePem, 'contains more than one PEM block'],
    'with text in the line of END': [
      `${publicPem.trimEnd()}junk`,
      'not exactly one complete PEM block',
    ],
    'with text in the line of BEGIN': [`key: ${publicPem}`, 'not exactly one complete PEM block'],
    'with a boundary in the text': [
      `${publicPem}-----BEGIN\n`,
      'not exactly one complete PEM block',
    ],
    'of a chain of certificates': [
      certificate() + certificate(),
      'contains more than one PEM block',
    ],
    'of JSON that is not a JWK': ['{"private_key":"CANARY"}', 'not a key in PEM or JWK format'],
    'without END': [publicPem.split('-----END')[0] ?? '', 'not exactly one complete PEM block'],
    'with a different END': [
      publicPem.replace('END PUBLIC', 'END PRIVATE'),
      'not exactly one complete PEM block',
    ],
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
      'key type is ec, must be rsa',
    ],
    'of parameters': [dhParameters, 'unsupported PEM type DH PARAMETERS'],
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
  ['a manifest that holds a key', `data: |\n  ${publicPem.replaceAll('\n', '\n  ')}`],
  ['a manifest after a key', `${publicPem}---\nkind: Secret\n`],
  ['Helm values of SSH keys', 'ssh-keys:\n  - ssh-rsa AAAA\n'],
  ['a manifest in UTF-16', Buffer.from('\ufeffkind: Secret', 'utf16le')],
  ['an empty file', ''],
])('%s does not look like a key file', (_, text) => {
  expect(looksLikeKey(Buffer.from(text))).toBe(false);
});

/** A public key as two files: SPKI PEM and JWK. */
function written(jwk: JsonWebKey): Buffer[] {
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return [Buffer.from(pem), Buffer.from(JSON.stringify(jwk))];
}

const bitsOf = async (bytes: Buffer) => (await parseKey(bytes, 'prod.pub')).bits;
const refusal = (bytes: Buffer) => rejectionOf(parseKey(bytes, 'prod.pub'));

/** An odd modulus of exactly so many bits. */
function modulus(bits: number): string {
  const bytes = randomBytes(Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  bytes[0] = ((bytes[0] ?? 0) & ((1 << top) - 1)) | (1 << top);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return bytes.toString('base64url');
}

describe('the public exponent', () => {
  test('65537 is accepted', async () => {
    for (const bytes of written(jwk)) expect(await bitsOf(bytes)).toBe(2048);
  });

  // With exponent 1 the encrypted key is the padded CEK itself.
  test.each([
    [0, 'AA'],
    [1, 'AQ'],
    [1, 'AAAB'],
    [2, 'Ag'],
    [3, 'Aw'],
    [17, 'EQ'],
    [65535, '__8'],
    [65536, 'AQAA'],
    [65538, 'AQAC'],
    [4294967297, 'AQAAAAE'],
  ])('%i is refused and named', async (exponent, e) => {
    for (const bytes of written({ ...jwk, e })) {
      expect(await refusal(bytes)).toEqual({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA public exponent is ${exponent}, must be 65537`,
        hint: 'use an RSA key of 3072 or 4096 bits',
      });
    }
  });

  test('3 is refused for the public and the private key of a pair', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicExponent: 3,
    });
    const pems = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ];
    for (const pem of pems)
      expect((await refusal(Buffer.from(pem))).message).toBe(
        'prod.pub: RSA public exponent is 3, must be 65537',
      );
  });
});

describe('the modulus', () => {
  test.each([2048, 2049, 3072, 4096, 8191, 8192])('of %i bits is accepted', async (bits) => {
    for (const bytes of written({ ...jwk, n: modulus(bits) }))
      expect(await bitsOf(bytes)).toBe(bits);
  });

  test.each([512, 1024, 2040, 2047, 8193, 16384])('of %i bits is refused', async (bits) => {
    for (const bytes of written({ ...jwk, n: modulus(bits) })) {
      expect(await refusal(bytes)).toMatchObject({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA modulus has ${bits} bits, must have 2048 to 8192`,
      });
    }
  });

  test('of an even number is refused, because nobody can encrypt with it', async () => {
    const n = Buffer.from(modulus(2048), 'base64url');
    n[n.length - 1] = 2;
    for (const bytes of written({ ...jwk, n: n.toString('base64url') }))
      expect(await refusal(bytes)).toMatchObject({
        code: 'KEY_INVALID',
        message: 'prod.pub: key is damaged',
      });
  });

  test('with leading zeros is refused, because they would make it look longer', async () => {
    const n = Buffer.concat([Buffer.alloc(128), Buffer.from(modulus(1024), 'base64url')]);
    const bytes = Buffer.from(JSON.stringify({ ...jwk, n: n.toString('base64url') }));
    expect((await refusal(bytes)).message).toContain('not canonical base64url');
  });
});

describe('another kind of key', () => {
  test.each([
    ['ec', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ed25519', () => generateKeyPairSync('ed25519')],
    ['x25519', () => generateKeyPairSync('x25519')],
    ['rsa-pss', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
  ] as const)('%s is refused and named', async (type, generate) => {
    const pem = generate().publicKey.export({ type: 'spki', format: 'pem' });
    expect(await refusal(Buffer.from(pem))).toMatchObject({
      code: 'KEY_INVALID',
      message: `prod.pub: key type is ${type}, must be rsa`,
    });
  });
});

test('PEM is SPKI and ends with a line break', () => {
  const text = publicKeyText(pair, 'pem');
  expect(text).toBe(pair.publicPem);
  expect(text).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\s\S]*\n-----END PUBLIC KEY-----\n$/);
});

test('a JWK has kid, use and alg, and no private member', async () => {
  const text = publicKeyText(pair, 'jwk');
  expect(text.endsWith('}\n')).toBe(true);
  const jwk = JSON.parse(text);
  expect(jwk).toEqual({
    kty: 'RSA',
    n: expect.any(String),
    e: 'AQAB',
    use: 'enc',
    alg: 'RSA-OAEP-256',
    kid: pair.kid,
  });
  expect(createPublicKey({ key: jwk, format: 'jwk' }).equals(pair.key)).toBe(true);
  await expect(importJWK(jwk)).resolves.toBeDefined();
});

test('only the public key of a pair is written', () => {
  const both = { ...pair, pem: pair.privatePem };
  for (const format of ['pem', 'jwk'] as const)
    expect(publicKeyText(both, format)).not.toContain('PRIVATE');
});
