import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { getAsset } from 'node:sea';
import { Worker } from 'node:worker_threads';
import { KsealError } from '../errors.ts';
import { type Encrypt, encryptAll, type PublicKey, type Unsealed } from './encrypt.ts';
import type { Batch } from './encrypt-worker.ts';

/** The most values in one message to a thread, and the most messages on their way to it. */
const BATCH = 64;
const AHEAD = 2;

export interface EncryptPool {
  readonly encrypt: Encrypt;
  /** Ends all threads; what they have not sealed yet is never sealed. */
  readonly end: () => void;
}

interface Task {
  readonly value: Unsealed;
  readonly key: PublicKey;
  readonly done: (jwe: string) => void;
  readonly fail: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** The batches on their way, the oldest first. */
  readonly sent: (readonly Task[])[];
}

/**
 * Returns a pool that seals in worker threads. It starts one whenever all others are busy, up to the
 * number of cores. If the system refuses to start one, for example because of a limit on processes,
 * it does with fewer, or seals in this thread. If one fails, every value that is not sealed yet fails
 * with IO.
 */
export function newEncryptPool(): EncryptPool {
  let most = availableParallelism();
  const threads: Thread[] = [];
  const queue: Task[] = [];
  let failure: KsealError | undefined;
  let hasEnded = false;

  const end = () => {
    hasEnded = true;
    for (const { worker } of threads) worker.terminate();
  };
  const fail = (cause?: unknown) => {
    if (hasEnded) return;
    end();
    const error = new KsealError('IO', 'a thread that seals values has failed', {
      hint: 'run the command again',
      cause,
    });
    failure = error;
    const unfinished = [...threads.flatMap(({ sent }) => sent.flat()), ...queue];
    for (const task of unfinished) task.fail(error);
  };
  const start = (): Thread | undefined => {
    const worker = newWorker();
    if (worker === undefined) {
      most = threads.length;
      return undefined;
    }
    const thread: Thread = { worker, sent: [] };
    threads.push(thread);
    thread.worker.on('message', (jwes: readonly string[]) => {
      const tasks = thread.sent.shift() ?? [];
      if (jwes.length !== tasks.length) return fail();
      for (const [at, jwe] of jwes.entries()) tasks[at]?.done(jwe);
      send();
    });
    for (const event of ['error', 'messageerror', 'exit']) thread.worker.on(event, fail);
    return thread;
  };
  const sealHere = () => {
    for (const { value, key, done, fail } of queue.splice(0))
      encryptAll([value], key).then(([jwe = '']) => done(jwe), fail);
  };
  const send = () => {
    while (queue.length > 0 && !hasEnded) {
      const [idlest] = threads.toSorted((a, b) => a.sent.length - b.sent.length);
      const isFree = idlest !== undefined && idlest.sent.length < AHEAD;
      if (!isFree && threads.length === most) return most === 0 ? sealHere() : undefined;
      const thread = isFree ? idlest : start();
      if (thread === undefined) continue;
      const { key } = queue[0] as Task;
      const other = queue.findIndex((task, at) => at === BATCH || task.key !== key);
      const tasks = queue.splice(0, other < 0 ? queue.length : other);
      thread.sent.push(tasks);
      post(thread.worker, tasks, key);
    }
  };
  const encrypt: Encrypt = (values, key) =>
    Promise.all(
      values.map(
        (value) =>
          new Promise<string>((done, reject) => {
            if (failure !== undefined) return reject(failure);
            // Few values wait for those of the next files, because a message costs as much as one.
            if (queue.length === 0) setImmediate(send);
            if (queue.push({ value, key, done, fail: reject }) === BATCH) send();
          }),
      ),
    );
  return { encrypt, end };
}

function post(worker: Worker, tasks: readonly Task[], { kid, key }: PublicKey): void {
  const values = tasks.map(({ value }) => value);
  const plaintexts = new Uint8Array(values.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of values) {
    plaintexts.set(bytes, at);
    at += bytes.length;
  }
  const batch: Batch = {
    kid,
    key,
    bindings: values.map(({ binding }) => binding),
    plaintexts,
    lengths: values.map(({ bytes }) => bytes.length),
  };
  // A transferred buffer is not copied: the plaintexts are in one thread only.
  worker.postMessage(batch, [plaintexts.buffer]);
}

/** The folder of the built files; undefined in a single executable, which has them as assets. */
declare const KSEAL_DIST: string | undefined;

/** Undefined if the system refuses to start a thread. */
function newWorker(): Worker | undefined {
  const name = 'encrypt-worker.cjs';
  const isFile = typeof KSEAL_DIST === 'string';
  const program = isFile ? join(KSEAL_DIST, name) : getAsset(name, 'utf8');
  // It needs nothing of the options and the environment of this process.
  try {
    return new Worker(program, { eval: !isFile, execArgv: [], env: {} });
  } catch {
    return undefined;
  }
}
