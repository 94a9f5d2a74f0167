import { readdirSync } from 'node:fs';
import { within } from '../../src/deadline.ts';
import { EXIT_BUG } from '../../src/errors.ts';
import { type TestIO, testIO } from './io.ts';
import type { Script } from './script.ts';
import { changedPaths, type Snapshot, snapshot, temporaryFiles } from './snapshot.ts';

/** The exit code of `verify` for findings, which is not an error. */
const EXIT_FINDINGS = 1;

/** The error of a process, of which only the exit code is known. */
export const unknownError = Symbol('unknown error');

/** A command that hangs fails its line rather than the whole script. Keys take seconds. */
const LIMIT_MS = 60_000;

/** A kseal command of a script, with everything that it wrote. */
export interface Run {
  readonly line: number;
  readonly argv: readonly string[];
  readonly exit: number;
  readonly thrown: unknown;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** The output on the terminal. */
  readonly shown: Buffer;
  /** Whether colours were asked for. */
  readonly coloured: boolean;
  readonly before: Snapshot;
  readonly after: Snapshot;
}

/** Runs kseal in the folder of the script, with the checks that apply to every command. */
export async function runKseal(script: Script, argv: readonly string[]): Promise<Run> {
  const { main, folder, cwd, env, stdin, typed, line } = script;
  const before = snapshot(folder);
  const io = testIO({ cwd, env: { ...env }, stdin, typed });
  script.stdin = undefined;
  script.typed = undefined;
  const exit = await within(LIMIT_MS, main(argv, io), () => {
    throw new Error('it hangs');
  });
  const run: Run = {
    line,
    argv,
    exit,
    thrown: io.thrown,
    stdout: io.stdout.bytes,
    stderr: io.stderr.bytes,
    shown: io.terminal?.shown ?? Buffer.alloc(0),
    coloured: Boolean(env.FORCE_COLOR) || argv.some((word) => word.startsWith('--color')),
    before,
    after: snapshot(folder),
  };
  script.runs.push(run);
  const problems = [...problemsOf(run), ...terminalProblems(io), ...temporaryProblems(script, run)];
  if (problems.length > 0) throw new Error(`${problems.join('\n')}\n${describeRun(run)}`);
  return run;
}

/** Runs kseal outside of this process, and keeps what it showed. It must exit with `wanted`. */
export async function runOutside(
  script: Script,
  argv: readonly string[],
  wanted: number,
  follow: () => Promise<{ readonly exit: number; readonly shown: Buffer }>,
): Promise<void> {
  const { folder, line } = script;
  const before = snapshot(folder);
  const { exit, shown } = await follow();
  const after = snapshot(folder);
  const nothing = Buffer.alloc(0);
  const streams = { coloured: false, thrown: undefined, stdout: nothing, stderr: nothing, shown };
  const run: Run = { line, argv, exit, ...streams, before, after };
  script.runs.push(run);
  const problems = [...temporaryProblems(script, run)];
  const changed = exit === 0 ? [] : changedPaths(before, after);
  if (exit !== wanted) problems.push(`expected exit ${wanted}, not ${exit}\n${shown}`);
  if (changed.length > 0) problems.push(`it failed and changed ${changed.join(', ')}`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** A word in colour. */
const COLOURED = /\x1b\[3\dm(.*?)\x1b\[39m/g;

function* problemsOf(run: Run): Iterable<string> {
  const { exit, thrown, stdout, stderr, before, after } = run;
  if (exit === EXIT_BUG) yield `a bug: ${(thrown as Error | undefined)?.stack ?? String(thrown)}`;
  const failed = exit !== 0 && exit !== EXIT_FINDINGS;
  // Such a command does a part of its work, and fails at the end.
  const isWhole = !run.argv.includes('--continue-on-error');
  if (failed === (thrown === undefined)) yield 'exit code and error disagree';
  if (exit !== 0 && isWhole) {
    const changed = changedPaths(before, after);
    if (changed.length > 0) yield `it failed and changed ${changed.join(', ')}`;
  }
  // `keys --online` lists all keys, and then the errors of those that cannot be used.
  const lists = run.argv.includes('--online');
  if (failed && isWhole && !lists && stdout.length > 0) yield 'it failed and wrote to stdout';
  const words = run.coloured ? stderr.toString().replace(COLOURED, '$1') : stderr.toString();
  const lines = words.split('\n');
  if (lines.pop() !== '') yield 'stderr ends within a line';
  for (const line of lines) {
    if (!line.startsWith('kseal: ')) yield `not a message of kseal: ${line}`;
    if (/[\x00-\x1f\x7f-\x9f]/.test(line)) yield `control characters on stderr: ${line}`;
    if (/^kseal: (error|warning): .*\.$/.test(line)) yield `ends in a full stop: ${line}`;
  }
  if (failed && !lines.some((line) => line.startsWith('kseal: error: '))) {
    yield 'it failed and printed no error';
  }
}

function* terminalProblems({ terminal }: TestIO): Iterable<string> {
  if (terminal === undefined) return;
  if (terminal.left > 0) yield `${terminal.left} lines for the terminal were not read`;
  if (!terminal.restored) yield 'the terminal was left open or in raw mode';
}

function* temporaryProblems({ temporary }: Script, { after }: Run): Iterable<string> {
  const left = [...temporaryFiles(after), ...readdirSync(temporary)];
  if (left.length > 0) yield `temporary files are left: ${left.join(', ')}`;
}

/** Describes a run in the message of a failed test. */
export function describeRun({ argv, exit, stdout, stderr, shown: terminal }: Run): string {
  const outputs = { stdout, stderr, terminal };
  const shown = Object.entries(outputs).map(([name, bytes]) => `--- ${name}\n${bytes}`);
  return [`kseal ${argv.join(' ')}: exit ${exit}`, ...shown].join('\n');
}
