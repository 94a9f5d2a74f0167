import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { loadOpeningKeys } from '../../../src/keys/resolve.ts';
import { type ServeOptions, serve } from '../../../src/webhook/server/serve.ts';
import { defaultTimes, type Times } from '../../../src/webhook/server/settings.ts';
import { type Authority, makeAuthority, writeServingPair } from '../../helpers/certificates.ts';
import { Capture } from '../../helpers/io.ts';
import { eventually, freshFolder, valueIn } from '../common.ts';
import type { Target } from './https.ts';

/** A webhook server in this process. */
export interface Served extends Target {
  readonly metricsPort: number;
  readonly authority: Authority;
  readonly folder: string;
  /** The log so far. */
  log(): readonly LogLine[];
  /** The text of the log so far. */
  text(): string;
  signal(name: string): void;
  /** Passes on an uncaught error. */
  stray(error: unknown): void;
  /** Resolves to the error that ended it, or to undefined. */
  readonly ended: Promise<unknown>;
  /** The status and the text of a page of the probe server. */
  page(path: string): Promise<readonly [number, string]>;
  /** The value of a metric, named with its labels; 0 if it is missing. */
  metric(name: string): Promise<number>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface Serving extends Partial<Omit<ServeOptions, 'tls'>> {
  readonly times?: Partial<Times>;
  /** Registers a function that ends the server; by default the test ends it. */
  readonly atEnd?: (end: () => Promise<void>) => void;
  readonly clientCa?: boolean;
  readonly kmsEndpoint?: string;
  readonly loadKeys?: (
    reference: string,
    note: (text: string) => void,
  ) => Promise<readonly OpeningKey[]>;
  /** A signal during the start. */
  readonly signalAtStart?: string;
  /** A folder with TLS files, and the authority that issued them. */
  readonly folder?: string;
  readonly authority?: Authority;
}

const ownAuthority = makeAuthority();

/** Starts a server and waits until it listens; it ends with the test. */
export async function startServed(serving: Serving): Promise<Served> {
  const { times, clientCa = false, kmsEndpoint, loadKeys, signalAtStart, ...others } = serving;
  const { authority = await ownAuthority, folder = freshFolder(), ...more } = others;
  if (serving.folder === undefined) await writeServingPair(authority, folder);
  const stream = new Capture();
  const signals = new Set<(name: string) => void>();
  const strays = new Set<(error: unknown) => void>();
  const env = { KSEAL_KMS_ENDPOINT: kmsEndpoint };
  const options: ServeOptions = {
    references: [],
    states: new Map(),
    tls: {
      cert: join(folder, 'tls.crt'),
      key: join(folder, 'tls.key'),
      clientCa: clientCa ? join(folder, 'ca.crt') : undefined,
    },
    clientNames: clientCa ? ['kube-apiserver'] : undefined,
    host: '127.0.0.1',
    port: 0,
    metricsPort: 0,
    acceptUnbound: [],
    maxScope: 'namespace-wide',
    useCache: true,
    kmsTimeout: undefined,
    logLevel: 'debug',
    drain: 0,
    ...more,
  };
  const context = {
    cwd: folder,
    config: undefined,
    verifySignature: false,
    kmsEndpoint: undefined,
    passphrases: async function* () {},
  };
  const ended = serve(
    options,
    {
      logStream: stream,
      loadKeys:
        loadKeys ?? ((reference, note) => loadOpeningKeys(reference, { ...context, env, note })),
      onSignal: listenersIn(signals),
      onUncaught: listenersIn(strays),
    },
    { ...defaultTimes, ...times },
  ).catch((thrown: unknown) => thrown);
  const signal = (name: string) => {
    for (const listener of signals) listener(name);
  };
  if (signalAtStart !== undefined) signal(signalAtStart);
  const { atEnd = onTestFinished } = serving;
  atEnd(async () => {
    signal('SIGTERM');
    signal('SIGTERM');
    await ended;
  });
  const log = () =>
    stream.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as LogLine);
  const [port, metricsPort] = await portsIn(log, ended);
  const page = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
    return [answer.status, await answer.text()] as const;
  };
  return {
    port,
    ca: authority.cert,
    metricsPort,
    authority,
    folder,
    log,
    text: () => stream.text,
    signal,
    stray: (error) => {
      for (const listener of strays) listener(error);
    },
    ended,
    page,
    metric: async (name) => valueIn((await page('/metrics'))[1], name),
  };
}

function listenersIn<T>(listeners: Set<(event: T) => void>) {
  return (listener: (event: T) => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
}

/** The ports in the log. Throws the error that prevents the start. */
async function portsIn(log: () => readonly LogLine[], ended: Promise<unknown>) {
  const listening = eventually(() => {
    const messages = log().map(({ msg }) => /port (\d+), .* on (\d+)$/.exec(msg));
    const [, port, metricsPort] = messages.find((found) => found !== null) ?? [];
    if (port === undefined) throw new Error('not listening');
    return [Number(port), Number(metricsPort)] as const;
  });
  listening.catch(() => {});
  const failed = ended.then((thrown) => Promise.reject(thrown ?? new Error('ended')));
  return Promise.race([listening, failed]);
}
