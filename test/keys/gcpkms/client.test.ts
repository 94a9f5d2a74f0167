import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { defaultLimits } from '../../../src/keys/gcpkms/call.ts';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { FOREIGN_HOST } from '../../kms-emulator/foreign-host.mjs';
import { makeCertificate } from '../../kms-emulator/google.ts';
import { HR, quick, versionOf } from '../../kms-emulator/harness.ts';

// A long-running process in a cluster, like the webhook: its tokens come from a server of its node,
// which may start later than the process, or hang for a while.

/** gRPC reads this variable when it is loaded. */
const folder = await vi.hoisted(async () => {
  const { mkdtempSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const made = mkdtempSync(`${tmpdir()}/kseal-metadata-`);
  process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH = `${made}/tls.crt`;
  return made;
});
const certificate = makeCertificate(folder);
const one = versionOf(HR, 1);

/** How the token server fails. */
const faults = {
  hangs: () => {},
  'is not up yet': (response: ServerResponse) => void response.destroy(),
  'has no token yet': (response: ServerResponse) => void response.writeHead(503).end(),
  'sends garbage': (response: ServerResponse) => void response.end('CANARY-words'),
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
  // With it gcp-metadata assumes a Google machine, and sets no timeout.
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
  'a token server that %s: an error at the deadline, then success',
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
    const { call } = defaultLimits;
    onTestFinished(() => void Object.assign(defaultLimits, { call }));
    const limitTokenRequests = (milliseconds: number) =>
      Object.assign(defaultLimits, { call: milliseconds });
    limitTokenRequests(500);
    fault = found;
    // The second call also waits for a request that outlives the first: none is left after it.
    for (const limits of [{ call: 200, total: 500, pause: 1 }, quick]) {
      const failed = await read(limits).catch((thrown) => thrown);
      expect(failed).toMatchObject({ code: expect.stringMatching(/^KEY_/) });
      expect(failed.message).not.toContain('CANARY');
    }
    expect(emulator.calls).toEqual([]);
    fault = undefined;
    limitTokenRequests(quick.call);
    const keys = await read();
    expect(keys).toHaveLength(1);
    expect(emulator.calls).toMatchObject([{ authorization: 'Bearer CANARY-token' }]);
  },
);
