import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCache, type Opened } from '../../src/unseal/cache.ts';

const value: Opened = {
  place: { namespace: 'hr', name: 'db', key: 'password' },
  sealed: Buffer.from('sealed'),
  plaintext: Buffer.from('CANARY-cache'),
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
])('knows a value that was opened, but not one with %s', (_, other) => {
  const cache = createCache();
  expect(cache.has(value)).toBe(false);
  cache.add(value);
  expect([cache.has({ ...value }), cache.has({ ...value, ...other })]).toEqual([true, false]);
});

test('distinguishes a byte at the end of one part from one at the start of the next', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (name, key) => {
      const cache = createCache();
      cache.add({ ...value, place: { name, key } });
      const moved = { name: name.slice(0, -1), key: name.slice(-1) + key };
      return cache.has({ ...value, place: moved }) === false;
    }),
  );
});

test('forgets a value one hour after it was last opened', () => {
  let now = 0;
  const cache = createCache(10, () => now);
  cache.add(value);
  now = HOUR - 1;
  expect(cache.has(value)).toBe(true);
  cache.add(value);
  now = 2 * HOUR - 2;
  expect(cache.has(value)).toBe(true);
  now = 2 * HOUR - 1;
  expect(cache.has(value)).toBe(false);
});

test('forgets the oldest value when it is full', () => {
  const cache = createCache(2);
  const values = ['a', 'b', 'c'].map((kid) => ({ ...value, kid }));
  for (const one of values) cache.add(one);
  expect(values.map((one) => cache.has(one))).toEqual([false, true, true]);
});

test('does not know the values of another cache', () => {
  const cache = createCache();
  cache.add(value);
  expect(createCache().has(value)).toBe(false);
});
