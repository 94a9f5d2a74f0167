import type { SingleBar } from 'cli-progress';
import { counted, grouped } from '../text.ts';
import { type Output, widthOn } from './io.ts';

/** The progress of long work on a terminal. */
export interface Progress {
  /** Counts a file or another thing that is done; `left` is the number of those that follow. */
  step(left: number): void;
  /** Clears the line until the next step. */
  hide(): void;
  end(): void;
}

/** Work that takes less time shows no progress. */
const DELAY_MS = 1000;
const BAR = { least: 8, most: 30 };

/** Loaded for the first bar. */
let Bar: typeof SingleBar | undefined;
let isLoading = false;

/**
 * Counts files or other things, and shows a bar once the work takes long. `verb` says what is done,
 * such as `sealed`.
 */
export function startProgress(stream: Output, verb: string, noun: string): Progress {
  const startedAt = Date.now();
  let done = 0;
  let left = 0;
  let bar: SingleBar | undefined;
  let isRunning = true;

  const line = () => {
    const seconds = ((Date.now() - startedAt) / 1000 / done) * left;
    const all = counted(done + left, noun);
    const count = `${grouped(done)} of ${all} ${verb}, ${timeOf(seconds)} left`;
    return `${barOf(done / (done + left), widthOn(stream) - count.length)}${count}`;
  };
  const show = () => {
    if (Bar === undefined) return;
    // The cursor stays visible and lines wrap, so that Ctrl-C has nothing to restore.
    bar = new Bar({ stream, format: line, clearOnComplete: true, linewrap: true });
    bar.start(done + left, done);
  };
  const load = async () => {
    isLoading = true;
    Bar = (await import('cli-progress')).default.SingleBar;
    if (isRunning) show();
  };
  const hide = () => {
    bar?.stop();
    bar = undefined;
  };
  // Ctrl-C ends the process, and must not leave half a line before the prompt of the shell.
  process.once('exit', hide);
  return {
    step(following) {
      done++;
      left = following;
      if (bar !== undefined) bar.update(done);
      else if (Date.now() - startedAt >= DELAY_MS) {
        if (!isLoading) void load();
        show();
      }
    },
    hide,
    end() {
      isRunning = false;
      hide();
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
