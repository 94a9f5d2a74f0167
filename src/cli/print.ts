import { styleText } from 'node:util';
import { type Diagnostic, locationOf, type Words } from '../diagnostic.ts';
import { errorsOf, exitCodeOf, KsealError } from '../errors.ts';
import { fileError } from '../fs/read.ts';
import { withoutCredentials } from '../git/errors.ts';
import { printable } from '../text.ts';
import type { IO, Output } from './io.ts';

const colours = { error: 'red', warning: 'yellow', hint: 'cyan' } as const;

export type Colour = 'red' | 'yellow' | 'cyan' | 'green';

/** Prints one line on stderr: `kseal: warning: …`, or `kseal: …` for a note. */
export function say(io: IO, kind: 'error' | 'warning' | 'hint' | 'note', text: string): void {
  const label = kind === 'note' ? '' : `${paint(io, io.stderr, colours[kind], `${kind}:`)} `;
  // Many messages contain a Git reference, which may hold a password.
  io.stderr.write(`kseal: ${label}${printable(withoutCredentials(text))}\n`);
}

export function warn(io: IO, { message, hint }: Words): void {
  say(io, 'warning', message);
  if (hint !== undefined) say(io, 'hint', hint);
}

/** Prints warnings about the manifest `path`. A hint that several in a row share is printed once. */
export function warnAbout(io: IO, path: string, diagnostics: readonly Diagnostic[]): void {
  for (const [index, diagnostic] of diagnostics.entries()) {
    const message = `${locationOf(path, diagnostic)}: ${diagnostic.message}`;
    const isShared = diagnostic.hint === diagnostics[index + 1]?.hint;
    warn(io, { message, hint: isShared ? undefined : diagnostic.hint });
  }
}

/** Colours `text` on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function paint(io: IO, stream: Output, colour: Colour, text: string): string {
  return stream.isTTY && !io.env.NO_COLOR
    ? styleText(colour, text, { validateStream: false })
    : text;
}

/** Prints each error in `thrown`, with its hint, and returns the exit code. */
export function reportErrors(io: IO, thrown: unknown, debug: boolean): number {
  const errors = distinct(errorsOf(thrown));
  for (const [index, error] of errors.entries()) {
    if (!(error instanceof KsealError)) reportBug(io, error, debug);
    else {
      say(io, 'error', error.message);
      if (debug && error.cause !== undefined) say(io, 'note', `caused by ${String(error.cause)}`);
      // Errors in a row often share their hint, which is printed once, after the last of them.
      if (error.hint !== undefined && error.hint !== hintOf(errors[index + 1]))
        say(io, 'hint', error.hint);
    }
  }
  return exitCodeOf(thrown);
}

/** Every file that needs a bad key or configuration throws the same error, which is printed once. */
function distinct(errors: readonly unknown[]): readonly unknown[] {
  return [...new Map(errors.map((error) => [String(error), error])).values()];
}

function hintOf(error: unknown): string | undefined {
  return error instanceof KsealError ? error.hint : undefined;
}

/** Prints the kind of an unexpected error, but not its message, which may quote a value. */
function reportBug(io: IO, error: unknown, debug: boolean): void {
  say(io, 'error', `unexpected ${error instanceof Error ? error.name : 'failure'}: a bug in kseal`);
  if (debug && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  else say(io, 'hint', 'run it again with --debug, and report the output');
}

/** Writes a result to stdout. A closed pipe is not an error. */
export function writeStdout(io: IO, result: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    io.stdout.write(result, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE') resolve();
      else reject(fileError('stdout', 'write', error));
    });
  });
}

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Colours a cell that is already padded. */
  readonly paint?: (row: T, padded: string) => string;
}

/** A table for people, without empty columns. */
export function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const shown = columns
    .map((column) => ({ ...column, cells: rows.map((row) => printable(column.cell(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({
      ...column,
      width: column.cells.reduce(
        (width, { length }) => Math.max(width, length),
        column.title.length,
      ),
    }));
  const lines = rows.map((row, index) =>
    shown.map(({ cells, width, paint = (_, padded) => padded }) =>
      paint(row, (cells[index] ?? '').padEnd(width)),
    ),
  );
  return [shown.map(({ title, width }) => title.padEnd(width)), ...lines]
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('');
}
