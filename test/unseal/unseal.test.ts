import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import { flipBit, makeJwe } from '../helpers/jwe.ts';
import { AskedKey } from '../jwe/pairs.ts';
import { bytesOf, type Data, opens, refuses, secrets } from '../jwe/secrets.ts';

const { pair, other, open, outcome, seal } = await secrets();

const nothing = opens({}, 0);

describe('the values of a Secret', () => {
  test('are opened if sealed, and otherwise left alone', async () => {
    const data = { a: await seal('A', 'a'), plain: 'P', b: await seal('B', 'b'), empty: '' };
    expect(await outcome(data)).toEqual(opens({ a: 'A', b: 'B' }, 2));
  });

  test('that do not look sealed cost no call', async () => {
    const jws = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.AA`;
    expect(await outcome({ jws, dots: 'a.b.c.d.e', pem: pair.publicPem })).toEqual(nothing);
    expect(await outcome({})).toEqual(nothing);
  });

  test('that were opened are left alone when the Secret is opened again', async () => {
    const { opened } = await open({ a: await seal('A', 'a') });
    expect(await outcome(opened as Data)).toEqual(nothing);
  });

  test.each(['__proto__', 'constructor', 'toString', '.hidden', 'a.b'])(
    'can have the data key %s',
    async (key) => {
      const data = Object.fromEntries([[key, await seal('A', key)]]);
      const { opened, calls } = await open(data);
      expect([Object.entries(opened), calls]).toEqual([[[key, 'A']], 1]);
    },
  );

  test('can be any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const sealed = await encryptCompact(bytes, { scope: 'cluster-wide' }, pair);
        const { opened } = await unsealData({
          place: {},
          data: bytesOf({ a: sealed }),
          keyring: [new AskedKey(pair)],
          policy: { acceptUnbound: false, allowRevoked: false, maxScope: 'cluster-wide' },
        });
        expect(Buffer.from(opened.get('a') ?? 'none')).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 30 },
    );
  });
});

describe('all or nothing', () => {
  test('a value that is refused without a call prevents all calls', async () => {
    const data = {
      a: await seal('A', 'a'),
      b: `${await seal('B', 'b')}\n`,
      c: await seal('C', 'x'),
    };
    expect(await outcome(data)).toEqual(refuses({ b: 'JWE_MALFORMED', c: 'BINDING_MISMATCH' }));
  });

  test('a value that the key rejects leaves none opened', async () => {
    const data = { a: await seal('A', 'a'), b: flipBit(await seal('B', 'b'), 4, 0) };
    expect(await outcome(data)).toEqual(refuses({ b: 'DECRYPTION_FAILED' }, 2));
  });

  test('every cryptographic failure has the same message', async () => {
    const jwe = await seal('A', 'a');
    const swapped = jwe.split('.');
    swapped[1] = (await seal('A', 'a')).split('.')[1] ?? '';
    const foreign = makeJwe(
      Buffer.from('A'),
      other.publicPem,
      Buffer.from(swapped[0] ?? '', 'base64url').toString(),
    );
    const damaged = [1, 2, 3, 4].map((segment) => flipBit(jwe, segment, 3));
    for (const value of [...damaged, swapped.join('.'), foreign]) {
      const { messages, codes, calls } = await open({ a: value });
      expect([codes, calls]).toEqual([{ a: 'DECRYPTION_FAILED' }, 1]);
      expect(messages).toEqual([
        'decryption failed (seal the value again; it is damaged or sealed to another key)',
      ]);
    }
  });

  test('a bug is rethrown', async () => {
    const broken = Object.assign(new AskedKey(pair), {
      decryptKey: () => Promise.reject(new TypeError('bug')),
    });
    await expect(open({ a: await seal('A', 'a') }, { keyring: [broken] })).rejects.toThrow('bug');
  });
});

describe('the binding', () => {
  test.each([
    ['strict', { namespace: 'ops', name: 'db' }],
    ['strict', { namespace: 'hr', name: 'db2' }],
    ['strict', { namespace: 'hr' }],
    ['strict', {}],
    ['namespace-wide', { namespace: 'ops', name: 'db' }],
    ['namespace-wide', { name: 'db' }],
  ] as const)('%s refuses %j without a call', async (scope, place) => {
    const data = { a: await seal('A', 'a', scope) };
    expect(await outcome(data, { place })).toEqual(refuses({ a: 'BINDING_MISMATCH' }));
  });

  test('strict refuses another data key, without a call', async () => {
    expect(await outcome({ b: await seal('A', 'a') })).toEqual(refuses({ b: 'BINDING_MISMATCH' }));
  });

  test('wider scopes open within their scope', async () => {
    const wide = { x: await seal('A', 'a', 'namespace-wide') };
    expect((await open(wide, { place: { namespace: 'hr' } })).opened).toEqual({ x: 'A' });
    const widest = { x: await seal('A', 'a', 'cluster-wide') };
    expect((await open(widest, { place: {} })).opened).toEqual({ x: 'A' });
  });

  test('with a scope wider than allowed is refused without a call', async () => {
    for (const [scope, maxScope] of [
      ['namespace-wide', 'strict'],
      ['cluster-wide', 'namespace-wide'],
    ] as const) {
      const data = { a: await seal('A', 'a', scope) };
      expect(await outcome(data, { maxScope })).toEqual(refuses({ a: 'BINDING_MISMATCH' }));
      expect((await open(data, { maxScope })).messages[0]).toContain(
        `scope ${scope} is wider than ${maxScope}`,
      );
    }
  });
});
