import { constants, createPrivateKey, createPublicKey, privateDecrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { CompactEncrypt } from 'jose';
import { describe, expect, inject, test } from 'vitest';
import {
  inspectManifest,
  KsealError,
  openManifest,
  type SealValueOptions,
  sealManifest,
  sealValue,
  verifyManifest,
} from '../src/index.ts';
import { allowedCodes } from '../src/seal/seal.ts';
import { canariesIn } from './helpers/canary.ts';
import { layouts, linesOf, textOf, values } from './manifest/random-secret.ts';

const keyFile = (name: string) => readFileSync(join(inject('keys'), name), 'utf8');
const publicKey = keyFile('k.pub');
const privateKey = keyFile('k.pem');

const place = { namespace: 'hr', name: 'db', key: 'password' };

const plain = `# The database.
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: hr
stringData:
  password: CANARY-manifest   # from the vault
`;

const withValue = (jwe: string, { namespace, name, key } = place) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    stringData: { [key]: jwe },
  });

/** The error with which a call fails, which must not quote a value. */
async function failure(action: () => unknown): Promise<KsealError> {
  const error = await Promise.resolve()
    .then(action)
    .then(() => undefined)
    .catch((thrown: unknown) => thrown);
  if (!(error instanceof KsealError)) throw error ?? new Error('nothing was thrown');
  expect(canariesIn(`${error.message}${error.hint}${error.stack}`)).toEqual([]);
  return error;
}

describe('sealValue', () => {
  const seal = (more: Partial<SealValueOptions> = {}) =>
    sealValue({ value: 'CANARY-value', publicKey, ...place, ...more });

  test('returns a compact JWE that opens in its place', async () => {
    const jwe = await seal();
    expect(jwe).toMatch(/^eyJhbGciOiJSU0E[\w-]*(\.[\w-]+){4}$/);
    const { text, opened } = await openManifest(withValue(jwe), { privateKeys: [privateKey] });
    expect([JSON.parse(text).stringData, opened]).toEqual([{ password: 'CANARY-value' }, 1]);
    const moved = withValue(jwe, { ...place, name: 'web' });
    expect(inspectManifest(moved)).toMatchObject([{ state: 'misplaced', binding: place }]);
    const error = await failure(() => openManifest(moved, { privateKeys: [privateKey] }));
    expect(error.code).toBe('BINDING_MISMATCH');
  });

  test('seals any bytes', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 40 }), async (bytes) => {
        const jwe = await seal({ value: bytes, allow: allowedCodes });
        const { text } = await openManifest(withValue(jwe), { privateKeys: [privateKey] });
        const { data = {}, stringData = {} } = JSON.parse(text);
        const found =
          data.password === undefined
            ? Buffer.from(stringData.password)
            : Buffer.from(data.password, 'base64');
        expect([...found]).toEqual([...bytes]);
      }),
      { numRuns: 20 },
    ));

  test('binds a value to its scope', async () => {
    for (const scope of ['strict', 'namespace-wide', 'cluster-wide'] as const) {
      const [value] = inspectManifest(withValue(await seal({ scope })));
      expect(value).toMatchObject({ state: 'sealed', binding: { scope }, keyBits: 3072 });
    }
  });

  test('takes a key as PEM, as bytes, and as a JWK', async () => {
    const kidOf = async (key: string | Uint8Array) =>
      inspectManifest(withValue(await seal({ publicKey: key })))[0]?.kid;
    const jwk = JSON.stringify(createPublicKey(publicKey).export({ format: 'jwk' }));
    const kids = [await kidOf(publicKey), await kidOf(Buffer.from(publicKey)), await kidOf(jwk)];
    expect(new Set(kids).size).toBe(1);
  });

  test.each<[string, Partial<SealValueOptions>, string, RegExp]>([
    ['a final newline', { value: 'CANARY-a\n' }, 'VALUE_REFUSED', /newline.*\[trailing-newline\]$/],
    ['an empty value', { value: '' }, 'VALUE_REFUSED', /\[empty\]$/],
    ['an invalid namespace', { namespace: 'HR' }, 'VALUE_REFUSED', /invalid namespace "HR"/],
    ['an invalid name', { name: 'a: b' }, 'VALUE_REFUSED', /invalid Secret name "a: b"/],
    ['an invalid data key', { key: 'a/b', scope: 'cluster-wide' }, 'VALUE_REFUSED', /data key/],
    ['a private key', { publicKey: privateKey }, 'KEY_INVALID', /^publicKey: is a private key/],
    ['text that is not a key', { publicKey: 'CANARY-x' }, 'KEY_INVALID', /^publicKey: /],
  ])('refuses %s', async (_, more, code, message) => {
    const error = await failure(() => seal(more));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(/./);
  });

  test('refuses a sealed value', async () => {
    const value = await seal();
    expect((await failure(() => seal({ value }))).code).toBe('VALUE_REFUSED');
  });

  test('seals a value whose warning is allowed', async () => {
    expect(await seal({ value: 'CANARY-a\n', allow: ['trailing-newline'] })).toMatch(/^eyJ/);
  });
});

