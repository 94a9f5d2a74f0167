import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { type Authority, makeAuthority } from './certificates.ts';

/** The status and the JSON of an answer; undefined: the request is never answered. */
export type Reply =
  | {
      readonly status: number;
      readonly body: unknown;
      /** Values of the header `warning`. */
      readonly warnings?: readonly string[];
    }
  | undefined;

export interface Request {
  readonly method: string;
  readonly type: string | undefined;
  /** Empty for a GET. */
  readonly body: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** The common name in the certificate of the client. */
  readonly client: string | undefined;
}

export const authority = await makeAuthority('CN=cluster CA');
export const otherAuthority = await makeAuthority('CN=another CA');
const serving = await authority.issue({ hosts: ['127.0.0.1'], use: 'server' });

/** Starts an API server for one test. Resolves to its address. */
export async function startServer(reply: (request: Request) => Reply): Promise<string> {
  const options = { ...serving, ca: authority.cert, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, async (request, response) => {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '', 'https://server');
    const { authorization, 'content-type': type } = request.headers;
    const { method = '' } = request;
    const certificate = (request.socket as TLSSocket).getPeerCertificate();
    const answer = reply({
      ...{ method, type, body: await text(request) },
      path,
      query,
      authorization,
      client: [certificate.subject?.CN].flat()[0],
    });
    if (answer === undefined) return;
    const { status, body, warnings: warning = [] } = answer;
    response.setHeader('warning', warning);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Kubeconfig {
  readonly server: string;
  readonly ca?: Authority;
  readonly user?: object;
  readonly namespace?: string;
}

/** The text of a kubeconfig with the contexts `test` and `other`. */
export function kubeconfigText({ server, ca = authority, user = {}, namespace }: Kubeconfig) {
  const cluster = { server, 'certificate-authority-data': btoa(ca.cert) };
  const context = { cluster: 'test', user: 'me', namespace };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'me', user }],
    contexts: [
      { name: 'test', context },
      { name: 'broken', context: { cluster: 'missing', user: 'me' } },
    ],
    'current-context': 'test',
  });
}

/** Writes a kubeconfig to a file of a folder. Returns its name. */
export function writeKubeconfig(folder: string, config: Kubeconfig, name = 'kubeconfig'): string {
  writeFileSync(join(folder, name), kubeconfigText(config));
  return name;
}
