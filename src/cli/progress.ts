import type { SingleBar } from 'cli-progress';
import { counted, grouped } from '../text.ts';
import { type Output, widthOn } from './io.ts';

/** The progress of long work on a terminal. */
export interface Progress {
  /** Counts a step; `left` is the number of steps that follow, if it is known. */
  step(left?: number): void;
  /** Clears the line until the next step. */
  hide(): void;
  end(): void;
}

/** Work that takes less time shows no progress. */
const DELAY_MS = 1000;
const BAR = { least: 8, most: 30 };

/** Counts steps, each of which is one `noun`, and shows a bar once the work takes long. */
export function startProgress(stream: Output, noun: string): Progress {
  const startedAt = Date.now();
  let done = 0;
  let left: number | undefined;
  let state: 'hidden' | 'shown' | 'ended' = 'hidden';
  let bar: SingleBar | undefined;
  let isLoading = false;

  const line = () => {
    if (left === undefined) return counted(done, noun);
    const seconds = ((Date.now() - startedAt) / 1000 / done) * left;
    const count = `${grouped(done)} of ${counted(done + left, noun)}, ${timeOf(seconds)} left`;
    return `${barOf(done / (done + left), widthOn(stream) - count.length)}${count}`;
  };
  const load = async () => {
    isLoading = true;
    const { default: package_ } = await import('cli-progress');
    // The cursor stays visible and lines wrap, so that Ctrl-C has nothing to restore.
    bar = new package_.SingleBar({ stream, format: line, clearOnComplete: true, linewrap: true });
  };
  const hide = () => {
    if (state !== 'shown') return;
    state = 'hidden';
    bar?.stop();
  };
  // Ctrl-C ends the process, and must not leave half a line before the prompt of the shell.
  process.once('exit', hide);
  return {
    step(following) {
      done++;
      left = following;
      if (state === 'ended' || Date.now() - startedAt < DELAY_MS) return;
      if (!isLoading) void load();
      if (state === 'shown') bar?.update(done);
      else if (bar !== undefined) {
        bar.start(done + (left ?? 0), done);
        state = 'shown';
      }
    },
    hide,
    end() {
      hide();
      state = 'ended';
      process.off('exit', hide);
    },
  };
}

/** A bar with a space after it, or nothing without the room for it. */
function barOf(part: number, room: number): string {
  const size = Math.min(room - '[] '.length - 1, BAR.most);
  if (size < BAR.least) return '';
  const full = Math.floor(part * size);
  return `[${'#'.repeat(full)}${'.'.repeat(size - full)}] `;
}

function timeOf(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
