import { describe, expect, test } from 'vitest';
import { kmsEndpoint } from '../../../src/keys/gcpkms/client.ts';

function endpointOf({ flag, variable }: { flag?: string; variable?: string }) {
  const notes: string[] = [];
  const endpoint = kmsEndpoint({
    env: { KSEAL_KMS_ENDPOINT: variable },
    kmsEndpoint: flag,
    verifySignature: false,
    note: (text) => notes.push(text),
  });
  return { ...endpoint, notes };
}

const google = { host: 'cloudkms.googleapis.com', port: 443, loopback: false };

test.each([
  {},
  { variable: '' },
  { flag: 'cloudkms.googleapis.com' },
  { flag: 'CloudKMS.googleapis.com:443' },
])("Google's own endpoint, without a note: %j", (given) => {
  expect(endpointOf(given)).toEqual({ ...google, notes: [] });
});

test.each([
  ['localhost:9010', 'localhost', 9010],
  ['LOCALHOST:9010', 'localhost', 9010],
  ['127.0.0.1:1', '127.0.0.1', 1],
  ['127.255.255.254', '127.255.255.254', 443],
  ['[::1]:9010', '[::1]', 9010],
])(
  '%s is this machine: plain text, from the flag and from the environment',
  (given, host, port) => {
    const notes = [`using Cloud KMS at ${host}:${port}, in plain text and without credentials`];
    for (const way of [{ flag: given }, { variable: given }]) {
      expect(endpointOf(way)).toEqual({ host, port, loopback: true, notes });
    }
  },
);

test.each([
  '128.0.0.1:9010',
  '0.0.0.0:9010',
  '127.0.0.256:9010',
  '127.1:9010',
  '127.0.0.1.example.com:9010',
  'localhost.example.com:9010',
  '[::ffff:127.0.0.1]:9010',
  '[::]:9010',
  'kms.internal.example:443',
])('%s is another machine: no plain text, only from the flag', (given) => {
  expect(endpointOf({ flag: given })).toMatchObject({
    loopback: false,
    notes: [`using Cloud KMS at ${given}`],
  });
  expect(() => endpointOf({ variable: given })).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: 'KSEAL_KMS_ENDPOINT: only this machine and *.googleapis.com are allowed',
      hint: `--kms-endpoint ${given}`,
    }),
  );
});

test.each(['cloudkms.europe-west3.rep.googleapis.com', 'restricted.googleapis.com:443'])(
  'the environment may name %s',
  (given) => {
    expect(endpointOf({ variable: given })).toMatchObject({ loopback: false, port: 443 });
  },
);

test.each(['evilgoogleapis.com', 'googleapis.com.example.com', 'googleapis.com@example.com'])(
  'the environment may not name %s',
  (given) => {
    expect(() => endpointOf({ variable: given })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  },
);

test('the flag overrides the environment', () => {
  const given = { flag: 'localhost:1', variable: 'evil.example.com' };
  expect(endpointOf(given)).toMatchObject({ host: 'localhost', port: 1 });
});

describe('a malformed endpoint is refused, and not quoted', () => {
  test.each([
    'https://user:CANARY@kms.example.com',
    'http://localhost:9010',
    'localhost:9010/v1',
    'localhost:',
    'localhost:0',
    'localhost:65536',
    'localhost:port',
    ':9010',
    '::1',
    'unix:/tmp/socket',
    'unix:443',
    'dns:///localhost',
    'kms example.com',
    'localhost\n:1',
  ])('%j', (given) => {
    expect(() => endpointOf({ flag: given })).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: '--kms-endpoint: must be HOST or HOST:PORT',
        hint: 'for example --kms-endpoint localhost:9010',
      }),
    );
    expect(() => endpointOf({ variable: given })).toThrow(
      expect.objectContaining({
        message: 'KSEAL_KMS_ENDPOINT: must be HOST or HOST:PORT',
        hint: 'for example KSEAL_KMS_ENDPOINT=localhost:9010',
      }),
    );
  });
});
