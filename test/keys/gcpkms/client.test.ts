import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { FOREIGN_HOST } from '../../kms-emulator/foreign-host.mjs';
import { makeCertificate } from '../../kms-emulator/google.ts';
import { HR, quick, versionOf } from '../../kms-emulator/harness.ts';

// A process that runs for long in a cluster, as the webhook does: its tokens come from a server
// of its node, which may be there later than the process, or hang for a while.

/** gRPC reads from where its roots come as soon as it is loaded. */
const folder = await vi.hoisted(async () => {
  const { mkdtempSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const made = mkdtempSync(`${tmpdir()}/kseal-metadata-`);
  process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH = `${made}/tls.crt`;
  return made;
});
const certificate = makeCertificate(folder);
const one = versionOf(HR, 1);

/** What becomes of a question to the server that gives tokens. */
const faults = {
  hangs: () => {},
  'is not there yet': (response: ServerResponse) => void response.destroy(),
  'has no token yet': (response: ServerResponse) => void response.writeHead(503).end(),
  'gives no answer that is one': (response: ServerResponse) => void response.end('CANARY-words'),
};
let fault: ((response: ServerResponse) => void) | undefined;
let metadata: Server;

beforeAll(async () => {
  metadata = createServer(({ url = '' }, response) => {
    response.setHeader('metadata-flavor', 'Google').setHeader('content-type', 'application/json');
    if (fault !== undefined) fault(response);
    else
      response.end(
        url.includes('/token') ? '{"access_token":"CANARY-token","expires_in":3600}' : '{}',
      );
  }).listen(0, '127.0.0.1');
  await once(metadata, 'listening');
  vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${(metadata.address() as AddressInfo).port}`);
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '10.0.0.1');
  // By this gcp-metadata knows a machine of Google's, and waits for it without an end.
  vi.stubEnv('K_SERVICE', 'kseal');
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  vi.stubEnv('HOME', folder);
});
afterAll(() => {
  metadata.close();
  metadata.closeAllConnections();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

test.each(Object.entries(faults))(
  'W31: a token server that %s: an error in time, and the next reading finds it',
  async (_, found) => {
    const emulator = await startKmsEmulator({
      keys: { [HR]: [{ id: 1 }] },
      host: FOREIGN_HOST,
      tls: certificate,
    });
    onTestFinished(() => emulator.stop());
    const options = {
      env: {},
      kmsEndpoint: emulator.endpoint,
      verifySignature: false,
      note: () => {},
    };
    const read = (limits = quick) => fetchOpeningKeys(`gcpkms://${one}`, options, limits);
    fault = found;
    const failed = await read({ call: 200, total: 500, pause: 1 }).catch((thrown) => thrown);
    expect(failed).toMatchObject({ code: expect.stringMatching(/^KEY_/) });
    expect(failed.message).not.toContain('CANARY');
    expect(emulator.calls).toEqual([]);
    fault = undefined;
    // A question that still waits for the token that hangs ends with it, after 4 s.
    const keys = await read().catch(() => read());
    expect(keys).toHaveLength(1);
    expect(emulator.calls).toMatchObject([{ authorization: 'Bearer CANARY-token' }]);
  },
);
