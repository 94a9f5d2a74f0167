import type { Server } from 'node:https';
import { KsealError } from '../errors.ts';

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

/** How long answers that are under way may take once no more are begun; milliseconds. */
const LAST_ANSWERS = 15_000;

/**
 * Goes on serving for `milliseconds`, while endpoints are updated, then ends connections as their
 * answers are given. Throws INTERRUPTED where a second signal comes.
 */
export async function drain(
  server: Server,
  { second }: Signals,
  milliseconds: number,
): Promise<void> {
  const interrupted = second.then(() => {
    throw new KsealError('INTERRUPTED', 'ended by a second signal');
  });
  await Promise.race([pause(milliseconds), interrupted]);
  // This ends idle connections too.
  const closed = new Promise((resolve) => server.close(resolve));
  await Promise.race([closed, pause(LAST_ANSWERS), interrupted]);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