describe('a program without types', () => {
  /** Returns the message of the TypeError that a call with such options throws. */
  async function typeError(action: (any: never) => unknown, given: unknown): Promise<string> {
    const error = await Promise.resolve(given as never)
      .then(action)
      .catch((thrown: unknown) => thrown);
    if (!(error instanceof TypeError)) throw new Error('no TypeError');
    expect(canariesIn(`${error.message}${error.stack}`)).toEqual([]);
    return error.message;
  }
  const valid = { value: 'CANARY-value', publicKey, ...place };
  const content = 'expected a string or a Uint8Array';

  test.each<[string, unknown, string]>([
    ['no options', undefined, 'options: expected an object'],
    ['a list', [valid], 'options: expected an object'],
    ['no value', { ...valid, value: undefined }, `value: ${content}`],
    ['a number', { ...valid, value: 4711 }, `value: ${content}`],
    ['units of two bytes', { ...valid, value: new Uint16Array([1]) }, `value: ${content}`],
    ['a buffer without a view', { ...valid, value: new ArrayBuffer(8) }, `value: ${content}`],
    ['a key as an object', { ...valid, publicKey: { kty: 'RSA' } }, `publicKey: ${content}`],
    ['no namespace', { ...valid, namespace: undefined }, 'namespace: expected a string'],
    ['names in lists', { ...valid, name: ['db'] }, 'name: expected a string'],
    ['a data key that is a number', { ...valid, key: 5 }, 'key: expected a string'],
    [
      'a scope in a list',
      { ...valid, scope: ['strict'] },
      'scope: expected strict, namespace-wide, cluster-wide',
    ],
    [
      'a warning outside a list',
      { ...valid, allow: 'empty' },
      'allow: expected an array of strings',
    ],
  ])('gets a TypeError from sealValue for %s', async (_, given, message) => {
    expect(await typeError(sealValue, given)).toBe(message);
  });

  test('gets a TypeError for a manifest that is not a string', async () => {
    const calls = [sealManifest, inspectManifest, verifyManifest, openManifest];
    for (const call of calls)
      for (const given of [undefined, { kind: 'CANARY' }, Buffer.from(plain)])
        expect(await typeError((any) => call(any, any), given)).toBe('text: expected a string');
  });

  test.each<[string, unknown, RegExp]>([
    ['a severity', { rules: { 'plaintext-value': 'Error' } }, /^rules: .*off, warning or error/],
    ['a scope', { maxScope: 'pod' }, /^maxScope: expected strict/],
    ['a single key', { publicKeys: publicKey }, /^publicKeys: expected an array of keys/],
    ['a namespace', { namespace: ['hr'] }, /^namespace: expected a string/],
  ])('gets a TypeError from verifyManifest for %s of the wrong type', async (_, given, message) => {
    expect(await typeError((any) => verifyManifest(plain, any), given)).toMatch(message);
  });

  test.each<[string, unknown]>([
    ['no keys', {}],
    ['a single key', { privateKeys: privateKey }],
    ['a key that does not decrypt', { privateKeys: [{ publicKey }] }],
    ['a key without its public key', { privateKeys: [{ decryptKey: async () => undefined }] }],
  ])('gets a TypeError from openManifest for %s', async (_, given) => {
    const message = await typeError((any) => openManifest(plain, any), given);
    expect(message).toMatch(/^privateKeys: expected an array of keys/);
  });

  test('gets an error for a warning that does not exist', async () => {
    const error = await failure(() => sealManifest(plain, { publicKey, allow: ['newline'] }));
    expect([error.code, error.message]).toEqual(['USAGE', 'allow: no such warning: newline']);
    expect(error.hint).toContain('trailing-newline');
  });
});

