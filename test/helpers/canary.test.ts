import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { canariesIn, encodingsOf, leaksOf } from './canary.ts';

const canary = Buffer.from('CANARY-hr-password-7');

/** A secret between other bytes. */
function surrounded(secret: Buffer, before: number): Buffer {
  return Buffer.concat([Buffer.alloc(before, 'x'), secret, Buffer.from('yz')]);
}

const planted: Record<string, (secret: Buffer) => string | Buffer> = {
  text: (secret) => surrounded(secret, 3),
  hex: (secret) => surrounded(secret, 2).toString('hex'),
  'a printed Buffer': (secret) => inspect(surrounded(secret, 2)),
  'upper-case hex': (secret) => surrounded(secret, 2).toString('hex').toUpperCase(),
  'a JSON list of bytes': (secret) => JSON.stringify([...surrounded(secret, 1)]),
  'a printed list of bytes': (secret) => [...surrounded(secret, 1)].join(', '),
  'bytes with spaces': (secret) => [...surrounded(secret, 1)].join(' '),
  ...Object.fromEntries(
    [0, 1, 2, 3].flatMap(
      (before) =>
        [
          [`base64, offset ${before}`, (secret) => surrounded(secret, before).toString('base64')],
          [
            `base64url, offset ${before}`,
            (secret) => surrounded(secret, before).toString('base64url'),
          ],
        ] satisfies [string, (secret: Buffer) => string][],
    ),
  ),
};

describe('leaksOf', () => {
  test.each(Object.keys(planted))('finds a canary and a CEK as %s', (name) => {
    for (const secret of [canary, randomBytes(32), Buffer.alloc(32, 0xff)]) {
      const leak = Buffer.from(planted[name]?.(secret) ?? '');
      const log = Buffer.concat([Buffer.from('kseal: error: '), leak, Buffer.from('\n')]);
      expect(leaksOf(secret, log), secret.toString('hex')).not.toEqual([]);
    }
  });

  test('finds nothing in other text', () => {
    const log = Buffer.from(`kseal: CANARY-other ${randomBytes(400).toString('base64')}`);
    expect(leaksOf(canary, log)).toEqual([]);
  });

  test('no encoding is short enough to occur by chance', () => {
    for (const needle of encodingsOf(canary).values()) expect(needle.length).toBeGreaterThan(16);
  });
});

describe('canariesIn', () => {
  test('finds each word once', () => {
    expect(canariesIn('a: CANARY-one\nb: "CANARY-two", CANARY-one')).toEqual([
      'CANARY-one',
      'CANARY-two',
    ]);
  });

  test('finds base64-encoded words', () => {
    const value = Buffer.from('{"password":"CANARY-json"}').toString('base64');
    expect(canariesIn(`data:\n  config: ${value}\n`)).toEqual(['CANARY-json']);
  });
});
