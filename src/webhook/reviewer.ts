import { createMemo, type Memo } from '../unseal/cache.ts';
import { answerPosted, type Posted } from './answer.ts';
import { askedFor } from './asked-keys.ts';
import { fairShare } from './fair-share.ts';
import type { Keyring } from './keyring.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { ReviewContext } from './review.ts';

/** Questions to keys that are under way at once, of all namespaces together. */
const QUESTIONS = 64;

export interface ReviewerOptions extends Pick<ReviewContext, 'maxScope'> {
  readonly acceptUnbound: readonly string[];
  readonly useMemo: boolean;
}

/** Answers posted reviews, all of them with one memo and one share of the keys. */
export function createReviewer(
  { acceptUnbound, maxScope, useMemo }: ReviewerOptions,
  { keyring, metrics, log }: { keyring: Keyring; metrics: Metrics; log: Log },
): (posted: Posted) => Promise<string> {
  const share = fairShare(QUESTIONS);
  const memo = useMemo ? countingHits(createMemo(), metrics) : undefined;
  const contextFor = (namespace: string, deadline: number): ReviewContext => ({
    keyring: askedFor(namespace, keyring.keys(), { share, metrics }),
    isKeyringComplete: keyring.isComplete(),
    acceptsUnbound: (name) => acceptUnbound.includes(name),
    maxScope,
    deadline,
    ...(memo === undefined ? {} : { memo }),
  });
  return async (posted) => {
    metrics.inFlight.inc();
    return answerPosted(posted, { contextFor, log, metrics }).finally(() => metrics.inFlight.dec());
  };
}

function countingHits(memo: Memo, { memoHits }: Metrics): Memo {
  return {
    ...memo,
    has(value) {
      const isKnown = memo.has(value);
      if (isKnown) memoHits.inc();
      return isKnown;
    },
  };
}
