import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { loadOpeningKeys } from '../../../src/keys/resolve.ts';
import { type ServeOptions, serve } from '../../../src/webhook/server/serve.ts';
import { defaultTimes, type Times } from '../../../src/webhook/server/settings.ts';
import { type Authority, makeAuthority } from '../../helpers/certificates.ts';
import { Capture } from '../../helpers/io.ts';
import type { Target } from './https.ts';

/** A server of this process, as `kseal webhook serve` would be one. */
export interface Served extends Target {
  readonly metricsPort: number;
  readonly authority: Authority;
  readonly folder: string;
  /** The lines of its log so far. */
  log(): readonly LogLine[];
  /** Everything that it has logged, as it stands there. */
  text(): string;
  signal(name: string): void;
  /** Something that nothing caught. */
  stray(error: unknown): void;
  /** How it ended: undefined, or what it threw. */
  readonly ended: Promise<unknown>;
  /** A page of the probe server: its status and its text. */
  page(path: string): Promise<readonly [number, string]>;
  /** The value of a metric, with its labels as they are written; 0 where there is none. */
  metric(name: string): Promise<number>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface Serving extends Partial<Omit<ServeOptions, 'tls'>> {
  readonly times?: Partial<Times>;
  /** Does what ends it; without this it ends when the test is over. */
  readonly atEnd?: (end: () => Promise<void>) => void;
  readonly clientCa?: boolean;
  readonly kmsEndpoint?: string;
  readonly loadKeys?: (
    reference: string,
    note: (text: string) => void,
  ) => Promise<readonly OpeningKey[]>;
  /** A signal that comes before anything else. */
  readonly signalAtStart?: string;
  /** A folder that has TLS files already, and who issued them. */
  readonly folder?: string;
  readonly authority?: Authority;
}

/** A folder that is gone when the test is over. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-webhook-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the pair of a serving certificate, and the authority of it, into `folder`. */
export async function writeServingPair(authority: Authority, folder: string): Promise<void> {
  const { cert, key } = await authority.issue({ hosts: ['127.0.0.1', 'localhost'], use: 'server' });
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key);
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
}

/** Starts a server and waits until it listens; it is ended when the test is over. */
export async function startServed(serving: Serving): Promise<Served> {
  const { times, clientCa = false, kmsEndpoint, loadKeys, signalAtStart, ...others } = serving;
  const { authority = await makeAuthority(), folder = freshFolder(), ...more } = others;
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
    logLevel: 'debug',
    drain: 0,
    ...more,
  };
  const context = {
    cwd: folder,
    config: undefined,
    verifySignature: false,
    kmsEndpoint: undefined,
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

/** The ports are those that the log tells; what kept the server from starting is thrown. */
async function portsIn(log: () => readonly LogLine[], ended: Promise<unknown>) {
  const listening = vi.waitFor(
    () => {
      const said = log().map(({ msg }) => /port (\d+), .* on (\d+)$/.exec(msg));
      const [, port, metricsPort] = said.find((found) => found !== null) ?? [];
      if (port === undefined) throw new Error('it does not listen');
      return [Number(port), Number(metricsPort)] as const;
    },
    { timeout: 10_000, interval: 5 },
  );
  listening.catch(() => {});
  const failed = ended.then((thrown) => Promise.reject(thrown ?? new Error('it ended')));
  return Promise.race([listening, failed]);
}

/** The value of a metric on a page in Prometheus' text format; 0 where there is none. */
export function valueIn(page: string, name: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}
