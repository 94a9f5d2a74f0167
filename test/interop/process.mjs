import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';

/**
 * Runs a program and resolves to `{ code, stdout, stderr }`. Rejects if the program is missing, is
 * killed, or runs for more than `timeout` milliseconds.
 */
export async function run(program, args, { stdin = '', timeout = 60_000, ...options } = {}) {
  // The timeout option of spawn would keep Node running if the program is missing.
  const child = spawn(program, args, { signal: AbortSignal.timeout(timeout), ...options });
  // A program that fails early does not read its stdin.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    buffer(child.stdout),
    buffer(child.stderr),
  ]).catch((error) => {
    if (error.code === 'ENOENT') throw new Error(`${program}: not installed`);
    throw error.name === 'AbortError' ? new Error(`${basename(program)}: timed out`) : error;
  });
  if (signal !== null) throw new Error(`${basename(program)}: killed by ${signal}`);
  return { code, stdout, stderr };
}

/** Runs a program and resolves to its stdout. Rejects with the end of its stderr if it fails. */
export async function output(program, args, options) {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code === 0) return stdout;
  const end = (stderr.length > 0 ? stderr : stdout)
    .toString()
    .trim()
    .replace(/\s+/g, ' ')
    .slice(-400);
  throw new Error(`${basename(program)}: exit code ${code}: ${end}`);
}
