import { within } from '../../deadline.ts';
import { KsealError } from '../../errors.ts';
import { type Cache, createCache } from '../../unseal/cache.ts';
import {
  type AdmissionRequest,
  type AdmissionResponse,
  answerText,
  readReview,
} from '../admission-review.ts';
import { bugStatus, lateStatus } from '../denial.ts';
import { type Review, type ReviewContext, review } from '../review.ts';
import { fairShare, keysFor } from './key-calls.ts';
import type { Keyring } from './keyring.ts';
import { describeBug, type Log, type LogFields, loggedError } from './log.ts';
import type { Metrics, ReviewResult } from './metrics.ts';

/** A request as it came over the wire. */
export interface Posted {
  readonly body: Uint8Array;
  /** The `timeout` of the query string, which the API server sets. */
  readonly timeout: string | undefined;
  /** When the request began to arrive, in the time of performance.now(). */
  readonly begun: number;
}

export interface ReviewerOptions extends Pick<ReviewContext, 'maxScope'> {
  readonly acceptUnbound: readonly string[];
  readonly useCache: boolean;
  /** How long a review may wait for keys, in milliseconds; undefined: until its deadline. */
  readonly kmsTimeout: number | undefined;
}

/** The most key requests at once, of all namespaces together. */
const MAX_KEY_REQUESTS = 64;

/**
 * The longest review whose refusal a client may retry, in milliseconds: client-go retries ten times
 * and prints nothing meanwhile, which would keep a user waiting for minutes.
 */
const MAX_RETRIED = 3_000;

/** How long the keys have to give up after the deadline, in milliseconds. */
const GRACE = 100;

/**
 * Returns a function that answers posted AdmissionReviews, each before its deadline, and counts
 * and logs them. All share one cache and one limit on key requests. The function throws
 * REVIEW_INVALID for anything else.
 */
export function createReviewer(
  { acceptUnbound, maxScope, useCache, kmsTimeout = Number.POSITIVE_INFINITY }: ReviewerOptions,
  { keyring, metrics, log }: { keyring: Keyring; metrics: Metrics; log: Log },
): (posted: Posted) => Promise<string> {
  const share = fairShare(MAX_KEY_REQUESTS);
  const cache = useCache ? countingHits(createCache(), metrics) : undefined;

  async function reviewBefore(deadline: number, request: AdmissionRequest): Promise<Answered> {
    const context: ReviewContext = {
      keyring: keysFor(request.namespace, keyring.keys(), { share, metrics }),
      isKeyringComplete: keyring.isComplete(),
      acceptsUnbound: (name) => acceptUnbound.includes(name),
      maxScope,
      deadline: Math.min(deadline, performance.now() + kmsTimeout),
      ...(cache === undefined ? {} : { cache }),
    };
    const answer = review(request, context).then(
      (found): Answered => ({ ...found, result: resultOf(found) }),
      (error: unknown) => {
        log.write('error', describeBug(error), fieldsOf(request));
        return refusal(request, 'failed');
      },
    );
    const left = deadline + GRACE - performance.now();
    return within(left, answer, () => refusal(request, 'late'));
  }

  async function answerTo({ body, timeout, begun }: Posted): Promise<string> {
    const request = await read(body, { log, metrics });
    const answered = await reviewBefore(begun + reviewDeadline(timeout), request);
    const { result, opened, errors, response } = answered;
    const milliseconds = Math.round(performance.now() - begun);
    metrics.reviews.inc({ result });
    metrics.reviewSeconds.observe(milliseconds / 1000);
    metrics.valuesOpened.inc(opened.length);
    if (!response.allowed) for (const { code } of errors.values()) metrics.refusals.inc({ code });
    log.write(levels[result], 'review', {
      ...fieldsOf(request),
      opened,
      result,
      errors: [...errors].map(([key, error]) => loggedError(error, key)),
      milliseconds,
    });
    return answerText(milliseconds > MAX_RETRIED ? final(response) : response);
  }

  return async (posted) => {
    metrics.inFlight.inc();
    return answerTo(posted).finally(() => metrics.inFlight.dec());
  };
}

function countingHits(cache: Cache, { cacheHits }: Metrics): Cache {
  return {
    ...cache,
    has(value) {
      const isKnown = cache.has(value);
      if (isKnown) cacheHits.inc();
      return isKnown;
    },
  };
}

interface Answered extends Review {
  readonly result: ReviewResult;
}

const levels = {
  untouched: 'debug',
  opened: 'info',
  unopened: 'warn',
  denied: 'warn',
  late: 'error',
  failed: 'error',
  invalid: 'warn',
} as const;

async function read(body: Uint8Array, { log, metrics }: { log: Log; metrics: Metrics }) {
  try {
    return await readReview(body);
  } catch (error) {
    metrics.reviews.inc({ result: 'invalid' });
    if (error instanceof KsealError) log.write('warn', error.message, { result: 'invalid' });
    throw error;
  }
}

function fieldsOf(request: AdmissionRequest): LogFields {
  const { uid, namespace, name, operation, dryRun, user } = request;
  return { uid, namespace, name, operation, dryRun, user };
}

/** The same answer without Retry-After. */
function final({ status, ...response }: AdmissionResponse): AdmissionResponse {
  if (status === undefined) return response;
  const { details: _, ...rest } = status;
  return { ...response, status: rest };
}

function resultOf({ response, opened, errors }: Review): ReviewResult {
  if (!response.allowed) return 'denied';
  if (errors.size > 0) return 'unopened';
  return opened.length > 0 ? 'opened' : 'untouched';
}

function refusal({ uid }: AdmissionRequest, result: 'late' | 'failed'): Answered {
  const status = result === 'late' ? lateStatus() : bugStatus();
  return { result, response: { uid, allowed: false, status }, opened: [], errors: new Map() };
}

/** The API server's default timeout and its maximum, in seconds (admissionregistration v1). */
const DEFAULT_SECONDS = 10;
const MAX_SECONDS = 30;

/** The shortest deadline, in milliseconds: a KMS could hardly answer in less. */
const MIN_DEADLINE = 500;

/** A Go duration as the API server writes it: whole seconds, possibly with minutes. */
const DURATION = /^(?:(\d{1,2})m)?(\d{1,2})s$/;

/**
 * How long an answer may take, in milliseconds from the start of the request, given the `timeout`
 * of its URL. The API server rounds that up to whole seconds, so it may give up a second earlier,
 * and the answer needs time to travel.
 */
export function reviewDeadline(timeout: string | undefined): number {
  const [, minutes = '0', rest = '0'] = DURATION.exec(timeout ?? '') ?? [];
  const given = Number(minutes) * 60 + Number(rest);
  const seconds = given >= 1 && given <= MAX_SECONDS ? given : DEFAULT_SECONDS;
  return Math.max(seconds * 1000 - 1500, MIN_DEADLINE);
}
