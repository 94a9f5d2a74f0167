import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { GitWorld } from './git-repository.ts';

export interface GitServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Variables for git that make it trust the certificate. */
  readonly trust: { readonly GIT_SSL_CAINFO: string };
  /** `METHOD path`, with the query. */
  readonly requests: readonly string[];
}

/** Answers a request instead of git; returns whether it did. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Serves the repositories of a world over https with `git http-backend`. */
export async function startGitServer(
  world: GitWorld,
  fault: Fault = () => false,
): Promise<GitServer> {
  const { key, cert, path } = selfSigned(world);
  const requests: string[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (!fault(request, response)) backend(world, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, trust: { GIT_SSL_CAINFO: path }, requests };
}

function selfSigned({ folder }: GitWorld) {
  const [keyPath, path] = ['tls.key', 'tls.crt'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const subject = ['-subj', '/CN=kseal test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', keyPath, '-out', path], {
    stdio: 'pipe',
  });
  return { key: readFileSync(keyPath), cert: readFileSync(path), path };
}

/** CGI (RFC 3875), as far as git needs it. */
function backend(world: GitWorld, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'https://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      ...world.env,
      GIT_PROJECT_ROOT: join(world.folder, 'repositories'),
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: `${request.headers['git-protocol'] ?? ''}`,
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: `${request.headers['content-encoding'] ?? ''}`,
    },
  });
  // In some tests the client disconnects early.
  child.stdin.on('error', () => {});
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stdout.on('end', () => relay(Buffer.concat(chunks), response));
}

function relay(answer: Buffer, response: ServerResponse): void {
  const end = answer.indexOf('\r\n\r\n');
  const headers = answer.subarray(0, Math.max(end, 0)).toString('latin1').split('\r\n');
  for (const header of headers) {
    const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(header) ?? [];
    if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
    else if (name !== '') response.setHeader(name, value);
  }
  response.end(answer.subarray(end + 4));
}
