import { relative, resolve } from 'node:path';
import type { Config, ConfiguredKey } from '../config/config.ts';
import { expected, KsealError, located } from '../errors.ts';
import { isThere } from '../fs/read.ts';
import { repositoryOf } from '../git/local.ts';
import { WEAK_BITS } from '../jwe/compact.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import { type KeyFile, publicKeyFromFile, validityProblem } from '../keys/key-file.ts';
import { strictest } from '../keys/key-status.ts';
import { type KnownKey, knownKeysPath, readKnownKeys } from '../keys/known-keys.ts';
import { checkSource } from '../keys/resolve.ts';
import { listOf } from '../text.ts';
import { type Finding, failed, failure, ok, skipped, warning } from './check.ts';

/** A configured key, and what is known about it offline. */
export interface CheckedKey {
  readonly name: string;
  readonly entry: ConfiguredKey;
  readonly config: Config;
  /** The path of its file in messages. */
  readonly shown: string;
  /** The key in its file; undefined without a file, or if it cannot be read. */
  readonly file: KeyFile | undefined;
  readonly fileError: KsealError | undefined;
  /** The error of a malformed source. */
  readonly sourceError: KsealError | undefined;
  /** The pin, or else the kid of the file. */
  readonly kid: string | undefined;
  /** The names of the same key, with this one. */
  readonly names: readonly string[];
  /** The strictest state that it has under these names, which applies to all of them. */
  readonly state: KeyState;
}

/** Reads the files of the configured keys. Paths in messages are relative to `cwd`. */
export async function checkedKeys(config: Config, cwd: string): Promise<readonly CheckedKey[]> {
  const rows = await Promise.all(
    [...config.keys].map(async ([name, entry]) => {
      const path = resolve(config.folder, entry.file ?? '');
      const shown = relative(cwd, path);
      const read =
        entry.file === undefined ? undefined : await publicKeyFromFile(path, shown).catch(expected);
      const [file, fileError] = read instanceof KsealError ? [undefined, read] : [read, undefined];
      const sourceError = entry.source === undefined ? undefined : await errorIn(entry.source);
      const kid = entry.kid ?? file?.kid;
      return { name, entry, config, shown, file, fileError, sourceError, kid };
    }),
  );
  return rows.map((row) => {
    const same = rows.filter(({ name, kid }) => (row.kid ? kid === row.kid : name === row.name));
    const state = strictest(same.map(({ entry }) => entry.state ?? 'active'));
    return { ...row, names: same.map(({ name }) => name), state };
  });
}

async function errorIn(source: string): Promise<KsealError | undefined> {
  return checkSource(source).then(() => undefined, expected);
}

/** Checks the configured keys, without asking their sources. */
export function* keyFindings(
  keys: readonly CheckedKey[],
  env: Readonly<Record<string, string | undefined>>,
): Generator<Finding> {
  for (const check of [checkFile, checkPinOf, checkSourceOf])
    for (const key of keys) yield* check(key);
  yield* checkStates(keys);
  if (keys.length > 0) yield* checkKnownKeys(keys, env);
}

function* checkFile(key: CheckedKey): Generator<Finding> {
  const { name, entry, config, shown, file, fileError, kid, state } = key;
  const thing = `key ${name}`;
  const hasSource = entry.source !== undefined;
  if (fileError !== undefined) {
    const isMissing = !isThere(resolve(config.folder, entry.file ?? ''));
    const fetch = `kseal fetch-pubkey ${name}`;
    const restore = `restore ${shown}, or correct file of key ${name} in ${config.path}`;
    const fixed = isMissing ? restore : fileError.hint;
    const hint = hasSource ? (isMissing ? fetch : `${fetch} --force`) : fixed;
    yield failed('key-file', `${thing}: ${fileError.message}`, hint);
  } else if (file === undefined) {
    const add = `add file: ${name}.pub to key ${name} in ${config.path}`;
    const hint = hasSource ? `${add}, then: kseal fetch-pubkey ${name}` : add;
    if (kid === undefined) yield failed('key-file', `${thing}: neither file nor kid`, hint);
    else if (state === 'active')
      yield warning('key-file', `${thing}: no file, so nothing can be sealed to it`, hint);
    else yield skipped('key-file', `${thing}: no file; nothing is sealed to a ${state} key`);
  } else {
    const found = [weakness(key, file.bits), expiry(key, file)].filter((one) => one !== undefined);
    if (found.length > 0) yield* found;
    else yield ok('key-file', `${thing}: ${shown}, RSA-${file.bits}`);
  }
}

