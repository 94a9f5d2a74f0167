import { KsealError } from '../../errors.ts';
import { type Cache, createCache } from '../../unseal/cache.ts';
import { type AdmissionRequest, answerText, readReview } from '../admission-review.ts';
import { bugStatus, lateStatus } from '../denial.ts';
import { type Review, type ReviewContext, review } from '../review.ts';
import { askedFor, fairShare } from './key-calls.ts';
import type { Keyring } from './keyring.ts';
import { describeBug, type Log, type LogFields, loggedError } from './log.ts';
import type { Metrics, ReviewResult } from './metrics.ts';

/** A request as it came over the wire. */
export interface Posted {
  readonly body: Uint8Array;
  /** The API server's `?timeout=`. */
  readonly timeout: string | undefined;
  /** When it began to arrive, as performance.now() tells it. */
  readonly begun: number;
}

interface Answering {
  /** What a request is reviewed with; KMS calls go by its namespace and end at its deadline. */
  readonly contextFor: (namespace: string, deadline: number) => ReviewContext;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** After the keys were told to give up, they have so long to say so; milliseconds. */
const LAST_WORDS = 100;

/**
 * Answers a posted AdmissionReview, whatever happens, before its time is over; counts and logs
 * it. Throws REVIEW_INVALID for what is none.
 */
export async function answerPosted(posted: Posted, answering: Answering): Promise<string> {
  const { log, metrics } = answering;
  const { request, result, ...done } = await judged(posted, answering);
  const milliseconds = Math.round(performance.now() - posted.begun);
  metrics.reviews.inc({ result });
  metrics.reviewSeconds.observe(milliseconds / 1000);
  metrics.valuesOpened.inc(done.opened.length);
  for (const { code } of done.errors.values()) metrics.refusals.inc({ code });
  log.write(levels[result], 'review', {
    ...told(request),
    opened: done.opened,
    result,
    errors: [...done.errors].map(([key, error]) => loggedError(error, key)),
    milliseconds,
  });
  return answerText(done.response);
}

const levels = {
  untouched: 'debug',
  opened: 'info',
  denied: 'warn',
  late: 'error',
  failed: 'error',
  invalid: 'warn',
} as const;

function told({ uid, namespace, name, operation, dryRun }: AdmissionRequest): LogFields {
  return { uid, namespace, name, operation, dryRun };
}

interface Judged extends Review {
  readonly request: AdmissionRequest;
  readonly result: ReviewResult;
}

async function judged(posted: Posted, answering: Answering): Promise<Judged> {
  const request = read(posted, answering);
  const deadline = posted.begun + reviewDeadline(posted.timeout);
  const context = answering.contextFor(request.namespace, deadline);
  const done = review(request, context).then(
    (answer): Judged => ({ ...answer, request, result: resultOf(answer) }),
    (error: unknown) => failed(request, error, answering.log),
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Judged>((resolve) => {
    const wait = deadline + LAST_WORDS - performance.now();
    timer = setTimeout(() => resolve(refusal(request, 'late')), wait);
  });
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

function read({ body }: Posted, { log, metrics }: Answering): AdmissionRequest {
  try {
    return readReview(body);
  } catch (error) {
    metrics.reviews.inc({ result: 'invalid' });
    if (error instanceof KsealError) log.write('warn', error.message, { result: 'invalid' });
    throw error;
  }
}

function resultOf({ response, opened }: Review): ReviewResult {
  if (!response.allowed) return 'denied';
  return opened.length > 0 ? 'opened' : 'untouched';
}

/** The message of an unforeseen error may quote a value, so its kind and its place are logged. */
function failed(request: AdmissionRequest, error: unknown, log: Log): Judged {
  log.write('error', describeBug(error), told(request));
  return refusal(request, 'failed');
}

function refusal(request: AdmissionRequest, result: 'late' | 'failed'): Judged {
  const status = result === 'late' ? lateStatus() : bugStatus();
  const response = { uid: request.uid, allowed: false, status };
  return { request, result, response, opened: [], errors: new Map() };
}

/** Questions to keys that are under way at once, of all namespaces together. */
const QUESTIONS = 64;

export interface ReviewerOptions extends Pick<ReviewContext, 'maxScope'> {
  readonly acceptUnbound: readonly string[];
  readonly useCache: boolean;
}

/** Answers posted reviews, all of them with one cache and one share of the keys. */
export function createReviewer(
  { acceptUnbound, maxScope, useCache }: ReviewerOptions,
  { keyring, metrics, log }: { keyring: Keyring; metrics: Metrics; log: Log },
): (posted: Posted) => Promise<string> {
  const share = fairShare(QUESTIONS);
  const cache = useCache ? countingHits(createCache(), metrics) : undefined;
  const contextFor = (namespace: string, deadline: number): ReviewContext => ({
    keyring: askedFor(namespace, keyring.keys(), { share, metrics }),
    isKeyringComplete: keyring.isComplete(),
    acceptsUnbound: (name) => acceptUnbound.includes(name),
    maxScope,
    deadline,
    ...(cache === undefined ? {} : { cache }),
  });
  return async (posted) => {
    metrics.inFlight.inc();
    return answerPosted(posted, { contextFor, log, metrics }).finally(() => metrics.inFlight.dec());
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

/** What the API server grants where it does not say, in seconds (admissionregistration v1). */
const DEFAULT_SECONDS = 10;
const MOST_SECONDS = 30;

/** Less would hardly be enough for one question to a KMS, in milliseconds. */
const LEAST = 500;

/** A Go duration as the API server writes it: whole seconds, of which it may make minutes. */
const DURATION = /^(?:(\d{1,2})m)?(\d{1,2})s$/;

/**
 * How long an answer may take, in milliseconds from when its request began. `timeout` is that of
 * the URL. The API server rounds it up to whole seconds, so that it may stop waiting a second
 * earlier, and the way back takes time too.
 */
export function reviewDeadline(timeout: string | undefined): number {
  const [, minutes = '0', rest = '0'] = DURATION.exec(timeout ?? '') ?? [];
  const given = Number(minutes) * 60 + Number(rest);
  const seconds = given >= 1 && given <= MOST_SECONDS ? given : DEFAULT_SECONDS;
  return Math.max(seconds * 1000 - 1500, LEAST);
}
