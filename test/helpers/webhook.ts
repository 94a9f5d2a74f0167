import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import { type ServeOptions, serve } from '../../src/webhook/serve.ts';
import { makeCertificate } from './certificate.ts';

export interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

/** What is sent besides a body: all of it may be wrong. */
export interface Sending {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Webhook {
  readonly port: number;
  readonly post: (body: string | Buffer, sending?: Sending) => Promise<Answer>;
  readonly metrics: () => Promise<string>;
  /** All that it has logged so far. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

type Load = (reference: string) => Promise<readonly OpeningKey[]>;

/** `kseal webhook serve` in this process, with the HTTPS server that it has, on ports of its own. */
export async function startWebhook(
  load: Load,
  options: Partial<ServeOptions> = {},
): Promise<Webhook> {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-webhook-'));
  const { cert, key } = await makeCertificate();
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key);
  const log = new WatchedLog();
  let signal = (_: string) => {};
  const ended = serve(
    {
      references: ['keys'],
      states: new Map(),
      tls: { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), clientCa: undefined },
      clientNames: undefined,
      host: '127.0.0.1',
      port: 0,
      metricsPort: 0,
      acceptUnbound: [],
      maxScope: 'namespace-wide',
      useMemo: true,
      logLevel: 'debug',
      drain: 0,
      ...options,
    },
    {
      loadKeys: load,
      logStream: log,
      onSignal: (listener) => {
        signal = listener;
        return () => {};
      },
      onUncaught: () => () => {},
    },
  );
  const never = ended.then(() => Promise.reject(new Error('it ended')));
  const serving = log.waitFor(/reviews on port (\d+), probes and metrics on (\d+)/);
  const [, port, metricsPort] = (await Promise.race([serving, never])).map(Number);
  never.catch(() => {});
  const agent = new Agent({ ca: cert, servername: 'localhost', keepAlive: true });
  return {
    port: port ?? 0,
    post: (body, sending) => post(agent, port ?? 0, body, sending),
    metrics: () => page(`http://127.0.0.1:${metricsPort}/metrics`),
    log: () => log.text,
    stop: async () => {
      signal('SIGTERM');
      agent.destroy();
      await ended.finally(() => rmSync(folder, { recursive: true }));
    },
  };
}

/** Keeps what is written to it, and knows who waits for some of it. */
class WatchedLog extends Writable {
  text = '';
  #heard = () => {};

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk;
    this.#heard();
    done();
  }

  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      this.#heard = () => {
        const found = pattern.exec(this.text);
        if (found !== null) resolve(found);
      };
    });
  }
}

function post(
  agent: Agent,
  port: number,
  body: string | Buffer,
  { method = 'POST', path = '/mutate?timeout=10s', headers = json }: Sending = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'],
          text: `${Buffer.concat(chunks)}`,
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const json = { 'content-type': 'application/json' };

function page(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
