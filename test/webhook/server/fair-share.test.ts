import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fairShare } from '../../../src/webhook/server/key-calls.ts';

/** A task that runs until it is told how to end. */
function held() {
  const task = { isRunning: false, end: (_: 'well' | 'badly') => {} };
  const run = () =>
    new Promise<void>((resolve, reject) => {
      task.isRunning = true;
      task.end = (how) => {
        task.isRunning = false;
        if (how === 'well') resolve();
        else reject(new Error('told to'));
      };
    });
  return { task, run };
}

/** Lets everything that is due happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('at most `total` run, and half for one owner; all run in the end, also after failures', async () => {
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

test('no place stays empty while somebody waits who may have it', async () => {
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

test('owners take turns, whoever came first with however many', async () => {
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
  expect(order.join('')).toBe('abcabca');
});

test('with one place everybody has it in turn', async () => {
  const share = fairShare(1);
  expect(
    await Promise.all([
      share('a', async () => 1),
      share('a', async () => 2),
      share('b', async () => 3),
    ]),
  ).toEqual([1, 2, 3]);
});

test('a task that throws before it begins frees its place', async () => {
  const share = fairShare(1);
  const thrower = () => {
    throw new Error('at once');
  };
  await expect(share('a', thrower)).rejects.toThrow('at once');
  expect(await share('a', async () => 'next')).toBe('next');
});

test('100,000 that wait cost each as little as a few', async () => {
  const share = fairShare(64);
  let done = 0;
  const task = async () => void done++;
  await Promise.all(Array.from({ length: 100_000 }, () => share('a', task)));
  expect(done).toBe(100_000);
});
