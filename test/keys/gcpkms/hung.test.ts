import { expect, onTestFinished, test, vi } from 'vitest';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { HR, quick, versionOf } from '../../kms-emulator/harness.ts';

/** The search for credentials: it hangs, fails, then succeeds. */
const getClient = vi.hoisted(() => vi.fn());

vi.mock('google-auth-library', () => ({
  GoogleAuth: class {
    getClient = getClient;
  },
}));

vi.mock('@grpc/grpc-js', async (original) => {
  const grpc = await original<typeof import('@grpc/grpc-js')>();
  const notFound = Object.assign(new Error('x'), { code: grpc.status.NOT_FOUND });
  class Client {
    makeUnaryRequest(...args: unknown[]) {
      (args.at(-1) as (error: Error) => void)(notFound);
    }
  }
  return { default: { ...grpc, Client } };
});

test('a client that hangs or fails at the start is replaced, and then kept', async () => {
  const options = {
    env: {},
    kmsEndpoint: 'kms.example.org',
    verifySignature: false,
    note: () => {},
  };
  const read = () => fetchOpeningKeys(`gcpkms://${versionOf(HR, 1)}`, options, quick);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const hanging = new Promise<void>((resolve) => {
    getClient.mockImplementationOnce(() => {
      resolve();
      return new Promise(() => {});
    });
  });
  const hung = read();
  await hanging;
  vi.advanceTimersByTime(quick.total);
  await expect(hung).rejects.toMatchObject({ code: 'KEY_DEADLINE' });
  getClient.mockRejectedValueOnce(new Error('CANARY'));
  await expect(read()).rejects.toMatchObject({ code: 'KEY_CREDENTIALS' });
  getClient.mockResolvedValue({});
  for (let i = 0; i < 2; i++) {
    await expect(read()).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
  }
  expect(getClient).toHaveBeenCalledTimes(3);
});
