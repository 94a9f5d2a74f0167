import pLimit from 'p-limit';
import { exitCodeOf, exitCodes, KsealError } from '../errors.ts';
import { checkBinding, type Place, type Scope } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { type Decrypted, decryptCompact, type OpeningKey } from '../jwe/decrypt.ts';
import { isSealedInSomeForm, readSealedValue } from '../jwe/detect.ts';
import { checkCount, MAX_SEALED_VALUES } from '../kubernetes/secret.ts';
import type { Cache, Opened } from './cache.ts';
import { candidatesFor } from './keyring.ts';

/** How many values are opened at once. */
const PARALLEL = 16;

export interface OpeningPolicy {
  /** Open values of other JOSE tools, which are bound to no place. */
  readonly acceptUnbound: boolean;
  readonly allowRevoked: boolean;
  /** The widest scope that is opened. */
  readonly maxScope: Scope;
}

export interface OpenRequest {
  readonly place: Omit<Place, 'key'>;
  /** From data key to bytes: what `data` holds once its base64 is decoded. */
  readonly data: ReadonlyMap<string, Uint8Array>;
  /** What the Secret held before, on an update. */
  readonly before?: ReadonlyMap<string, Uint8Array>;
  readonly keyring: readonly OpeningKey[];
  readonly policy: OpeningPolicy;
  /** When no key is asked any more, as performance.now() tells it. */
  readonly deadline?: number;
  /** With it, a value that opens to what the Secret held before costs no call. */
  readonly cache?: Cache;
}

/** All or nothing: with any error, `opened` is empty. Both maps go by data key. */
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
 * Opens the sealed values of one Secret: the one function behind `decrypt` and the admission
 * webhook. Values that do not look sealed are left alone. A key is only asked once every value
 * has passed the checks that cost nothing, and no more once one cannot be asked.
 */
export async function unsealData(request: OpenRequest): Promise<OpenResult> {
  const errors = new Map<string, KsealError>();
  const ready = prepareAll(request, errors);
  const opened = new Map<string, Uint8Array>();
  const warnings = new Map<string, string>();
  const toOpen = errors.size === 0 ? ready : [];
  const results = await openAll(toOpen, request);
  // In the order of the data, and not in that in which keys answered: the same every time.
  for (const [index, { key }] of toOpen.entries()) {
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

/** Undefined: not asked, for a KMS that fails is spared further questions about a lost Secret. */
function openAll(
  values: readonly Ready[],
  request: OpenRequest,
): Promise<readonly (Decrypted | KsealError | undefined)[]> {
  let isAnswered = true;
  return pLimit(PARALLEL).map(values, async (value) => {
    if (!isAnswered) return undefined;
    const result = await open(value, request).catch(expected);
    if (result instanceof KsealError && exitCodeOf(result) === exitCodes.KEY_UNAVAILABLE)
      isAnswered = false;
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
      // Damaged ones count too: a hundred thousand of them would keep everybody else waiting.
      if (ready.length + errors.size > MAX_SEALED_VALUES) break;
    }
  }
  return ready;
}

/** Steps 1 to 4 of opening (design: one function, two doors); undefined: leave the value alone. */
function prepare(key: string, bytes: Uint8Array, request: OpenRequest): Ready | undefined {
  const jwe = readSealedValue(bytes);
  if (jwe === undefined) return undefined;
  const { place, policy, keyring, before } = request;
  const { binding } = jwe.header;
  if (binding === undefined) {
    const old = before?.get(key);
    if (old !== undefined && Buffer.compare(old, bytes) === 0) return undefined;
    if (!policy.acceptUnbound) {
      throw new KsealError('JWE_REFUSED', 'is bound to no place: another tool sealed it', {
        hint: 'seal it again with kseal, or allow it with --accept-unbound',
      });
    }
  } else {
    checkBinding(binding, { ...place, key }, policy.maxScope);
  }
  return { key, bytes, jwe, candidates: candidatesFor(jwe, keyring, policy) };
}

/** Step 5. What opens to a sealed value is refused: it would be opened twice on the next update. */
async function open(value: Ready, request: OpenRequest): Promise<Decrypted> {
  const { jwe, candidates } = value;
  const known = remembered(value, request);
  if (known !== undefined) return known;
  const decrypted = await decryptCompact(jwe, candidates, request.deadline);
  const { plaintext, key } = decrypted;
  if (isSealedInSomeForm(plaintext)) {
    throw new KsealError('JWE_REFUSED', 'opens to another sealed value, and these do not nest', {
      hint: 'seal the plaintext itself',
    });
  }
  request.cache?.add(openedValue(value, request, plaintext, key));
  return decrypted;
}

/** What the Secret held before, if that is known to be what the value opens to. */
function remembered(value: Ready, request: OpenRequest): Decrypted | undefined {
  const old = request.before?.get(value.key);
  if (old === undefined) return undefined;
  const key = value.candidates.find((candidate) =>
    request.cache?.has(openedValue(value, request, old, candidate)),
  );
  return key && { plaintext: old, key };
}

function openedValue(
  { key, bytes }: Ready,
  { place }: OpenRequest,
  plaintext: Uint8Array,
  { kid }: OpeningKey,
): Opened {
  return { place: { ...place, key }, sealed: bytes, plaintext, kid };
}

/** Lets a bug pass through as itself. */
function expected(error: unknown): KsealError {
  if (error instanceof KsealError) return error;
  throw error;
}
