// Programs that run in the background during the checks.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** The time limits for a service to become ready and to exit; milliseconds. */
const limits = { start: 90_000, stop: 15_000 };

const running = new Set();
const endings = [];

// The services must not outlive this process.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Registers a function for `endAll`. */
export function atEnd(end) {
  endings.push(end);
}

/** Calls the registered functions, the last one first. */
export async function endAll() {
  for (const end of endings.splice(0).reverse()) await end();
}

/**
 * Starts a program and waits until `ready` resolves to true. Its output goes to NAME.log in
 * `folder`. Resolves to a function that stops it. Rejects with the end of the log if the program
 * exits early or is not ready in time.
 */
export async function startService({ name, program, args, env = {}, folder, ready }) {
  const log = join(folder, `${name}.log`);
  const output = openSync(log, 'a');
  const child = spawn(program, args, { env, cwd: folder, stdio: ['ignore', output, output] });
  // A program that cannot run has no process id: see hasEnded.
  child.on('error', () => {});
  running.add(child);
  atEnd(() => stop(child));
  try {
    await until(ready, limits.start, () => hasEnded(child));
  } catch {
    await stop(child);
    throw new Error(`${name} did not start: ${readFileSync(log, 'utf8').trim().slice(-1500)}`);
  }
  return () => stop(child);
}

/**
 * Polls until `isTrue` resolves to true; a rejection counts as false. Rejects after `limit`
 * milliseconds, or when `isHopeless` returns true.
 */
export async function until(isTrue, limit, isHopeless = () => false) {
  const deadline = Date.now() + limit;
  while (!(await isTrue().catch(() => false))) {
    if (isHopeless() || Date.now() > deadline) throw new Error('timed out');
    await pause(100);
  }
}

function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

async function stop(child) {
  running.delete(child);
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), limits.stop);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(timer);
}

/** Resolves to a port of 127.0.0.1 that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
