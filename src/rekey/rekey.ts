import pLimit from 'p-limit';
import { type Location, locationOf } from '../diagnostic.ts';
import { exitCodeOf, exitCodes, expected, KsealError, located } from '../errors.ts';
import { type CompactJwe, readCompact } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { findFragments, findSealed } from '../jwe/detect.ts';
import { encryptCompact, type PublicKey } from '../jwe/encrypt.ts';
import { shellWord } from '../text.ts';
import { candidatesFor } from '../unseal/keyring.ts';
import { openJwe } from '../unseal/unseal.ts';
import { positionsIn } from '../yaml/node.ts';

/** The most calls to one key at the same time. */
const PARALLEL = 16;

/** A sealed value in a text that is to be sealed to another key. */
export interface Move {
  readonly location: Location;
  readonly offset: number;
  /** The text at that offset: the compact JWE, or its base64, which may be folded. */
  readonly text: string;
  readonly jwe: string;
  readonly parsed: CompactJwe;
}

/** The values of a text, by what is to be done with them. */
export interface Plan {
  readonly moves: readonly Move[];
  /** The number of values that are sealed to the key already. */
  readonly kept: number;
  /** A value that cannot be moved; each error names its place. */
  readonly errors: readonly KsealError[];
  /** Text that only begins like a sealed value. */
  readonly fragments: readonly Location[];
}

/**
 * Finds the values in a text that are not sealed to the key `kid`, wherever they are: in Secrets,
 * Helm values, templates, patches or comments. Uses no key. `path` is for messages.
 */
export function planMoves(
  path: string,
  source: string,
  kid: string,
  { acceptUnbound }: { readonly acceptUnbound: boolean },
): Plan {
  const found = findSealed(source).filter(({ jwe }) => jwe.includes('.'));
  const position = positionsIn(source);
  const moves: Move[] = [];
  const errors: KsealError[] = [];
  let kept = 0;
  for (const { offset, text, jwe } of found) {
    let location: Location = { position: position(offset) };
    try {
      const parsed = readCompact(Buffer.from(jwe));
      location = { ...location, ...placeIn(parsed) };
      if (parsed.header.kid === kid) kept++;
      else if (parsed.header.binding === undefined && !acceptUnbound) throw unbound();
      else moves.push({ location, offset, text, jwe, parsed });
    } catch (error) {
      errors.push(located(locationOf(path, location), expected(error)));
    }
  }
  const fragments: Location[] = [];
  for (const { offset, isJson } of findFragments(source, found)) {
    const location = { position: position(offset) };
    if (isJson) errors.push(located(locationOf(path, location), inJson(path)));
    else if (wholeHeader.test(source.slice(offset, offset + 60))) fragments.push(location);
  }
  return { moves, kept, errors, fragments };
}

/** Anything shorter, as in the match conditions of the webhook, is not the rest of a value. */
const wholeHeader = /^[\w-]{60}$/;

/** The place of a value that is bound to one. */
function placeIn({ header: { binding } }: CompactJwe): Pick<Location, 'secret' | 'key'> {
  if (binding?.scope !== 'strict') return {};
  return { secret: `${binding.namespace}/${binding.name}`, key: binding.key };
}

function unbound(): KsealError {
  return new KsealError('JWE_REFUSED', 'not bound to a Secret: sealed by another tool', {
    hint: 'to move it, so that it stays unbound, add --accept-unbound',
  });
}

function inJson(path: string): KsealError {
  return new KsealError('JWE_REFUSED', 'JWE in JSON form; only the compact form can be moved', {
    hint: `to see which value it is: kseal verify ${shellWord(path)}`,
  });
}

/** The keys that open values, and the key to seal to. */
interface Keys {
  readonly keyring: readonly OpeningKey[];
  readonly to: PublicKey;
  readonly allowRevoked: boolean;
}

/**
 * Returns a function that opens a value and seals it to the key `to`, with the same binding. Each
 * distinct JWE is opened once, and its copies become copies again. A key that is unavailable is not
 * asked again: all its other values fail with the same error object. The plaintext exists only
 * between the two steps. The function rejects with the errors of `candidatesFor`, of the key, with
 * DECRYPTION_FAILED, or with JWE_REFUSED for a value that opens to another sealed one.
 */
export function resealing({ keyring, to, allowRevoked }: Keys): (move: Move) => Promise<string> {
  const keys = keyring.map(limited);
  const known = new Map<string, Promise<string>>();
  const reseal = async ({ parsed }: Move): Promise<string> => {
    const candidates = candidatesFor(parsed, keys, { allowRevoked });
    const { plaintext } = await openJwe(parsed, candidates);
    try {
      return encryptCompact(plaintext, parsed.header.binding, to);
    } finally {
      plaintext.fill(0);
    }
  };
  return (move) => {
    const resealed = known.get(move.jwe) ?? reseal(move);
    known.set(move.jwe, resealed);
    return resealed;
  };
}

/** The key, with a limit on parallel calls, and without further calls once it was unavailable. */
function limited(key: OpeningKey): OpeningKey {
  const limit = pLimit(PARALLEL);
  let failure: KsealError | undefined;
  return {
    ...key,
    decryptKey: (encryptedKey, deadline) =>
      limit(async () => {
        if (failure !== undefined) throw failure;
        try {
          return await key.decryptKey(encryptedKey, deadline);
        } catch (thrown) {
          const error = expected(thrown);
          if (exitCodeOf(error) !== exitCodes.KEY_UNAVAILABLE) throw error;
          failure ??= error;
          throw failure;
        }
      }),
  };
}

/**
 * The text with the values of `moves` replaced by their new JWEs, by the JWE that each replaces, in
 * the same form; a value without a new JWE stays. Nothing else changes.
 */
export function withMoved(
  source: string,
  moves: readonly Move[],
  resealed: ReadonlyMap<string, string>,
): string {
  let text = '';
  let end = 0;
  for (const { offset, text: old, jwe } of moves) {
    const next = resealed.get(jwe);
    if (next === undefined) continue;
    text += source.slice(end, offset) + inFormOf(old, jwe, next);
    end = offset + old.length;
  }
  return text + source.slice(end);
}

/** Writes `next` as `old` writes `jwe`: bare, or in base64, folded at the same width. */
function inFormOf(old: string, jwe: string, next: string): string {
  if (old.startsWith(jwe)) return next;
  const bare = old.replace(/\\n|\s/g, '');
  const after = Buffer.from(bare, 'base64').toString('latin1').slice(jwe.length);
  const padded = Buffer.from(next + after).toString('base64');
  const base64 = bare.length % 4 === 0 ? padded : padded.replace(/=+$/, '');
  const [fold] = /\\n|\r?\n[ \t]*/.exec(old) ?? [];
  if (fold === undefined) return base64;
  const line = new RegExp(`.{1,${old.indexOf(fold)}}`, 'g');
  return (base64.match(line) ?? []).join(fold);
}
