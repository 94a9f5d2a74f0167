import { onTestFinished } from 'vitest';
import { makeAuthority, writeServingPair } from './certificates.ts';
import { type Ended, type Spawned, type Surroundings, startBin } from './spawn.ts';

/** A process of `kseal webhook serve` that listens. */
export interface WebhookProcess {
  readonly port: number;
  readonly metricsPort: number;
  readonly ca: string;
  readonly child: Spawned['child'];
  readonly ended: Promise<Ended>;
  /** The status and the text of a page of its probe server. */
  page(path: string): Promise<readonly [number, string]>;
}

/** The flags for TLS files in the working directory and for free ports. */
const serveFlags = [
  ...['webhook', 'serve', '--tls-cert', 'tls.crt', '--tls-key', 'tls.key'],
  ...['--allow-any-client', '--host', '127.0.0.1', '--port', '0', '--metrics-port', '0'],
];

/**
 * Writes TLS files into the working directory, calls `prepare`, starts a server, and waits until it
 * listens. The server is killed after the test. Throws its output if it ends at once.
 */
export async function startWebhookProcess(
  args: readonly string[],
  { prepare = () => {}, ...surroundings }: Surroundings & { readonly prepare?: () => void },
): Promise<WebhookProcess> {
  const authority = await makeAuthority();
  await writeServingPair(authority, surroundings.cwd);
  prepare();
  const { child, ended } = startBin([...serveFlags, ...args], { stdin: '', ...surroundings });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [port, metricsPort] = await portsOf({ child, ended });
  const page = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
    return [answer.status, await answer.text()] as const;
  };
  return { port, metricsPort, ca: authority.cert, child, ended, page };
}

function portsOf({ child, ended }: Spawned): Promise<readonly [number, number]> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk) => {
      text += chunk;
      const [, port, metricsPort] = /reviews on port (\d+), .*? on (\d+)/.exec(text) ?? [];
      if (port !== undefined) resolve([Number(port), Number(metricsPort)]);
    });
    void ended.then(({ stderr }) => reject(new Error(`ended: ${stderr}`)));
  });
}
