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

/** Yields nothing. */
async function* passphrases(): AsyncGenerator<string> {}

function context(keys?: string, cwd = folder): KeyContext {
  const config = keys === undefined ? undefined : configOf(keys);
  return { ...optionsFor(emulator), cwd, config, passphrases };
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

test('a path is absolute or starts from the current folder', async () => {
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

test('an error shows the path as the user wrote it', async () => {
  const { message } = await rejectionOf(load['to open']('../no/../missing.pem'));
  expect(message).toBe('../no/../missing.pem: no such file');
});

describe.each(Object.entries(load))('a key %s', (_, from) => {
  test('is not a file if its reference is a name', async () => {
    expect(await rejectionOf(from('prod'))).toEqual({
      code: 'KEY_REFERENCE_INVALID',
      message: 'no key named prod, and no .kseal.yaml found',
      hint: 'for a file of that name: ./prod; to configure keys: kseal init',
    });
  });

  test('is found by its whole name only, with a suggestion for a typo', async () => {
    expect(await rejectionOf(from('prd', 'prod: {}, test: {}'))).toEqual({
      code: 'KEY_REFERENCE_INVALID',
      message: '.kseal.yaml: no key named prd, only prod, test',
      hint: 'did you mean prod?',
    });
    const { message } = await rejectionOf(from('constructor', ''));
    expect(message).toBe('.kseal.yaml: no key named constructor, no keys are configured');
  });

  test.each(['file', 'https', 'constructor'])('is not read from %s://', async (scheme) => {
    expect(await rejectionOf(from(`${scheme}://${folder}/prod`))).toMatchObject({
      code: 'KEY_REFERENCE_INVALID',
      message: `unsupported key source ${scheme}://`,
    });
  });

  test('whose file does not match the pin is refused, with both fingerprints', async () => {
    const said = await rejectionOf(
      from('prod', `prod: { file: keys/other.pub, private: keys/other.pem, kid: ${pair.kid} }`),
    );
    expect(said).toMatchObject({ code: 'KEY_MISMATCH', hint: expect.stringContaining('--check') });
    for (const { kid } of [pair, other]) expect(said.message).toContain(kid);
  });

  test('without a usable source is refused', async () => {
    const { code, message } = await rejectionOf(from('prod', 'prod: {}'));
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toMatch(/^\.kseal\.yaml: key prod has no (file to seal|key to open) with$/);
  });
});

describe('the keys that open', () => {
  test('a private file has priority over a source', async () => {
    const keys = `prod: { private: prod.pem, source: 'gcpkms://${versionOf(HR, 1)}' }`;
    expect((await load['to open']('prod', keys)).map(({ kid }) => kid)).toEqual([pair.kid]);
    expect(emulator.calls).toEqual([]);
  });

  test('a KMS source: one version, or all enabled versions', async () => {
    const from = (source: string) => load['to open']('prod', `prod: { source: '${source}' }`);
    expect(await from(`gcpkms://${versionOf(HR, 2)}`)).toHaveLength(1);
    expect(await from(`gcpkms://${HR}`)).toHaveLength(2);
    expect(await load['to open'](`gcpkms://${HR}`)).toHaveLength(2);
  });

  test('a pin does not exclude the other versions of a source', async () => {
    const keys = `prod: { source: 'gcpkms://${HR}', kid: ${pair.kid} }`;
    expect(await load['to open']('prod', keys)).toHaveLength(2);
  });

  test.each(['git+file:///srv/keys.git#prod.pub', 'git+https://git.example.org/keys.git#prod.pub'])(
    'not %s, which has only public keys',
    async (reference) => {
      const said = await rejectionOf(load['to open'](reference));
      expect(said).toMatchObject({
        code: 'KEY_REFERENCE_INVALID',
        message: expect.stringMatching(/^git\+\w+:\/\/: has only public keys/),
      });
    },
  );
});

describe('the state belongs to the kid', () => {
  const stateFrom = async (reference: string, keys: string) =>
    (await load['to open'](reference, keys)).map(({ state }) => state);

  test.each([
    ['by its pin', `old: { kid: ${pair.kid}, state: revoked }`, 'revoked'],
    ['by the file of its public key', 'old: { file: prod, state: deprecated }', 'deprecated'],
    ['by the file of its private key', 'old: { private: prod.pem, state: revoked }', 'revoked'],
    [
      'the strictest one of several names',
      `a: { kid: ${pair.kid} }, b: { file: prod, state: revoked }, c: { kid: ${pair.kid}, state: deprecated }`,
      'revoked',
    ],
    ['but not the state of another key', `old: { kid: ${other.kid}, state: revoked }`, 'active'],
    ['but not the state of a missing file', 'old: { file: gone.pub, state: revoked }', 'active'],
    [
      'by its pin rather than its file',
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

  test('a name without a pin applies its state to all its keys, a name with a pin to one', async () => {
    const source = `source: 'gcpkms://${HR}', state: deprecated`;
    expect(await stateFrom('old', `old: { ${source} }`)).toEqual(['deprecated', 'deprecated']);
    const kids = await load['to open'](`gcpkms://${HR}`);
    const pinned = `old: { ${source}, kid: ${kids[0]?.kid} }`;
    expect(await stateFrom('old', pinned)).toEqual(['deprecated', 'active']);
    expect(await stateFrom(`gcpkms://${versionOf(HR, 2)}`, pinned)).toEqual(['deprecated']);
  });
});

describe('fetchKey', () => {
  test('a file starts from the given folder', async () => {
    const key = await fetchKey('keys/other.pub', folder, context());
    expect(key).toMatchObject({ kid: other.kid, origin: 'keys/other.pub', facts: new Map() });
  });

  test('a word is a file, because a source cannot be a name', async () => {
    expect((await fetchKey('prod', folder, context())).kid).toBe(pair.kid);
  });

  test('a key from a KMS has its origin', async () => {
    const { origin, facts } = await fetchKey(`gcpkms://${HR}`, folder, context());
    expect(origin).toBe(versionOf(HR, 2));
    expect(facts.get('protection level')).toBe('SOFTWARE');
  });

  test('a private key is refused', async () => {
    expect(await rejectionOf(fetchKey('prod.pem', folder, context()))).toMatchObject({
      code: 'KEY_INVALID',
    });
  });
});

test('checkPin accepts the pinned key, and any key without a pin', () => {
  checkPin(pair.kid, pair.kid, 'x');
  checkPin(pair.kid, undefined, 'x');
  expect(thrownBy(() => checkPin(pair.kid, other.kid, 'x')).message).toMatch(
    /^x: fingerprint mismatch: pinned (?:[0-9a-f]{4} ){16}\(.{43}\), got (?:[0-9a-f]{4} ){16}\(.{43}\)$/,
  );
});
