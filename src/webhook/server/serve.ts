import type { Server } from 'node:net';
import type { Writable } from 'node:stream';
import { KsealError } from '../../errors.ts';
import type { KeyState } from '../../jwe/decrypt.ts';
import { createReviewer, type ReviewerOptions } from './handler.ts';
import { type Mutate, mutateServer, refusedClients } from './https.ts';
import { type Keyring, keepReading, keyringOf, type LoadKeys } from './keyring.ts';
import { createLog, describeBug, type Log } from './log.ts';
import { createMetrics, type Metrics, probeServer } from './metrics.ts';
import { defaultTimes, type LogLevel, type Times, within } from './settings.ts';
import { checkTls, readTlsFiles, type TlsFiles, type TlsMaterial, watchTls } from './tls.ts';

export interface ServeOptions extends ReviewerOptions {
  readonly references: readonly string[];
  readonly states: ReadonlyMap<string, KeyState>;
  readonly tls: TlsFiles;
  /** The common names of client certificates that may call; without them anybody may. */
  readonly clientNames: readonly string[] | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly metricsPort: number;
  readonly logLevel: LogLevel;
  /** How long it goes on serving after the first signal, while endpoints are updated; milliseconds. */
  readonly drain: number;
}

export interface ServeWorld {
  readonly loadKeys: (reference: string, note: (text: string) => void) => ReturnType<LoadKeys>;
  readonly logStream: Writable;
  readonly onSignal: OnSignal;
  /** Has `listener` hear of what nobody caught, in place of the end that it means. */
  readonly onUncaught: (listener: (error: unknown) => void) => () => void;
}

interface State {
  tls: TlsMaterial;
  isDraining: boolean;
}

/** What the parts of a running server share. */
interface Running {
  readonly options: ServeOptions;
  readonly state: State;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly keyring: Keyring;
  readonly times: Times;
}

/**
 * Serves the admission webhook until a signal ends it: then it tells so by its readiness, goes on
 * for a while, answers what is under way, and returns. Throws what keeps it from starting, and
 * INTERRUPTED where a second signal came.
 */
export async function serve(
  options: ServeOptions,
  world: ServeWorld,
  times: Times = defaultTimes,
): Promise<void> {
  const tls = checkTls(readTlsFiles(options.tls), options.tls);
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
  const stopHearing = world.onUncaught((error) => {
    running.metrics.uncaught.inc();
    log.write('error', describeBug(error));
  });
  const reading = keepReading(running);
  try {
    // While nothing is served yet, a signal ends the start at once.
    const signal = await Promise.race([reading.begun, signals.first]);
    if (signal === undefined) await serveUntil(running, signals);
  } finally {
    reading.stop();
    stopHearing();
    signals.stop();
  }
}

/** The same, but each text only the first time: keys are read again every minute. */
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
    const [port, metricsPort] = await listenOnBoth(running, mutate.server, probes.server);
    announce(running, port, metricsPort);
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

async function listenOnBoth({ options, log }: Running, mutate: Server, probes: Server) {
  const { host, port, metricsPort } = options;
  const onError = (code: string) => log.write('error', 'cannot accept a connection', { code });
  return [
    await listen(mutate, { host, port, onError }, '--port'),
    await listen(probes, { host, port: metricsPort, onError }, '--metrics-port'),
  ] as const;
}

/** Keys have to be read once, so that a rollout with a wrong one stops; a KMS may fail later. */
function notReady({ state, keyring }: Running): string | undefined {
  if (state.isDraining) return 'draining';
  if (!keyring.hasBeenRead()) return 'not all keys have been read yet';
  return state.tls.notAfter <= Date.now() ? 'the serving certificate has expired' : undefined;
}

function announce({ options, keyring, log, metrics }: Running, port: number, metricsPort: number) {
  metrics.clientAuthentication.set(options.clientNames === undefined ? 0 : 1);
  if (options.clientNames === undefined) {
    log.write('warn', 'any client may call: whoever reaches this port can have values opened');
  }
  const kids = keyring.keys().map(({ kid }) => kid);
  log.write('info', `serving reviews on port ${port}, probes and metrics on ${metricsPort}`, {
    kids,
  });
}

/** Tells of SIGTERM and SIGINT; returns what ends the telling. */
export type OnSignal = (listener: (signal: string) => void) => () => void;

/** The first signal to come, and the second one. */
export interface Signals {
  readonly first: Promise<string>;
  readonly second: Promise<string>;
  readonly stop: () => void;
}

export function twoSignals(onSignal: OnSignal): Signals {
  const waiting: ((signal: string) => void)[] = [];
  const nextSignal = () => new Promise<string>((resolve) => waiting.push(resolve));
  const [first, second] = [nextSignal(), nextSignal()];
  const stop = onSignal((signal) => waiting.shift()?.(signal));
  return { first, second, stop };
}

/** How long a draining takes, in milliseconds: it goes on serving, and then only answers. */
export interface Draining {
  readonly serving: number;
  readonly lastAnswers: number;
}

/** Whoever has sent half a request gets so long for the rest; milliseconds. */
const LINGER = 200;

/**
 * Goes on serving for a while, as endpoints are updated, then ends connections as their answers
 * are given. Throws INTERRUPTED where a second signal comes.
 */
export async function drain(
  { server, idle }: Pick<Mutate, 'server' | 'idle'>,
  { second }: Pick<Signals, 'second'>,
  { serving, lastAnswers }: Draining,
): Promise<void> {
  const interrupted = second.then(() => {
    throw new KsealError('INTERRUPTED', 'ended by a second signal');
  });
  await within(serving, interrupted);
  const closed = new Promise((resolve) => server.close(resolve));
  // Node waits for connections too on which nothing was ever asked, and a client may keep some.
  const quiet = idle()
    .then(() => within(LINGER, closed))
    .then(idle);
  await within(lastAnswers, Promise.race([closed, quiet, interrupted]));
}

/** What the system says, and whether it says it of the host or of the port. */
const reasons: Readonly<Record<string, readonly ['host' | 'port', string]>> = {
  EADDRINUSE: ['port', 'the port is in use'],
  EACCES: ['port', 'permission denied'],
  EADDRNOTAVAIL: ['host', 'this machine has no such address'],
  ENOTFOUND: ['host', 'there is no such host'],
};

/** Where a server listens: `host:port`; the port is the one that was found where 0 was given. */
export interface Listening {
  readonly port: number;
  readonly host: string | undefined;
  /** Hears of what goes wrong later: connections that cannot be accepted, for want of descriptors. */
  readonly onError: (code: string) => void;
}

/**
 * Listens on a port; without a host on all addresses of this machine. Throws USAGE, with the flag
 * that named the port.
 */
export function listen(
  server: Server,
  { port, host, onError }: Listening,
  flag: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = ({ code = '' }: NodeJS.ErrnoException) => {
      const where = host === undefined ? `port ${port}` : `${host}, port ${port}`;
      const unknown = ['port', `the system answered ${code || 'with an error'}`] as const;
      const [what, reason] = reasons[code] ?? unknown;
      const hint = `choose another one with ${what === 'host' ? '--host' : flag}`;
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