describe('sealManifest', () => {
  test('changes only values, and says how many', async () => {
    const first = await sealManifest(plain, { publicKey });
    expect(first).toMatchObject({ sealed: 1, kept: 0, warnings: [] });
    expect(canariesIn(first.text)).toEqual([]);
    const line = /password: \S+/;
    expect(first.text.replace(line, '')).toBe(
      plain.replace('stringData', 'data').replace(line, ''),
    );
    expect(await sealManifest(first.text, { publicKey })).toMatchObject({ sealed: 0, kept: 1 });
    const { text } = await openManifest(first.text, { privateKeys: [privateKey] });
    expect(canariesIn(text)).toEqual(['CANARY-manifest']);
  });

  test('and openManifest are inverse', () =>
    fc.assert(
      fc.asyncProperty(values, layouts, async (all, layout) => {
        const planted = all.map((value, n) => ({ ...value, text: `CANARY-${n}-of-a-test` }));
        const source = textOf(linesOf(planted, layout), layout);
        const options = { publicKey, namespace: 'hr', stringData: true };
        const sealed = await sealManifest(source, options);
        expect(canariesIn(sealed.text)).toEqual([]);
        const again = { privateKeys: [privateKey], namespace: 'hr' };
        const { text, opened } = await openManifest(sealed.text, again);
        expect(opened).toBe(sealed.sealed);
        expect(new Set(canariesIn(text))).toEqual(new Set(planted.map((value) => value.text)));
      }),
      { numRuns: 20 },
    ));

  test('returns warnings with their place, and refuses them under strict', async () => {
    const doubtful = plain.replace('CANARY-manifest', '"CANARY-manifest\\n"');
    const { warnings } = await sealManifest(doubtful, { publicKey, path: 'db.yaml' });
    expect(warnings).toMatchObject([
      { code: 'trailing-newline', position: { line: 8, column: 13 }, secret: 'hr/db' },
    ]);
    expect(canariesIn(JSON.stringify(warnings))).toEqual([]);
    const options = { publicKey, path: 'db.yaml' };
    const error = await failure(() => sealManifest(doubtful, { ...options, strict: true }));
    expect(error.message).toMatch(/^db\.yaml:8:13: Secret hr\/db, data key "password": /);
    const allow = ['trailing-newline'];
    expect(await sealManifest(doubtful, { ...options, strict: true, allow })).toMatchObject({
      sealed: 1,
    });
  });

  test('binds Secrets without a namespace to the given one, which it does not write', async () => {
    const bare = plain.replace('  namespace: hr\n', '');
    expect((await failure(() => sealManifest(bare, { publicKey }))).code).toBe('VALUE_REFUSED');
    const { text } = await sealManifest(bare, { publicKey, namespace: 'hr' });
    expect(text).not.toContain('namespace');
    expect(inspectManifest(text, { namespace: 'hr' })).toMatchObject([{ state: 'sealed' }]);
  });

  test('refuses values that are sealed to a key that is not known', async () => {
    const { text } = await sealManifest(plain, { publicKey: keyFile('other.pub') });
    const error = await failure(() => sealManifest(text, { publicKey }));
    expect(error.code).toBe('KEY_UNKNOWN');
    const knownKeys = [keyFile('other.pub')];
    expect(await sealManifest(text, { publicKey, knownKeys })).toMatchObject({ kept: 1 });
  });

  test('refuses a manifest that SOPS encrypts, and the pointer of Git LFS', async () => {
    const sops = `${plain}sops: { mac: x }\n`;
    expect((await failure(() => sealManifest(sops, { publicKey }))).message).toMatch(/SOPS/);
    const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n';
    expect((await failure(() => sealManifest(lfs, { publicKey }))).message).toMatch(/LFS/);
  });

  test('throws all problems at once, with their messages', async () => {
    const bad = `${plain}---\n${plain}`.replaceAll('CANARY-manifest', '0123');
    const error = await sealManifest(bad, { publicKey }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AggregateError);
    const { errors, message } = error as AggregateError;
    expect(errors.map(({ code }) => code)).toEqual(['MANIFEST_INVALID', 'MANIFEST_INVALID']);
    expect(message.split('\n')).toEqual(errors.map((one) => one.message));
  });
});

