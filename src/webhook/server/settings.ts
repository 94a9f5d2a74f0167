/** How long things may take, and how often they are done; milliseconds. */
export interface Times {
  /** Of a connection: its TLS handshake, the headers of a request, and the whole of one. */
  readonly handshake: number;
  readonly headers: number;
  readonly request: number;
  /** How long a connection may do nothing: between two requests, and while one is answered. */
  readonly idle: number;
  readonly stalled: number;
  /** How often connections are held against these. */
  readonly check: number;
  /** How often keys are read anew: all is well, or something is missing. */
  readonly refresh: number;
  readonly refreshAfterFailure: number;
  /** How long a start waits for the first reading of the keys. */
  readonly headStart: number;
  /** How often the TLS files are looked at. */
  readonly tlsLook: number;
  /** How long answers that are under way may take once no more are begun. */
  readonly lastAnswers: number;
}

/** What holds; tests do not wait so long. */
export const defaultTimes: Times = {
  handshake: 10_000,
  headers: 10_000,
  request: 20_000,
  // The API server keeps an idle connection for 90 s, and is to be the one that ends it.
  idle: 120_000,
  // Longer than the longest answer takes.
  stalled: 60_000,
  check: 2_000,
  refresh: 60_000,
  refreshAfterFailure: 5_000,
  headStart: 3_000,
  tlsLook: 5_000,
  lastAnswers: 15_000,
};

/** Waits for `event`, for so many milliseconds at most: then it gives nothing. */
export async function within<T>(milliseconds: number, event: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return Promise.race([event, end]).finally(() => clearTimeout(timer));
}

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof logLevels)[number];
