// Programs that run in the background for as long as the checks do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a service may take to be ready, and how long to end; milliseconds. */
const patience = { start: 90_000, stop: 15_000 };

const running = new Set();
const endings = [];

// However this process ends, they end.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Has something done by `endAll`. */
export function atEnd(end) {
  endings.push(end);
}

/** Ends all that was started, the last first. */
export async function endAll() {
  for (const end of endings.splice(0).reverse()) await end();
}

/**
 * Starts a program and waits until `ready` resolves to true. What it says goes to NAME.log in
 * `folder`. Resolves to a function that ends it. Rejects with the end of that log if the program
 * ends first, or is not ready in time.
 */
export async function startService({ name, program, args, env = {}, folder, ready }) {
  const log = join(folder, `${name}.log`);
  const output = openSync(log, 'a');
  const child = spawn(program, args, { env, cwd: folder, stdio: ['ignore', output, output] });
  // What cannot be run has no process id, which is seen below.
  child.on('error', () => {});
  running.add(child);
  atEnd(() => stop(child));
  try {
    await until(ready, patience.start, () => hasEnded(child));
  } catch {
    await stop(child);
    throw new Error(`${name} did not start: ${readFileSync(log, 'utf8').trim().slice(-1500)}`);
  }
  return () => stop(child);
}

/**
 * Asks again and again until `isTrue` resolves to true; a rejection counts as false. Rejects after
 * `limit` milliseconds, or when `isHopeless` returns true.
 */
export async function until(isTrue, limit, isHopeless = () => false) {
  const deadline = Date.now() + limit;
  while (!(await isTrue().catch(() => false))) {
    if (isHopeless() || Date.now() > deadline) throw new Error('it did not happen in time');
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
  const impatience = setTimeout(() => child.kill('SIGKILL'), patience.stop);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(impatience);
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