function weakness({ name, shown }: CheckedKey, bits: number): Finding | undefined {
  if (bits >= WEAK_BITS) return undefined;
  const problem = `RSA-${bits} is weak; use ${WEAK_BITS} bits or more`;
  const hint = 'add a longer key with kseal init, then: kseal rekey --to NEW';
  return warning('key-file', `key ${name}: ${shown}: ${problem}`, hint);
}

/** The key in a certificate works at any time, but somebody may have replaced it. */
function expiry({ name, shown }: CheckedKey, { validity }: KeyFile): Finding | undefined {
  const problem = validity && validityProblem(validity);
  if (problem === undefined) return undefined;
  const hint = 'ask the KMS manager whether this key is in use';
  return warning('key-file', `key ${name}: ${shown}: certificate ${problem}`, hint);
}

function* checkPinOf({ name, entry, config, shown, file, kid }: CheckedKey): Generator<Finding> {
  const thing = `key ${name}`;
  if (entry.kid === undefined) {
    if (kid === undefined) return;
    const hint = `add to key ${name} in ${config.path}: kid: ${kid}`;
    yield warning('key-pin', `${thing}: not pinned, so nobody notices if its file changes`, hint);
  } else if (file === undefined) yield ok('key-pin', `${thing}: pinned`);
  else if (file.kid === entry.kid) yield ok('key-pin', `${thing}: ${shown} has the pinned key`);
  else {
    const hint = 'ask the KMS manager which is right';
    const again = `; to fetch it again: kseal fetch-pubkey ${name} --force`;
    const error = new KsealError('KEY_MISMATCH', 'fingerprint mismatch', {
      thing: `${thing}: ${shown}`,
      hint: entry.source === undefined ? hint : hint + again,
      fingerprints: [
        ['pinned', describeKid(entry.kid)],
        ['got', describeKid(file.kid)],
      ],
    });
    yield failure('key-pin', error);
  }
}

function* checkSourceOf({ name, entry, sourceError }: CheckedKey): Generator<Finding> {
  const { source, private: file } = entry;
  if (sourceError !== undefined)
    yield failed('key-source', `key ${name}: ${sourceError.message}`, sourceError.hint);
  else if (source !== undefined) yield ok('key-source', `key ${name}: ${source}`);
  else if (file !== undefined) yield ok('key-source', `key ${name}: private key file ${file}`);
  else {
    const message = `key ${name}: neither source nor private, so nothing here can compare it`;
    yield skipped('key-source', message);
  }
}

function* checkStates(keys: readonly CheckedKey[]): Generator<Finding> {
  const mixed = new Map<string, CheckedKey>();
  for (const key of keys)
    if (key.names.length > 1 && key.state !== (key.entry.state ?? 'active'))
      mixed.set(key.names.join(), key);
  for (const { names, state, config } of mixed.values())
    yield warning(
      'key-state',
      `keys ${listOf(names)}: the same key with different states, so it is ${state}`,
      `write state: ${state} to each of them in ${config.path}`,
    );
  const active = keys.filter(({ state }) => state === 'active');
  if (keys.length > 0 && active.length === 0)
    yield warning('key-state', 'no key is active, so nothing can be sealed', 'kseal init');
  else if (mixed.size === 0 && keys.length > 0)
    yield ok('key-state', `active: ${listOf(active.map(({ name }) => name))}`);
}

/** Compares the active keys with those that this user has confirmed. */
function* checkKnownKeys(
  keys: readonly CheckedKey[],
  env: Readonly<Record<string, string | undefined>>,
): Generator<Finding> {
  const path = knownKeysPath(env);
  if (path === undefined) {
    yield skipped('known-key', 'no home folder, so kseal seal asks each time');
    return;
  }
  let known: readonly KnownKey[];
  try {
    known = readKnownKeys(path);
  } catch (thrown) {
    yield failure('known-key', expected(thrown));
    return;
  }
  const repository = repositoryOf(keys[0]?.config.folder ?? '', env);
  for (const { name, file, state } of keys) {
    if (state !== 'active' || file === undefined) continue;
    const own = known.find((one) => one.name === name && one.repository === repository);
    yield knownFinding(name, file.kid, own?.kid);
  }
}

function knownFinding(name: string, kid: string, known: string | undefined): Finding {
  const thing = `key ${name}`;
  if (known === undefined)
    return ok('known-key', `${thing}: not confirmed yet; the first kseal seal asks`);
  if (known === kid) return ok('known-key', `${thing}: confirmed`);
  const changed = new KsealError('KEY_MISMATCH', 'fingerprint changed', {
    hint: 'ask the KMS manager; if the change is intended, add to the next kseal seal: --pin FINGERPRINT',
    fingerprints: [
      ['confirmed', describeKid(known)],
      ['now', describeKid(kid)],
    ],
  });
  return failure('known-key', located(thing, changed));
}