describe('inspectManifest', () => {
  test('returns the facts of each value, and never its content', async () => {
    const jwe = await sealValue({ value: 'CANARY-value', publicKey, ...place });
    const text = `${plain}---\n${withValue(jwe)}\n`;
    const found = inspectManifest(text, { path: 'all.yaml' });
    expect(canariesIn(JSON.stringify(found))).toEqual([]);
    expect(found).toEqual([
      {
        ...{ path: 'all.yaml', line: 8, secret: 'hr/db', field: 'stringData', key: 'password' },
        state: 'plaintext',
      },
      {
        ...{ path: 'all.yaml', line: 10, secret: 'hr/db', field: 'stringData', key: 'password' },
        state: 'sealed',
        binding: { scope: 'strict', ...place },
        kid: expect.stringMatching(/^[\w-]{43}$/),
        keyBits: 3072,
        plaintextOctets: [0, 15],
      },
    ]);
  });

  test('shows the values that SOPS encrypts', () => {
    const encrypted = 'ENC[AES256_GCM,data:aa==,iv:aa==,tag:aa==,type:str]';
    const text = `${plain.replace('CANARY-manifest', encrypted)}sops: { mac: x }\n`;
    expect(inspectManifest(text)).toMatchObject([{ state: 'foreign' }]);
  });

  test('throws for a manifest that cannot be read', async () => {
    const error = await failure(() => inspectManifest('kind: "CANARY-open'));
    expect([error.code, error.message]).toEqual([
      'MANIFEST_INVALID',
      expect.stringMatching(/^manifest:1:/),
    ]);
  });
});

