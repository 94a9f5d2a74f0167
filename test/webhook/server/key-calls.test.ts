import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { fairShare, keysFor } from '../../../src/webhook/server/key-calls.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { gate, valueIn } from '../common.ts';

/** Lets everything happen that is due. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a fair share', () => {
  /** A task that runs until it is ended. */
  function held() {
    const task = { isRunning: false, end: (_: 'well' | 'badly') => {} };
    const run = () =>
      new Promise<void>((resolve, reject) => {
        task.isRunning = true;
        task.end = (how) => {
          task.isRunning = false;
          if (how === 'well') resolve();
          else reject(new Error('ended badly'));
        };
      });
    return { task, run };
  }

  test('runs at most `total` tasks and half of them per owner, and all of them in the end', async () => {
    const steps = fc.array(
      fc.record({ owner: fc.constantFrom('a', 'b', 'c'), how: fc.constantFrom('well', 'badly') }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        steps,
        fc.infiniteStream(fc.nat()),
        async (total, given, picks) => {
          const share = fairShare(total);
          const tasks = given.map(({ owner, how }) => ({ owner, how, ...held() }));
          const ends = tasks.map(({ owner, run }) =>
            share(owner, run).then(
              () => 'well',
              () => 'badly',
            ),
          );
          const most = Math.max(1, Math.floor(total / 2));
          for (let left = tasks.length; left > 0; left--) {
            await settle();
            const running = tasks.filter(({ task }) => task.isRunning);
            expect(running.length).toBeLessThanOrEqual(total);
            for (const owner of ['a', 'b', 'c']) {
              expect(running.filter((one) => one.owner === owner).length).toBeLessThanOrEqual(most);
            }
            const next = running[picks.next().value % running.length];
            next?.task.end(next.how as 'well' | 'badly');
          }
          expect(await Promise.all(ends)).toEqual(tasks.map(({ how }) => how));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('leaves no place free while an owner may use it', async () => {
    const share = fairShare(4);
    const tasks = Array.from({ length: 12 }, (_, index) => ({
      owner: 'abc'[index % 3] ?? '',
      ...held(),
    }));
    const ends = tasks.map(({ owner, run }) => share(owner, run));
    for (let left = tasks.length; left > 0; left--) {
      await settle();
      const running = tasks.filter(({ task }) => task.isRunning);
      const owners = new Set(tasks.slice(-left).map(({ owner }) => owner)).size;
      expect(running.length).toBe(Math.min(4, left, 2 * owners));
      running[0]?.task.end('well');
    }
    await Promise.all(ends);
  });

  test('lets owners take turns, however many tasks each has', async () => {
    const share = fairShare(2);
    const order: string[] = [];
    const run = (owner: string) => share(owner, async () => void order.push(owner));
    const first = held();
    const other = held();
    const ends = [share('a', first.run), share('b', other.run)];
    for (const owner of ['a', 'a', 'a', 'b', 'c', 'b', 'c']) ends.push(run(owner));
    await settle();
    first.task.end('well');
    other.task.end('badly');
    await Promise.allSettled(ends);
    expect(order.join('')).toBe('cabcaba');
  });

  test('runs one task at a time with one place', async () => {
    const share = fairShare(1);
    expect(
      await Promise.all([
        share('a', async () => 1),
        share('a', async () => 2),
        share('b', async () => 3),
      ]),
    ).toEqual([1, 2, 3]);
  });

  test('goes on after a task that throws at once', async () => {
    const share = fairShare(1);
    const thrower = () => {
      throw new Error('at once');
    };
    await expect(share('a', thrower)).rejects.toThrow('at once');
    expect(await share('a', async () => 'next')).toBe('next');
  });
});

describe('a key for a namespace', () => {
  const bytes = Buffer.from('encrypted key');

  function keyFor(decryptKey: OpeningKey['decryptKey']) {
    const metrics = createMetrics();
    const key: OpeningKey = { kid: 'k', modulusBytes: 256, state: 'deprecated', decryptKey };
    const [first] = keysFor('hr', [key], { share: fairShare(2), metrics });
    if (first === undefined) throw new Error('no key');
    const count = async (outcome: string) =>
      valueIn(
        await metrics.registry.metrics(),
        `kseal_key_request_duration_seconds_count{outcome="${outcome}"}`,
      );
    return { key: first, count };
  }

  test('passes on the encrypted key, the deadline and the result', async () => {
    const seen: unknown[] = [];
    const deadline = performance.now() + 1e9;
    const { key, count } = keyFor(async (...args) => {
      seen.push(args);
      return bytes;
    });
    expect(await key.decryptKey(bytes, deadline)).toBe(bytes);
    expect(seen).toEqual([[bytes, deadline]]);
    expect(key).toMatchObject({ kid: 'k', modulusBytes: 256, state: 'deprecated' });
    expect(await count('answered')).toBe(1);
  });

  test.each<[string, () => Promise<undefined>, string]>([
    [
      'is unavailable',
      () => Promise.reject(new KsealError('KEY_UNAVAILABLE', 'x')),
      'KEY_UNAVAILABLE',
    ],
    ['has a bug', () => Promise.reject(new TypeError('CANARY')), 'failed'],
    // The metrics must not show which encrypted keys are valid.
    ['rejects the encrypted key', async () => undefined, 'answered'],
  ])('that %s is counted as %3$s', async (_, decryptKey, outcome) => {
    const { key, count } = keyFor(decryptKey);
    await key.decryptKey(bytes).catch(() => {});
    expect(await count(outcome)).toBe(1);
  });

  test('is not asked if the deadline passes while the request waits for its turn', async () => {
    const { promise, open } = gate();
    let asks = 0;
    const { key } = keyFor(async () => {
      asks += 1;
      await promise;
      return bytes;
    });
    const first = key.decryptKey(bytes);
    await settle();
    const second = key.decryptKey(bytes, performance.now());
    open();
    await first;
    await expect(second).rejects.toMatchObject({ code: 'KEY_DEADLINE' });
    expect(asks).toBe(1);
  });
});
