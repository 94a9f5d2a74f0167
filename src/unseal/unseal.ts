import pLimit from 'p-limit';
import { exitCodeOf, exitCodes, expected, KsealError } from '../errors.ts';
import { checkBinding, type Place, type Scope } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { type Decrypted, decryptCompact, type OpeningKey } from '../jwe/decrypt.ts';
import { isSealedInSomeForm, readSealedValue } from '../jwe/detect.ts';
import { checkCount, MAX_SEALED_VALUES } from '../kubernetes/secret.ts';
import type { Cache, Opened } from './cache.ts';
import { candidatesFor } from './keyring.ts';

/** The most values that are opened at the same time. */
const PARALLEL = 16;

export interface OpeningPolicy {
  /** Open values that another tool sealed, which are not bound to a Secret. */
  readonly acceptUnbound: boolean;
  readonly allowRevoked: boolean;
  /** The widest scope that is opened. */
  readonly maxScope: Scope;
}

interface OpenRequest {
  readonly place: Omit<Place, 'key'>;
  /** The decoded `data` of the Secret, by data key. */
  readonly data: ReadonlyMap<string, Uint8Array>;
  /** Parses a value; undefined if it must be left alone. The default is `readSealedValue`. */
  readonly read?: (bytes: Uint8Array) => CompactJwe | undefined;
  /** The decoded `data` before an update. */
  readonly before?: ReadonlyMap<string, Uint8Array>;
  readonly keyring: readonly OpeningKey[];
  readonly policy: OpeningPolicy;
  /** When to stop calling keys, in milliseconds on the clock of performance.now(). */
  readonly deadline?: number;
  /** Saves the key call for a value that opens to what the Secret held before. */
  readonly cache?: Cache;
}

/** Maps are keyed by data key. `opened` is empty if any value failed. */
export interface OpenResult {
  readonly opened: ReadonlyMap<string, Uint8Array>;
  readonly warnings: ReadonlyMap<string, string>;
  readonly errors: ReadonlyMap<string, KsealError>;
}

/** A value that passed every check that needs no key. */
interface Ready {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly jwe: CompactJwe;
  readonly candidates: readonly OpeningKey[];
}

/**
 * Opens the sealed values of one Secret, all or none, for `decrypt` and the webhook alike. Other
 * values are left alone. No key is called before every value passed the checks that need no key,
 * nor after a key was unavailable.
 */
export async function unsealData(request: OpenRequest): Promise<OpenResult> {
  const errors = new Map<string, KsealError>();
  const opened = new Map<string, Uint8Array>();
  const warnings = new Map<string, string>();
  const ready = prepareAll(request, errors);
  if (errors.size > 0) return { opened, warnings, errors };
  const results = await openAll(ready, request);
  // In the order of the data rather than of the answers, so that the result is always the same.
  for (const [index, { key }] of ready.entries()) {
    const result = results[index];
    if (result instanceof KsealError) errors.set(key, result);
    else if (result !== undefined) {
      opened.set(key, result.plaintext);
      const { state, kid } = result.key;
      if (state !== 'active') warnings.set(key, `sealed to ${state} key ${kid}`);
    }
  }
  return { opened: errors.size === 0 ? opened : new Map(), warnings, errors };
}

/** Each result in order; undefined: skipped, because an earlier KMS call for this Secret failed. */
function openAll(
  values: readonly Ready[],
  request: OpenRequest,
): Promise<readonly (Decrypted | KsealError | undefined)[]> {
  let isAvailable = true;
  return pLimit(PARALLEL).map(values, async (value) => {
    if (!isAvailable) return undefined;
    const result = await open(value, request).catch(expected);
    if (result instanceof KsealError && exitCodeOf(result) === exitCodes.KEY_UNAVAILABLE)
      isAvailable = false;
    return result;
  });
}

function prepareAll(request: OpenRequest, errors: Map<string, KsealError>): Ready[] {
  const ready: Ready[] = [];
  for (const [key, bytes] of request.data) {
    try {
      const value = prepare(key, bytes, request);
      if (value !== undefined) ready.push(value);
      checkCount(ready.length + errors.size);
    } catch (error) {
      errors.set(key, expected(error));
      // Damaged values count too, or a hundred thousand of them would keep the webhook busy.
      if (ready.length + errors.size > MAX_SEALED_VALUES) break;
    }
  }
  return ready;
}

/** Checks a value as far as possible without a key; undefined if it must be left alone. */
function prepare(key: string, bytes: Uint8Array, request: OpenRequest): Ready | undefined {
  const { place, policy, keyring, before, read = readSealedValue } = request;
  const jwe = read(bytes);
  if (jwe === undefined) return undefined;
  const { binding } = jwe.header;
  if (binding === undefined) {
    const old = before?.get(key);
    if (old !== undefined && Buffer.compare(old, bytes) === 0) return undefined;
    if (!policy.acceptUnbound) {
      throw new KsealError('JWE_REFUSED', 'not bound to a Secret: sealed by another tool', {
        hint: 'seal it again with kseal, or pass --accept-unbound',
      });
    }
  } else {
    checkBinding(binding, { ...place, key }, policy.maxScope);
  }
  return { key, bytes, jwe, candidates: candidatesFor(jwe, keyring, policy) };
}

async function open(
  { key, bytes, jwe, candidates }: Ready,
  { place, before, cache, deadline }: OpenRequest,
): Promise<Decrypted> {
  const opened = (plaintext: Uint8Array, { kid }: OpeningKey): Opened => {
    return { place: { ...place, key }, sealed: bytes, plaintext, kid };
  };
  const old = before?.get(key);
  const known = old && candidates.find((candidate) => cache?.has(opened(old, candidate)));
  if (old !== undefined && known !== undefined) return { plaintext: old, key: known };
  const decrypted = await openJwe(jwe, candidates, deadline);
  cache?.add(opened(decrypted.plaintext, decrypted.key));
  return decrypted;
}

/**
 * Decrypts like `decryptCompact`. Also throws JWE_REFUSED for a value that opens to a sealed one, which
 * the next update would open again.
 */
export async function openJwe(
  ...[jwe, candidates, deadline]: Parameters<typeof decryptCompact>
): Promise<Decrypted> {
  const decrypted = await decryptCompact(jwe, candidates, deadline);
  if (!isSealedInSomeForm(decrypted.plaintext)) return decrypted;
  const problem = 'opens to another sealed value; sealed values do not nest';
  throw new KsealError('JWE_REFUSED', problem, { hint: 'seal the original plaintext' });
}
