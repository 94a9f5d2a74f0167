import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemo, type Opened } from '../../src/unseal/cache.ts';

const value: Opened = {
  place: { namespace: 'hr', name: 'db', key: 'password' },
  sealed: Buffer.from('sealed'),
  plaintext: Buffer.from('CANARY-memo'),
  kid: 'kid',
};

const HOUR = 3_600_000;

test.each<[string, Partial<Opened>]>([
  ['another namespace', { place: { ...value.place, namespace: 'ops' } }],
  ['another name', { place: { ...value.place, name: 'db2' } }],
  ['another data key', { place: { ...value.place, key: 'user' } }],
  ['no name', { place: { namespace: 'hr', key: 'password' } }],
  ['another sealed text', { sealed: Buffer.from('sealed2') }],
  ['another plaintext', { plaintext: Buffer.from('CANARY-other') }],
  ['another key', { kid: 'other' }],
])('knows what was opened, and nothing with %s', (_, other) => {
  const memo = createMemo();
  expect(memo.has(value)).toBe(false);
  memo.add(value);
  expect([memo.has({ ...value }), memo.has({ ...value, ...other })]).toEqual([true, false]);
});

test('does not take an octet that moved from one part to the next for the same', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (name, key) => {
      const memo = createMemo();
      memo.add({ ...value, place: { name, key } });
      const moved = { name: name.slice(0, -1), key: name.slice(-1) + key };
      return memo.has({ ...value, place: moved }) === false;
    }),
  );
});

test('forgets a value an hour after it was last opened', () => {
  let now = 0;
  const memo = createMemo(10, () => now);
  memo.add(value);
  now = HOUR - 1;
  expect(memo.has(value)).toBe(true);
  memo.add(value);
  now = 2 * HOUR - 2;
  expect(memo.has(value)).toBe(true);
  now = 2 * HOUR - 1;
  expect(memo.has(value)).toBe(false);
});

test('forgets the oldest where it is full', () => {
  const memo = createMemo(2);
  const values = ['a', 'b', 'c'].map((kid) => ({ ...value, kid }));
  for (const one of values) memo.add(one);
  expect(values.map((one) => memo.has(one))).toEqual([false, true, true]);
});

test('two processes would not give the same HMAC: a memo knows its own values only', () => {
  const memo = createMemo();
  memo.add(value);
  expect(createMemo().has(value)).toBe(false);
});
