/** Intervals and limits of the server, in milliseconds. */
export interface Times {
  /** How long a client may take for its TLS handshake, for the headers and for a whole request. */
  readonly handshake: number;
  readonly headers: number;
  readonly request: number;
  /** How long a connection may be silent between two requests, and during an answer. */
  readonly idle: number;
  readonly stalled: number;
  /** How often connections are checked against these limits. */
  readonly check: number;
  /** How often the keys are read again, after a success and after a failure. */
  readonly refresh: number;
  readonly refreshAfterFailure: number;
  /** How long the start waits for the keys to be read for the first time. */
  readonly headStart: number;
  /** How often the TLS files are checked for changes. */
  readonly tlsLook: number;
  /** How long pending answers may take after the server has stopped accepting requests. */
  readonly lastAnswers: number;
}

export const defaultTimes: Times = {
  handshake: 10_000,
  headers: 10_000,
  request: 20_000,
  // The API server closes its idle connections after 90 s, and should do so before kseal does.
  idle: 120_000,
  // Longer than the longest review.
  stalled: 60_000,
  check: 2_000,
  refresh: 60_000,
  refreshAfterFailure: 5_000,
  headStart: 3_000,
  tlsLook: 5_000,
  lastAnswers: 15_000,
};

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof logLevels)[number];
