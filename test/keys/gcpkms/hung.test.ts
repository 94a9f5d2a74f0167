import { expect, onTestFinished, test, vi } from 'vitest';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { HR, quick, versionOf } from '../../kms-emulator/harness.ts';

/** The client's search for credentials: it hangs, fails, then succeeds. */
const initialize = vi.hoisted(() => vi.fn());

vi.mock('@google-cloud/kms', () => ({
  default: {
    KeyManagementServiceClient: class {
      initialize = initialize;
      getPublicKey = () => Promise.reject(Object.assign(new Error('x'), { code: 5 }));
    },
  },
}));

test('a client that hangs or fails at the start is replaced, and then kept', async () => {
  const options = {
    env: { KSEAL_KMS_ENDPOINT: 'localhost:1' },
    kmsEndpoint: undefined,
    verifySignature: false,
    note: () => {},
  };
  const read = () => fetchOpeningKeys(`gcpkms://${versionOf(HR, 1)}`, options, quick);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const hanging = new Promise<void>((resolve) => {
    initialize.mockImplementationOnce(() => {
      resolve();
      return new Promise(() => {});
    });
  });
  const hung = read();
  await hanging;
  vi.advanceTimersByTime(quick.total);
  await expect(hung).rejects.toMatchObject({ code: 'KEY_DEADLINE' });
  initialize.mockRejectedValueOnce(new Error('CANARY'));
  await expect(read()).rejects.toMatchObject({ code: 'KEY_CREDENTIALS' });
  initialize.mockResolvedValue(undefined);
  for (let i = 0; i < 2; i++) {
    await expect(read()).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
  }
  expect(initialize).toHaveBeenCalledTimes(3);
});
