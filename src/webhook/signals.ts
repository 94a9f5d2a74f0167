import { KsealError } from '../errors.ts';
import type { Mutate } from './mutate.ts';
import { within } from './times.ts';

/** Tells of SIGTERM and SIGINT; returns what ends the telling. */
export type OnSignal = (listener: (signal: string) => void) => () => void;

/** The first signal to come, and the second one. */
export interface Signals {
  readonly first: Promise<string>;
  readonly second: Promise<string>;
  readonly stop: () => void;
}

export function twoSignals(onSignal: OnSignal): Signals {
  const waiting: ((signal: string) => void)[] = [];
  const nextSignal = () => new Promise<string>((resolve) => waiting.push(resolve));
  const [first, second] = [nextSignal(), nextSignal()];
  const stop = onSignal((signal) => waiting.shift()?.(signal));
  return { first, second, stop };
}

/** How long a draining takes, in milliseconds: it goes on serving, and then only answers. */
export interface Draining {
  readonly serving: number;
  readonly lastAnswers: number;
}

/** Whoever has sent half a request gets so long for the rest; milliseconds. */
const LINGER = 200;

/**
 * Goes on serving for a while, as endpoints are updated, then ends connections as their answers
 * are given. Throws INTERRUPTED where a second signal comes.
 */
export async function drain(
  { server, idle }: Pick<Mutate, 'server' | 'idle'>,
  { second }: Pick<Signals, 'second'>,
  { serving, lastAnswers }: Draining,
): Promise<void> {
  const interrupted = second.then(() => {
    throw new KsealError('INTERRUPTED', 'ended by a second signal');
  });
  await within(serving, interrupted);
  const closed = new Promise((resolve) => server.close(resolve));
  // Node waits for connections too on which nothing was ever asked, and a client may keep some.
  const quiet = idle()
    .then(() => within(LINGER, closed))
    .then(idle);
  await within(lastAnswers, Promise.race([closed, quiet, interrupted]));
}
