import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, parseConfig } from '../../src/config/config.ts';
import {
  checkPin,
  fetchKey,
  type KeyContext,
  loadOpeningKeys,
  loadPublicKey,
} from '../../src/keys/resolve.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf, thrownBy } from '../jwe/thrown.ts';
import { type KmsEmulator, startKmsEmulator } from '../kms-emulator/emulator.ts';
import { HR, optionsFor, versionOf } from '../kms-emulator/harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-open-'));
const [pair, other] = await Promise.all([makePair(), makePair()]);
mkdirSync(join(folder, 'keys'));
writeFileSync(join(folder, 'prod'), pair.publicPem);
writeFileSync(join(folder, 'prod.pem'), pair.privatePem);
writeFileSync(join(folder, 'keys/other.pub'), other.publicPem);
writeFileSync(join(folder, 'keys/other.pem'), other.privatePem);

let emulator: KmsEmulator;
beforeAll(async () => {
  emulator = await startKmsEmulator({ keys: { [HR]: [{}, {}, { state: 'DISABLED' }] } });
  // Loads the client once.
  await loadOpeningKeys(`gcpkms://${versionOf(HR, 1)}`, context());
  emulator.calls.length = 0;
}, 30_000);
afterAll(() => {
  emulator.stop();
  rmSync(folder, { recursive: true });
});

function context(keys?: string, cwd = folder): KeyContext {
  return { ...optionsFor(emulator), cwd, config: keys === undefined ? undefined : configOf(keys) };
}

function configOf(keys: string): Config {
  return parseConfig(Buffer.from(`version: 1\nkeys: { ${keys} }\n`), '.kseal.yaml', folder);
}

const load = {
  'to seal': async (reference: string, keys?: string) => [
    await loadPublicKey(reference, context(keys)),
  ],
  'to open': (reference: string, keys?: string) => loadOpeningKeys(reference, context(keys)),
};

test('a path starts from the current folder, and an absolute one where it says', async () => {
  const [relative] = await load['to seal']('./prod');
  const absolute = await loadPublicKey(join(folder, 'prod'), context(undefined, '/nowhere'));
  const opening = await load['to open']('prod.pem');
  expect([relative?.kid, absolute.kid, ...opening.map(({ kid }) => kid)]).toEqual(
    Array(3).fill(pair.kid),
  );
});

test('a path in the configuration starts from its folder', async () => {
  const elsewhere = context('prod: { file: prod, private: prod.pem }', '/nowhere');
  const [opening] = await loadOpeningKeys('prod', elsewhere);
  expect([(await loadPublicKey('prod', elsewhere)).kid, opening?.kid]).toEqual([
    pair.kid,
    pair.kid,
  ]);
});

test('an error shows the path as it was written', async () => {
  const { message } = await rejectionOf(load['to open']('../no/../missing.pem'));
  expect(message).toBe('../no/../missing.pem: cannot read: no such file');
});

describe.each(Object.entries(load))('a key %s', (_, from) => {
  test('is not looked for in a file when the word is a name', async () => {
    expect(await rejectionOf(from('prod'))).toEqual({
      code: 'KEY_REFERENCE_INVALID',
      message: 'no key named prod is configured: there is no .kseal.yaml',
      hint: 'for a file of that name: ./prod',
    });
  });

  test('is looked for by its whole name, and a slip is noticed', async () => {
    expect(await rejectionOf(from('prd', 'prod: {}, test: {}'))).toEqual({
      code: 'KEY_REFERENCE_INVALID',
      message: 'no key named prd is configured: .kseal.yaml has prod, test',
      hint: 'did you mean prod?',
    });
    const { message } = await rejectionOf(from('constructor', ''));
    expect(message).toBe('no key named constructor is configured: .kseal.yaml has no keys');
  });

  test.each(['file', 'https', 'constructor'])('is not read from %s://', async (scheme) => {
    expect(await rejectionOf(from(`${scheme}://${folder}/prod`))).toMatchObject({
      code: 'KEY_REFERENCE_INVALID',
      message: `no keys are read from ${scheme}://`,
    });
  });

  test('whose file is not the one that is pinned is refused, with both fingerprints', async () => {
    const said = await rejectionOf(
      from('prod', `prod: { file: keys/other.pub, private: keys/other.pem, kid: ${pair.kid} }`),
    );
    expect(said).toMatchObject({ code: 'KEY_MISMATCH', hint: expect.stringContaining('--check') });
    for (const { kid } of [pair, other]) expect(said.message).toContain(kid);
  });

  test('that is configured with nothing to use says what is missing', async () => {
    const { code, message } = await rejectionOf(from('prod', 'prod: {}'));
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toMatch(/^\.kseal\.yaml: key prod has (no file to seal|nothing to open) with$/);
  });
});

