import type { Writable } from 'node:stream';
import type { Scope } from '../jwe/binding.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { createMemo, type Memo } from '../memo.ts';
import { answerPosted } from './answer.ts';
import { askedFor } from './asked-keys.ts';
import { fairShare } from './fair-share.ts';
import { type Keyring, keyringOf, type LoadKeys } from './keyring.ts';
import { listen } from './listen.ts';
import { createLog, type Log } from './log.ts';
import type { LogLevel } from './log-level.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { mutateServer, tlsOptions } from './mutate.ts';
import { probeServer } from './probes.ts';
import { keepReading } from './refresh.ts';
import type { ReviewContext } from './review.ts';
import { drain, type OnSignal, type Signals, twoSignals } from './signals.ts';
import { checkTls, readTlsFiles, type TlsFiles, type TlsMaterial } from './tls.ts';
import { watchTls } from './tls-watch.ts';

export interface ServeOptions {
  readonly references: readonly string[];
  readonly states: ReadonlyMap<string, KeyState>;
  readonly tls: TlsFiles;
  /** The common names of client certificates that may call; without them anybody may. */
  readonly clientNames: readonly string[] | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly metricsPort: number;
  readonly acceptUnbound: readonly string[];
  readonly maxScope: Scope;
  readonly useMemo: boolean;
  readonly logLevel: LogLevel;
  /** How long it goes on serving after the first signal, while endpoints are updated; milliseconds. */
  readonly drain: number;
}

export interface ServeWorld {
  readonly loadKeys: (reference: string, note: (text: string) => void) => ReturnType<LoadKeys>;
  readonly logStream: Writable;
  readonly onSignal: OnSignal;
}

/** Questions to keys that are under way at once, of all namespaces together. */
const QUESTIONS = 64;

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
}

/**
 * Serves the admission webhook until a signal ends it: then it tells so by its readiness, goes on
 * for a while, answers what is under way, and returns. Throws what keeps it from starting, and
 * INTERRUPTED where a second signal came.
 */
export async function serve(options: ServeOptions, world: ServeWorld): Promise<void> {
  const tls = checkTls(readTlsFiles(options.tls), options.tls);
  const log = createLog(world.logStream, options.logLevel);
  const note = (text: string) => log.write('info', text);
  const running: Running = {
    options,
    log,
    state: { tls, isDraining: false },
    metrics: createMetrics(),
    keyring: keyringOf(
      options.references,
      (reference) => world.loadKeys(reference, note),
      options.states,
    ),
  };
  const signals = twoSignals(world.onSignal);
  const stopReading = await keepReading(running);
  try {
    await serveUntil(running, signals);
  } finally {
    stopReading();
    signals.stop();
  }
}

async function serveUntil(running: Running, signals: Signals): Promise<void> {
  const { options, state, log, metrics } = running;
  const mutate = await mutateServer({
    tls: state.tls,
    clientNames: options.clientNames,
    answer: answerWith(running),
    isDraining: () => state.isDraining,
    onRefusedClient: () => metrics.refusedClients.inc(),
  });
  const probes = await probeServer(metrics, () => notReady(running));
  const stopWatching = watchTls({ files: options.tls, log, metrics }, state.tls, (tls) => {
    mutate.server.setSecureContext(tlsOptions({ ...options, tls }));
    state.tls = tls;
  });
  try {
    const { host } = options;
    const port = await listen(mutate.server, { host, port: options.port }, '--port');
    const metricsPort = await listen(
      probes.server,
      { host, port: options.metricsPort },
      '--metrics-port',
    );
    announce(running, port, metricsPort);
    const signal = await signals.first;
    state.isDraining = true;
    log.write('info', 'draining', { signal });
    await drain(mutate.server, signals, options.drain);
    log.write('info', 'stopped');
  } finally {
    stopWatching();
    for (const { server } of [mutate, probes]) {
      server.close();
      server.closeAllConnections();
    }
  }
}

function answerWith({ options, keyring, metrics, log }: Running) {
  const share = fairShare(QUESTIONS);
  const memo = options.useMemo ? countingHits(createMemo(), metrics) : undefined;
  const contextFor = (namespace: string, deadline: number): ReviewContext => ({
    keyring: askedFor(namespace, keyring.keys(), { share, metrics }),
    isKeyringComplete: keyring.isComplete(),
    acceptsUnbound: (name) => options.acceptUnbound.includes(name),
    maxScope: options.maxScope,
    deadline,
    ...(memo === undefined ? {} : { memo }),
  });
  return async (posted: Parameters<typeof answerPosted>[0]) => {
    metrics.inFlight.inc();
    return answerPosted(posted, { contextFor, log, metrics }).finally(() => metrics.inFlight.dec());
  };
}

function countingHits(memo: Memo, { memoHits }: Metrics): Memo {
  return {
    ...memo,
    has(value) {
      const isKnown = memo.has(value);
      if (isKnown) memoHits.inc();
      return isKnown;
    },
  };
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
