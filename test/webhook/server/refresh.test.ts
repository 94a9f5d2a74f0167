import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ErrorCode, KsealError } from '../../../src/errors.ts';
import { keepReading, keyringOf } from '../../../src/webhook/server/keyring.ts';
import { createLog } from '../../../src/webhook/server/log.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { Capture } from '../../helpers/io.ts';

const times = { headStart: 3_000, refresh: 60_000, refreshAfterFailure: 5_000 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function reading(load: () => Promise<never[]>) {
  const stream = new Capture();
  const loading = vi.fn(load);
  const refreshing = {
    keyring: keyringOf(['gcpkms://k'], loading, new Map()),
    log: createLog(stream, 'info'),
    metrics: createMetrics(),
    times,
  };
  return { ...keepReading(refreshing), loading, stream };
}

const failing = (code: ErrorCode) => () => Promise.reject(new KsealError(code, `words of ${code}`));

test('all is well: every minute, until it is stopped', async () => {
  const { begun, stop, loading } = reading(async () => []);
  await begun;
  await vi.advanceTimersByTimeAsync(59_999);
  expect(loading).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(120_001);
  expect(loading).toHaveBeenCalledTimes(4);
  stop();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(loading).toHaveBeenCalledTimes(4);
});

test.each([
  'KEY_UNAVAILABLE',
  'KEY_DEADLINE',
  'KEY_DENIED',
  'KEY_NOT_FOUND',
  'KEY_CREDENTIALS',
] as const)('W31: %s does not end a start: after 5 s it is tried again, and told', async (code) => {
  const { begun, stop, loading, stream } = reading(failing(code));
  await begun;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(loading).toHaveBeenCalledTimes(2);
  expect(stream.text.match(/cannot read a key/g)).toHaveLength(2);
  expect(stream.text).toContain(`words of ${code}`);
  loading.mockImplementation(async () => []);
  await vi.advanceTimersByTimeAsync(5_000);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(loading).toHaveBeenCalledTimes(3);
  stop();
});

test.each(['KEY_INVALID', 'IO', 'USAGE', 'KEY_REFERENCE_INVALID'] as const)(
  'W31: %s ends a start, and nothing is read any more',
  async (code) => {
    const { begun, loading, stream } = reading(failing(code));
    await expect(begun).rejects.toMatchObject({ code });
    await vi.advanceTimersByTimeAsync(600_000);
    expect([loading.mock.calls.length, stream.text]).toEqual([1, '']);
  },
);

test('W31: a first reading that hangs: the start goes on after 3 s', async () => {
  const { begun, stop, loading } = reading(() => new Promise(() => {}));
  const done = vi.fn();
  void begun.then(done);
  await vi.advanceTimersByTimeAsync(2_999);
  expect(done).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(done).toHaveBeenCalled();
  expect(loading).toHaveBeenCalledTimes(1);
  stop();
});

test('a bug while keys are read later is told without its message', async () => {
  const { begun, stop, loading, stream } = reading(async () => []);
  await begun;
  loading.mockRejectedValueOnce(new TypeError('CANARY'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(stream.text).toContain('a bug in kseal: TypeError');
  expect(stream.text).not.toContain('CANARY');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(loading).toHaveBeenCalledTimes(3);
  stop();
});
