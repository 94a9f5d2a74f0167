import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';

/** Runs a program to its end; its stdin is `stdin`, else empty. Rejects if it cannot run. */
export async function run(program, args, { stdin = '', timeout = 60_000, ...surroundings } = {}) {
  // Not spawn's own timeout, which would go on where the program is not found.
  const child = spawn(program, args, { signal: AbortSignal.timeout(timeout), ...surroundings });
  // A program that fails early does not read all of its stdin.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    buffer(child.stdout),
    buffer(child.stderr),
  ]).catch((error) => {
    if (error.code === 'ENOENT') throw new Error(`${program} is not installed`);
    throw error.name === 'AbortError' ? new Error(`${basename(program)} takes too long`) : error;
  });
  if (signal !== null) throw new Error(`${basename(program)} was ended by ${signal}`);
  return { code, stdout, stderr };
}

/** Runs a program that has to succeed, for its stdout. Rejects with the end of what it said. */
export async function output(program, args, options) {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code === 0) return stdout;
  const said = stderr.length > 0 ? stderr : stdout;
  const end = said.toString().trim().replace(/\s+/g, ' ').slice(-400);
  throw new Error(`${basename(program)} ended with exit code ${code}: ${end}`);
}
