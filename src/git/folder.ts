import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder, and what must be stopped before it can be removed. */
export interface Folder {
  readonly path: string;
  readonly atEnd: Set<() => void>;
}

/** The folders in use: a process that ends in the midst of it must leave none behind. */
const inUse = new Set<Folder>();

/** These end a process without its `exit` event. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `use` with a fresh folder that only this user can enter. The folder is gone afterwards:
 * when `use` fails, when the process exits, and when a signal ends it.
 */
export async function withFolder<T>(use: (folder: Folder) => Promise<T>): Promise<T> {
  const folder = { path: mkdtempSync(join(tmpdir(), 'kseal-git-')), atEnd: new Set<() => void>() };
  if (inUse.size === 0) watch();
  inUse.add(folder);
  try {
    return await use(folder);
  } finally {
    inUse.delete(folder);
    if (inUse.size === 0) unwatch();
    remove(folder);
  }
}

function remove({ path, atEnd }: Folder): void {
  for (const stop of atEnd) stop();
  try {
    // A process that was stopped a moment ago may still have made a file.
    rmSync(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  } catch {
    // What is left holds nothing confidential, and must not hide why the work failed.
  }
}

function removeAll(): void {
  for (const folder of inUse) remove(folder);
  inUse.clear();
}

function watch(): void {
  process.on('exit', removeAll);
  for (const signal of signals) process.on(signal, endBy);
}

function unwatch(): void {
  process.off('exit', removeAll);
  for (const signal of signals) process.off(signal, endBy);
}

/** Cleans up, and lets the signal do what it would have done without us. */
function endBy(signal: NodeJS.Signals): void {
  removeAll();
  unwatch();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
