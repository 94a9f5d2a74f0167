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
export function reviewBudget(timeout: string | undefined): number {
  const [, minutes = '0', rest = '0'] = DURATION.exec(timeout ?? '') ?? [];
  const given = Number(minutes) * 60 + Number(rest);
  const seconds = given >= 1 && given <= MOST_SECONDS ? given : DEFAULT_SECONDS;
  return Math.max(seconds * 1000 - 1500, LEAST);
}
