import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FOREIGN_HOST } from './foreign-host.mjs';

/** Creates a certificate for FOREIGN_HOST and its key: PEM texts, and files in `folder`. */
export function makeCertificate(folder: string) {
  const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const subject = ['-subj', '/CN=emulator', '-addext', `subjectAltName=DNS:${FOREIGN_HOST}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...files, ...subject], {
    stdio: 'ignore',
  });
  return { certFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

export interface TokenService {
  /** The path for GOOGLE_APPLICATION_CREDENTIALS: a workload identity that uses this service. */
  readonly credentials: string;
  /** The token to issue; if undefined, the service answers that the credentials are revoked. */
  token: string | undefined;
  stop(): void;
}

/** Starts a local replacement of Google's token service (RFC 8693). */
export async function startTokenService(folder: string): Promise<TokenService> {
  const server = createServer((_, response) => {
    const { token } = service;
    response.writeHead(token === undefined ? 400 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(token === undefined ? revoked : tokenAnswer(token)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const service: TokenService = {
    credentials: writeCredentials(folder, server),
    token: undefined,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return service;
}

const revoked = {
  error: 'invalid_grant',
  error_description: 'CANARY-words: the token of anna@example.com has been revoked',
};

function tokenAnswer(token: string) {
  return {
    access_token: token,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 3600,
  };
}

function writeCredentials(folder: string, server: Server): string {
  const { port } = server.address() as AddressInfo;
  const subject = join(folder, 'subject-token');
  const credentials = join(folder, 'credentials.json');
  writeFileSync(subject, 'CANARY-subject-token');
  writeFileSync(
    credentials,
    JSON.stringify({
      type: 'external_account',
      audience:
        '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${port}/token`,
      credential_source: { file: subject },
    }),
  );
  return credentials;
}
