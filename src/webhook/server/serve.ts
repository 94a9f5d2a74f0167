import type { Server } from 'node:net';
import type { Writable } from 'node:stream';
import { within } from '../../deadline.ts';
import { KsealError } from '../../errors.ts';
import type { KeyState } from '../../jwe/decrypt.ts';
import { createReviewer, type ReviewerOptions } from './handler.ts';
import { type Mutate, mutateServer, refusedClients } from './https.ts';
import { type Keyring, keepReading, keyringOf, type LoadKeys } from './keyring.ts';
import { createLog, describeBug, type Log } from './log.ts';
import { createMetrics, type Metrics, probeServer } from './metrics.ts';
import { defaultTimes, type LogLevel, type Times } from './settings.ts';
import { checkTls, readTlsFiles, type TlsFiles, type TlsMaterial, watchTls } from './tls.ts';

export interface ServeOptions extends ReviewerOptions {
  readonly references: readonly string[];
  readonly states: ReadonlyMap<string, KeyState>;
  readonly tls: TlsFiles;
  /** The accepted common names of client certificates; undefined: any client may call. */
  readonly clientNames: readonly string[] | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly metricsPort: number;
  readonly logLevel: LogLevel;
  /** How long to go on serving after the first signal, until endpoints are updated; milliseconds. */
  readonly drain: number;
}

/** Calls `listener` for each event; returns a function that ends this. */
type Listen<T> = (listener: (event: T) => void) => () => void;

interface ServeWorld {
  readonly loadKeys: (reference: string, note: (text: string) => void) => ReturnType<LoadKeys>;
  readonly logStream: Writable;
  readonly onSignal: Listen<string>;
  readonly onUncaught: Listen<unknown>;
}

/** The state that the parts of a running server share. */
interface Running {
  readonly options: ServeOptions;
  readonly state: { tls: TlsMaterial; isDraining: boolean };
  readonly log: Log;
  readonly metrics: Metrics;
  readonly keyring: Keyring;
  readonly times: Times;
}

/**
 * Serves the admission webhook until a signal. Then it reports that it is not ready, goes on
 * serving for a while, answers pending requests, and returns. Throws the error that prevents a
 * start, and INTERRUPTED on a second signal.
 */
export async function serve(
  options: ServeOptions,
  world: ServeWorld,
  times: Times = defaultTimes,
): Promise<void> {
  const tls = checkTls(readTlsFiles(options.tls));
  const log = createLog(world.logStream, options.logLevel);
  const note = once((text: string) => log.write('info', text));
  const load = (reference: string) => world.loadKeys(reference, note);
  const running: Running = {
    options,
    log,
    state: { tls, isDraining: false },
    metrics: createMetrics(),
    keyring: keyringOf(options.references, load, options.states),
    times,
  };
  const signals = twoSignals(world.onSignal);
  const ignoreUncaught = world.onUncaught((error) => {
    running.metrics.uncaught.inc();
    log.write('error', describeBug(error));
  });
  const reading = keepReading(running);
  try {
    // A signal before the server listens ends it at once.
    const signal = await Promise.race([reading.begun, signals.first]);
    if (signal === undefined) await serveUntil(running, signals);
  } finally {
    reading.stop();
    ignoreUncaught();
    signals.stop();
  }
}

/** Drops repeated texts: the keys are read every minute, with the same notes. */
function once(say: (text: string) => void): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say(text);
    said.add(text);
  };
}

async function serveUntil(running: Running, signals: Signals): Promise<void> {
  const { options, state, log, metrics, times } = running;
  const mutate = await mutateServer({
    clientNames: options.clientNames,
    onRefusedClient: refusedClients(running),
    tls: state.tls,
    answer: createReviewer(options, running),
    isDraining: () => state.isDraining,
    times,
  });
  const probes = await probeServer(metrics, () => notReady(running));
  const watch = { files: options.tls, log, metrics, interval: times.tlsLook };
  const stopWatching = watchTls(watch, state.tls, (tls) => {
    mutate.use(tls);
    state.tls = tls;
  });
  try {
    const { host } = options;
    const onError = (code: string) => log.write('error', 'cannot accept a connection', { code });
    const port = await listen(mutate.server, { host, port: options.port, onError }, '--port');
    const probing = { host, port: options.metricsPort, onError };
    announce(running, port, await listen(probes.server, probing, '--metrics-port'));
    const signal = await signals.first;
    state.isDraining = true;
    log.write('info', 'draining', { signal });
    const draining = { serving: options.drain, lastAnswers: times.lastAnswers };
    await drain(mutate, signals, draining);
    log.write('info', 'stopped');
  } finally {
    stopWatching();
    for (const { server } of [mutate, probes]) {
      server.close();
      server.closeAllConnections();
    }
  }
}

