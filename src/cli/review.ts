import { KsealError, located } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import {
  type AdmissionRequest,
  answerText,
  MAX_REVIEW_OCTETS,
  readReview,
} from '../webhook/admission-review.ts';
import { DEFAULT_MAX_SCOPE, review } from '../webhook/review.ts';
import { readInput, shownPath } from './input.ts';
import type { IO } from './io.ts';

interface ReviewFlags {
  readonly review?: boolean;
  readonly acceptUnbound?: boolean;
  readonly maxScope?: Scope;
}

/** What only a manifest has or only the terminal may do, and an AdmissionReview does not know. */
const foreign = ['only', 'raw', 'name', 'namespace', 'dataKey', 'allowRevoked'] as const;

/** Refuses options that go with --review only, or not with it. Throws USAGE. */
export function checkReviewFlags(
  flags: ReviewFlags & { readonly [name in (typeof foreign)[number]]?: unknown },
): void {
  const hint = 'kseal decrypt --help';
  const wrong = foreign.find((name) => flags.review && flags[name] !== undefined);
  if (wrong !== undefined) {
    const flag = `--${wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new KsealError('USAGE', `${flag} does not go with --review`, { hint });
  }
  if (flags.maxScope !== undefined && !flags.review) {
    throw new KsealError('USAGE', '--max-scope goes with --review', { hint });
  }
}

/** Reads an AdmissionReview and returns, octet for octet, what the webhook would answer. */
export async function answerReview(
  io: IO,
  path: string,
  { acceptUnbound = false, maxScope = DEFAULT_MAX_SCOPE }: ReviewFlags,
  { keyring }: { readonly keyring: readonly OpeningKey[] },
): Promise<string> {
  const request = readNamed(await readInput(io, path, MAX_REVIEW_OCTETS), shownPath(path));
  const acceptsUnbound = () => acceptUnbound;
  const context = { keyring, isKeyringComplete: true, acceptsUnbound, maxScope };
  return answerText((await review(request, context)).response);
}

function readNamed(octets: Uint8Array, shown: string): AdmissionRequest {
  try {
    return readReview(octets);
  } catch (error) {
    throw error instanceof KsealError ? located(shown, error) : error;
  }
}
