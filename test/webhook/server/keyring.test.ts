import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ErrorCode, KsealError } from '../../../src/errors.ts';
import type { KeyState, OpeningKey } from '../../../src/jwe/decrypt.ts';
import { keepReading, keyringOf } from '../../../src/webhook/server/keyring.ts';
import { createLog } from '../../../src/webhook/server/log.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { Capture } from '../../helpers/io.ts';

describe('a keyring', () => {
  const none: ReadonlyMap<string, KeyState> = new Map();
  const keyOf = (kid: string, state: KeyState = 'active'): OpeningKey => ({
    kid,
    modulusBytes: 256,
    state,
    decryptKey: async () => undefined,
  });
  const kidsOf = (keyring: { keys(): readonly OpeningKey[] }) =>
    keyring.keys().map(({ kid, state }) => `${kid} ${state}`);

  test('is empty, unread and incomplete until it has been read', async () => {
    let answer = (_: readonly OpeningKey[]) => {};
    const load = () =>
      new Promise<readonly OpeningKey[]>((resolve) => {
        answer = resolve;
      });
    const keyring = keyringOf(['a'], load, none);
    const reading = keyring.refresh();
    const facts = () => [kidsOf(keyring), keyring.hasBeenRead(), keyring.isComplete()];
    expect(facts()).toEqual([[], false, false]);
    answer([keyOf('k1')]);
    expect(await reading).toEqual(new Map());
    expect(facts()).toEqual([['k1 active'], true, true]);
  });

  test('keeps the keys of a reference that fails, and refreshes the others', async () => {
    const load = vi.fn(async (reference: string) => [keyOf(`${reference}1`)]);
    const keyring = keyringOf(['a', 'b'], load, none);
    await keyring.refresh();
    const failure = new KsealError('KEY_UNAVAILABLE', 'unavailable');
    load.mockImplementation(async (reference) => {
      if (reference === 'a') throw failure;
      return [keyOf('b2')];
    });
    expect(await keyring.refresh()).toEqual(new Map([['a', failure]]));
    expect([kidsOf(keyring), keyring.hasBeenRead(), keyring.isComplete()]).toEqual([
      ['a1 active', 'b2 active'],
      true,
      false,
    ]);
    load.mockImplementation(async (reference) => [keyOf(`${reference}3`)]);
    await keyring.refresh();
    expect([kidsOf(keyring), keyring.isComplete()]).toEqual([['a3 active', 'b3 active'], true]);
  });

  test('is unread as long as one reference has never been read', async () => {
    const load = async (reference: string) => {
      if (reference === 'a') throw new Error('never');
      return [keyOf('b1')];
    };
    const keyring = keyringOf(['a', 'b'], load, none);
    await keyring.refresh();
    expect([kidsOf(keyring), keyring.hasBeenRead()]).toEqual([['b1 active'], false]);
  });

  test('uses the given states', async () => {
    const states = new Map<string, KeyState>([
      ['k1', 'revoked'],
      ['k2', 'deprecated'],
    ]);
    const keyring = keyringOf(['a'], async () => [keyOf('k1'), keyOf('k2'), keyOf('k3')], states);
    await keyring.refresh();
    expect(kidsOf(keyring)).toEqual(['k1 revoked', 'k2 deprecated', 'k3 active']);
  });
});

describe('reading the keys', () => {
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

  const failing = (code: ErrorCode) => () =>
    Promise.reject(new KsealError(code, `message of ${code}`));

  test('is repeated every minute until it is stopped', async () => {
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
  ] as const)('retries 5 s after %s, logs it and still starts', async (code) => {
    const { begun, stop, loading, stream } = reading(failing(code));
    await begun;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(loading).toHaveBeenCalledTimes(2);
    expect(stream.text.match(/cannot read a key/g)).toHaveLength(2);
    expect(stream.text).toContain(`message of ${code}`);
    loading.mockImplementation(async () => []);
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(loading).toHaveBeenCalledTimes(3);
    stop();
  });

  test.each(['KEY_INVALID', 'IO', 'USAGE', 'KEY_REFERENCE_INVALID'] as const)(
    'is not repeated after %s, which prevents a start',
    async (code) => {
      const { begun, loading, stream } = reading(failing(code));
      await expect(begun).rejects.toMatchObject({ code });
      await vi.advanceTimersByTimeAsync(600_000);
      expect([loading.mock.calls.length, stream.text]).toEqual([1, '']);
    },
  );

  test('delays the start for at most 3 s', async () => {
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

  test('goes on after an unexpected error, which is logged without its message', async () => {
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
});