/** Ready once every key has been read: a wrong key stops a rollout, but a later KMS failure does not. */
function notReady({ state, keyring }: Running): string | undefined {
  if (state.isDraining) return 'draining';
  if (!keyring.hasBeenRead()) return 'not all keys have been read yet';
  return state.tls.notAfter <= Date.now() ? 'the serving certificate has expired' : undefined;
}

function announce({ options, keyring, log, metrics }: Running, port: number, metricsPort: number) {
  metrics.clientAuthentication.set(options.clientNames === undefined ? 0 : 1);
  if (options.clientNames === undefined) {
    log.write(
      'warn',
      'client authentication is off: anyone who reaches this port can have values opened',
    );
  }
  const kids = keyring.keys().map(({ kid }) => kid);
  log.write('info', `serving reviews on port ${port}, probes and metrics on ${metricsPort}`, {
    kids,
  });
}

interface Signals {
  readonly first: Promise<string>;
  readonly second: Promise<string>;
  readonly stop: () => void;
}

function twoSignals(onSignal: Listen<string>): Signals {
  const waiting: ((signal: string) => void)[] = [];
  const nextSignal = () => new Promise<string>((resolve) => waiting.push(resolve));
  const [first, second] = [nextSignal(), nextSignal()];
  const stop = onSignal((signal) => waiting.shift()?.(signal));
  return { first, second, stop };
}

/** How long the server goes on serving, and then waits for pending answers; milliseconds. */
interface Draining {
  readonly serving: number;
  readonly lastAnswers: number;
}

/** How long a client has for the rest of a request that it has begun; milliseconds. */
const LINGER = 200;

/**
 * Goes on serving while endpoints are updated, then ends each connection once it is answered.
 * Throws INTERRUPTED on a second signal.
 */
export async function drain(
  { server, idle }: Pick<Mutate, 'server' | 'idle'>,
  { second }: Pick<Signals, 'second'>,
  { serving, lastAnswers }: Draining,
): Promise<void> {
  const interrupted = second.then(() => {
    throw new KsealError('INTERRUPTED', 'interrupted by a second signal');
  });
  await within(serving, interrupted);
  const closed = new Promise((resolve) => server.close(resolve));
  // Node also waits for connections that never carried a request, and clients may keep those open.
  const quiet = idle()
    .then(() => within(LINGER, closed))
    .then(idle);
  await within(lastAnswers, Promise.race([closed, quiet, interrupted]));
}

/** By error code of the system: what is wrong, with the host or with the port. */
const reasons: Readonly<Record<string, readonly ['host' | 'port', string]>> = {
  EADDRINUSE: ['port', 'address already in use'],
  EACCES: ['port', 'permission denied'],
  EADDRNOTAVAIL: ['host', 'not an address of this machine'],
  ENOTFOUND: ['host', 'no such host'],
};

interface Listening {
  /** 0 for any free port. */
  readonly port: number;
  /** Undefined for all addresses of this machine. */
  readonly host: string | undefined;
  /** Called with the error code if a connection cannot be accepted later. */
  readonly onError: (code: string) => void;
}

/** Listens on a port, which it returns. Throws USAGE with the flag that named the port. */
export function listen(
  server: Server,
  { port, host, onError }: Listening,
  flag: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = ({ code = '' }: NodeJS.ErrnoException) => {
      const where = host === undefined ? `port ${port}` : `${host} port ${port}`;
      const [what, reason] = reasons[code] ?? ['port', code || 'unknown error'];
      const hint = `choose another ${what} with ${what === 'host' ? '--host' : flag}`;
      reject(new KsealError('USAGE', `cannot listen on ${where}: ${reason}`, { hint }));
    };
    server.once('error', refuse);
    server.listen({ port, host }, () => {
      server.off('error', refuse);
      server.on('error', ({ code = '' }: NodeJS.ErrnoException) => onError(code));
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