describe('verifyManifest', () => {
  test('returns what the rules find', async () => {
    const findings = await verifyManifest(plain, { path: 'db.yaml' });
    expect(findings).toMatchObject([
      { code: 'plaintext-value', severity: 'error', path: 'db.yaml', secret: 'hr/db' },
    ]);
    expect(canariesIn(JSON.stringify(findings))).toEqual([]);
  });

  test('finds nothing in a sound manifest, and the values of an unknown key', async () => {
    const { text } = await sealManifest(plain, { publicKey });
    expect(await verifyManifest(text, { publicKeys: [publicKey] })).toEqual([]);
    expect(await verifyManifest(text)).toEqual([]);
    const codes = async (...publicKeys: readonly string[]) =>
      (await verifyManifest(text, { publicKeys })).map(({ code }) => code);
    expect(await codes(keyFile('other.pub'))).toEqual(['unknown-kid']);
    expect(await codes(keyFile('other.pub'), publicKey)).toEqual([]);
    // Without a known key, no value can be sound.
    expect(await codes()).toEqual(['unknown-kid']);
  });

  test('follows the severities of rules, and knows no others', async () => {
    const rules = { 'plaintext-value': 'warning' } as const;
    expect(await verifyManifest(plain, { rules })).toMatchObject([{ severity: 'warning' }]);
    const error = await failure(() =>
      verifyManifest(plain, { rules: { 'plaintext-valeu': 'off' } }),
    );
    expect([error.code, error.hint]).toEqual(['USAGE', expect.stringContaining('plaintext-value')]);
  });

  test('checks the scope and the namespace', async () => {
    const { text } = await sealManifest(plain, { publicKey, scope: 'cluster-wide' });
    expect(await verifyManifest(text)).toMatchObject([{ code: 'scope-too-wide' }]);
    expect(await verifyManifest(text, { maxScope: 'cluster-wide' })).toEqual([]);
    expect(await verifyManifest(text, { maxScope: 'cluster-wide', namespace: 'it' })).toMatchObject(
      [{ code: 'wrong-namespace' }],
    );
  });

  test('reports a text that is not a manifest instead of throwing', async () => {
    expect(await verifyManifest('kind: Secret\n: "')).toMatchObject([{ code: 'unparsable' }]);
  });
});

describe('openManifest', () => {
  test('opens with a key that is elsewhere', async () => {
    const { text } = await sealManifest(plain, { publicKey });
    const seen: number[] = [];
    const remote = {
      publicKey,
      decryptKey: async (encryptedKey: Uint8Array) => {
        seen.push(encryptedKey.length);
        const padding = constants.RSA_PKCS1_OAEP_PADDING;
        return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, encryptedKey);
      },
    };
    const opened = await openManifest(text, { privateKeys: [keyFile('other.pem'), remote] });
    expect(canariesIn(opened.text)).toEqual(['CANARY-manifest']);
    expect(seen).toEqual([384]);
  });

  test('throws the error of a key that is elsewhere', async () => {
    const { text } = await sealManifest(plain, { publicKey });
    const denied = new Error('permission denied');
    const decryptKey = () => Promise.reject(denied);
    const privateKeys = [{ publicKey, decryptKey }];
    await expect(openManifest(text, { privateKeys })).rejects.toBe(denied);
  });

  test('opens with an encrypted key and its passphrase', async () => {
    const passphrase = 'CANARY-passphrase';
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const;
    const privateKeys = [createPrivateKey(privateKey).export(options)];
    const { text } = await sealManifest(plain, { publicKey });
    expect(await openManifest(text, { privateKeys, passphrase })).toMatchObject({ opened: 1 });
    for (const wrong of [{}, { passphrase: 'CANARY-other' }])
      expect(await failure(() => openManifest(text, { privateKeys, ...wrong }))).toMatchObject({
        code: 'KEY_INVALID',
      });
  });

  test('opens all values or none', async () => {
    const one = await sealManifest(plain, { publicKey });
    const two = await sealManifest(plain.replace('name: db', 'name: web'), {
      publicKey: keyFile('other.pub'),
    });
    const both = `${one.text}---\n${two.text}`;
    const error = await failure(() => openManifest(both, { privateKeys: [privateKey] }));
    expect(error.code).toBe('KEY_UNKNOWN');
    const privateKeys = [privateKey, keyFile('other.pem')];
    expect(await openManifest(both, { privateKeys })).toMatchObject({ opened: 2 });
  });

  test('opens values of other tools only if that is accepted', async () => {
    const jwe = await new CompactEncrypt(Buffer.from('CANARY-unbound'))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' })
      .encrypt(createPublicKey(publicKey));
    const text = withValue(jwe);
    const privateKeys = [privateKey];
    expect(await failure(() => openManifest(text, { privateKeys }))).toMatchObject({
      code: 'JWE_REFUSED',
    });
    expect(await openManifest(text, { privateKeys, acceptUnbound: true })).toMatchObject({
      opened: 1,
    });
  });
});