describe('what opens', () => {
  test('a private file goes before a source', async () => {
    const keys = `prod: { private: prod.pem, source: 'gcpkms://${versionOf(HR, 1)}' }`;
    expect((await load['to open']('prod', keys)).map(({ kid }) => kid)).toEqual([pair.kid]);
    expect(emulator.calls).toEqual([]);
  });

  test('a source in a KMS: one version, or all that are enabled', async () => {
    const from = (source: string) => load['to open']('prod', `prod: { source: '${source}' }`);
    expect(await from(`gcpkms://${versionOf(HR, 2)}`)).toHaveLength(1);
    expect(await from(`gcpkms://${HR}`)).toHaveLength(2);
    expect(await load['to open'](`gcpkms://${HR}`)).toHaveLength(2);
  });

  test('a pin does not shut out the other versions of a source', async () => {
    const keys = `prod: { source: 'gcpkms://${HR}', kid: ${pair.kid} }`;
    expect(await load['to open']('prod', keys)).toHaveLength(2);
  });

  test.each(['git+file:///srv/keys.git#prod.pub', 'git+https://git.example.org/keys.git#prod.pub'])(
    'not %s, which has public keys only',
    async (reference) => {
      const said = await rejectionOf(load['to open'](reference));
      expect(said).toMatchObject({
        code: 'KEY_REFERENCE_INVALID',
        message: expect.stringMatching(/^git\+\w+ keeps public keys only/),
      });
    },
  );
});

describe('the state goes with the kid', () => {
  const stateFrom = async (reference: string, keys: string) =>
    (await load['to open'](reference, keys)).map(({ state }) => state);

  test.each([
    ['by its pin', `old: { kid: ${pair.kid}, state: revoked }`, 'revoked'],
    ['by the file of its public key', 'old: { file: prod, state: deprecated }', 'deprecated'],
    ['by the file of its private key', 'old: { private: prod.pem, state: revoked }', 'revoked'],
    [
      'the strictest, where it has several names',
      `a: { kid: ${pair.kid} }, b: { file: prod, state: revoked }, c: { kid: ${pair.kid}, state: deprecated }`,
      'revoked',
    ],
    ['not that of another key', `old: { kid: ${other.kid}, state: revoked }`, 'active'],
    ['not that of a file that is gone', 'old: { file: gone.pub, state: revoked }', 'active'],
    [
      'its pin counts more than what its file holds',
      `old: { file: prod, kid: ${other.kid}, state: revoked }`,
      'active',
    ],
  ])('%s', async (_, keys, state) => {
    expect(await stateFrom('prod.pem', keys)).toEqual([state]);
  });

  test('without a configuration every key is active', async () => {
    const [key] = await load['to open']('prod.pem');
    expect(key?.state).toBe('active');
  });

  test('a name without a pin gives its state to all that it leads to, one with a pin does not', async () => {
    const source = `source: 'gcpkms://${HR}', state: deprecated`;
    expect(await stateFrom('old', `old: { ${source} }`)).toEqual(['deprecated', 'deprecated']);
    const kids = await load['to open'](`gcpkms://${HR}`);
    const pinned = `old: { ${source}, kid: ${kids[0]?.kid} }`;
    expect(await stateFrom('old', pinned)).toEqual(['deprecated', 'active']);
    expect(await stateFrom(`gcpkms://${versionOf(HR, 2)}`, pinned)).toEqual(['deprecated']);
  });
});

describe('fetchKey', () => {
  test('a file starts from the folder given, and is called as it was written', async () => {
    const key = await fetchKey('keys/other.pub', folder, context());
    expect(key).toMatchObject({ kid: other.kid, origin: 'keys/other.pub', facts: new Map() });
  });

  test('a word is a file here: a source is no name', async () => {
    expect((await fetchKey('prod', folder, context())).kid).toBe(pair.kid);
  });

  test('a key of a KMS says where it came from', async () => {
    const { origin, facts } = await fetchKey(`gcpkms://${HR}`, folder, context());
    expect(origin).toBe(versionOf(HR, 2));
    expect(facts.get('protection level')).toBe('SOFTWARE');
  });

  test('a private key is none to fetch', async () => {
    expect(await rejectionOf(fetchKey('prod.pem', folder, context()))).toMatchObject({
      code: 'KEY_INVALID',
    });
  });
});

test('checkPin lets the pinned key pass, and any where there is no pin', () => {
  checkPin(pair.kid, pair.kid, 'x');
  checkPin(pair.kid, undefined, 'x');
  expect(thrownBy(() => checkPin(pair.kid, other.kid, 'x')).message).toMatch(
    /^x is not the key that is pinned; it is (?:[0-9a-f]{4} ){16}\(.{43}\), pinned is (?:[0-9a-f]{4} ){16}\(.{43}\)$/,
  );
});
