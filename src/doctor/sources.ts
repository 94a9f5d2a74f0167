import { randomBytes } from 'node:crypto';
import { relative, resolve } from 'node:path';
import { parseReference } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { isThere } from '../fs/read.ts';
import { bindingTo } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { encryptCompact, type PublicKey } from '../jwe/encrypt.ts';
import { openingKeyFromFile } from '../keys/key-file.ts';
import {
  checkAgreement,
  fetchKey,
  type KeyContext,
  loadOpeningKeys,
  openingProvider,
  type Witness,
} from '../keys/resolve.ts';
import { unsealData } from '../unseal/unseal.ts';
import { type CheckId, checks, type Finding, failed, failure, ok, skipped } from './check.ts';
import type { CheckedKey } from './keys.ts';

const order: readonly string[] = Object.keys(checks);

/** Asks the sources of all keys in parallel, and reads their private key files. */
export async function sourceFindings(
  keys: readonly CheckedKey[],
  context: KeyContext,
): Promise<readonly Finding[]> {
  const found = await Promise.all(
    keys.map(async (key) => [
      ...(await askSource(key, context)),
      ...(await readPrivateFile(key, context)),
    ]),
  );
  // Each check for all keys, like those that need no source.
  return found.flat().sort((a, b) => order.indexOf(a.check) - order.indexOf(b.check));
}

/** Reports that the sources were not asked. */
export function withoutSources(keys: readonly CheckedKey[]): readonly Finding[] {
  const some = keys.some(({ entry }) => entry.source ?? entry.private);
  return some ? [skipped('source', 'not asked without --online')] : [];
}

/** The places that are known offline, with the kid of the key in each. */
function witnessesOf({ shown, file, entry, config }: CheckedKey): readonly Witness[] {
  const inFile = file && { place: `file ${shown}`, kid: file.kid };
  const pin = entry.kid && { place: `pin in ${config.path}`, kid: entry.kid };
  return [inFile, pin].flatMap((one) => one || []);
}

async function askSource(key: CheckedKey, context: KeyContext): Promise<readonly Finding[]> {
  const { name, entry, config, state, sourceError } = key;
  if (entry.source === undefined || sourceError !== undefined) return [];
  const fetched = await fetchKey(entry.source, config.folder, context).catch(expected);
  if (fetched instanceof KsealError) {
    const { message, hint } = fetched;
    // Its version may have been disabled on purpose.
    if (state === 'revoked') return [skipped('source', `key ${name}: ${message}`)];
    return [failed('source', `key ${name}: ${message}`, hint)];
  }
  const { origin, kid, bits } = fetched;
  const problem = disagreement('source', key, `source ${origin}`, kid);
  if (problem !== undefined) return [problem];
  const places = witnessesOf(key).map(({ place }) => `, ${place}`);
  const agrees = places.length === 0 ? '' : `${places.join('')}; all agree`;
  return [
    ok('source', `key ${name}: ${origin}, RSA-${bits}${agrees}`),
    ...(await tryToDecrypt(key, fetched, context)),
  ];
}

/** The failure if a place has another key than the file or the pin. */
function disagreement(
  check: CheckId,
  key: CheckedKey,
  place: string,
  kid: string,
): Finding | undefined {
  try {
    checkAgreement(key.name, [{ place, kid }, ...witnessesOf(key)]);
    return undefined;
  } catch (thrown) {
    return failure(check, expected(thrown));
  }
}

/** The place of the random value. */
const place = { namespace: 'default', name: 'kseal-doctor' };
const DATA_KEY = 'random';

/**
 * Opens a random value, sealed to the public key, through the source, with the function that
 * `kseal decrypt` and the webhook share: only its encrypted key is sent.
 */
async function tryToDecrypt(
  { name, entry: { source = '' }, state }: CheckedKey,
  publicKey: PublicKey,
  context: KeyContext,
): Promise<readonly Finding[]> {
  if (state === 'revoked' || !(await canOpen(source))) return [];
  const thing = `key ${name}`;
  const random = randomBytes(32);
  const jwe = encryptCompact(random, bindingTo('strict', { ...place, key: DATA_KEY }), publicKey);
  try {
    const opened = await open(jwe, await loadOpeningKeys(source, context));
    if (random.equals(opened))
      return [ok('decrypt', `${thing}: opens a random value that was sealed to it`)];
    const problem = `${thing}: opens a random value to something else`;
    return [failed('decrypt', problem, 'kseal fetch-pubkey --check')];
  } catch (thrown) {
    const error = expected(thrown);
    if (error.code !== 'KEY_DENIED')
      return [failed('decrypt', `${thing}: ${error.message}`, error.hint)];
    const who = 'only the webhook and those who open values need that permission';
    return [skipped('decrypt', `${thing}: you may not decrypt with it; ${who}`)];
  }
}

/** Throws the error of the key. */
async function open(jwe: string, keyring: readonly OpeningKey[]): Promise<Uint8Array> {
  const data = new Map([[DATA_KEY, Buffer.from(jwe)]]);
  const policy = { acceptUnbound: false, allowRevoked: false, maxScope: 'strict' as const };
  const { opened, errors } = await unsealData({ place, data, keyring, policy });
  const error = errors.get(DATA_KEY);
  if (error !== undefined) throw error;
  return opened.get(DATA_KEY) ?? new Uint8Array();
}

/** Whether a source has private keys, and not only public ones. */
async function canOpen(source: string): Promise<boolean> {
  if (parseReference(source).kind !== 'remote') return false;
  return openingProvider(source).then(
    () => true,
    (thrown) => expected(thrown) === undefined,
  );
}

/** Never asks for a passphrase, but uses that of KSEAL_KEY_PASSPHRASE_FILE. */
async function readPrivateFile(key: CheckedKey, context: KeyContext): Promise<readonly Finding[]> {
  const { name, entry, config } = key;
  if (entry.private === undefined) return [];
  const check: CheckId = 'private-file';
  const path = resolve(config.folder, entry.private);
  const shown = relative(context.cwd, path);
  if (!isThere(path)) return [skipped(check, `key ${name}: ${shown} is not on this machine`)];
  let isLocked = false;
  const passphrases: KeyContext['passphrases'] = async function* (file) {
    isLocked = !context.env.KSEAL_KEY_PASSPHRASE_FILE;
    if (!isLocked) yield* context.passphrases(file);
  };
  const opening = await openingKeyFromFile(path, shown, passphrases).catch(expected);
  if (opening instanceof KsealError) {
    const { message, hint } = opening;
    if (!isLocked) return [failed(check, `key ${name}: ${message}`, hint)];
    const how = 'to check it, set KSEAL_KEY_PASSPHRASE_FILE';
    return [skipped(check, `key ${name}: ${shown} is encrypted with a passphrase; ${how}`)];
  }
  const problem = disagreement(check, key, `private key file ${shown}`, opening.kid);
  return [problem ?? ok(check, `key ${name}: ${shown} fits the public key`)];
}
