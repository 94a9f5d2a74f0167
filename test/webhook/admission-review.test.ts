import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sealedBeginnings } from '../../src/jwe/detect.ts';
import { answerText, patchOf, readReview } from '../../src/webhook/admission-review.ts';
import { review } from '../../src/webhook/review.ts';
import { applyPatch, type Operation } from '../helpers/json-patch.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { askedKey, keys } from './keys.ts';

const secret = { group: '', version: 'v1', kind: 'Secret' };

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');

/** The beginning of a sealed value, {"alg":"RSA, as `data` holds it. */
const sealed = base64('eyJhbGciOiJSU0E');

const request = {
  uid: 'u',
  kind: secret,
  operation: 'UPDATE',
  namespace: 'hr',
  name: 'db',
  userInfo: { username: 'ann', groups: ['system:authenticated'] },
  dryRun: true,
  object: { data: { a: sealed, none: null } },
  oldObject: { data: { a: 'QQ==' } },
};

const read = (changed: object, review: object = {}) =>
  readReview(
    Buffer.from(
      JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        request: { ...request, ...changed },
        ...review,
      }),
    ),
  );

const unmarked = { isUnchanged: false, isBeingDeleted: false, isImmutable: false };

describe('reading a review', () => {
  test('returns the request and the values that may be sealed', async () => {
    expect(await read({})).toEqual({
      uid: 'u',
      operation: 'UPDATE',
      namespace: 'hr',
      name: 'db',
      dryRun: true,
      user: 'ann',
      secret: {
        data: new Map([['a', sealed]]),
        before: new Map([['a', 'QQ==']]),
        ...unmarked,
      },
    });
  });

  test('accepts optional members that are absent, null or empty', async () => {
    const bare = { dryRun: undefined, oldObject: undefined, name: undefined, namespace: undefined };
    const nothing = { uid: 'u', namespace: '', name: undefined, dryRun: false };
    for (const data of [undefined, null, {}]) {
      const found = await read({ ...bare, operation: 'CREATE', object: { data } });
      expect(found).toMatchObject(nothing);
      expect(found.secret).toEqual({ data: new Map(), before: new Map(), ...unmarked });
    }
    expect(await read({ name: '', dryRun: null, oldObject: null })).toMatchObject({
      name: undefined,
      dryRun: false,
    });
  });

  test.each([undefined, null, 7, 'ann', {}, { username: null }, { username: ['ann'] }])(
    'accepts the user %j, because nothing depends on it',
    async (userInfo) => {
      expect((await read({ userInfo })).user).toBeUndefined();
    },
  );

  test.each([
    ['DELETE', { operation: 'DELETE', object: null }],
    ['CONNECT', { operation: 'CONNECT', object: null }],
    ['an unknown operation', { operation: 'READ' }],
    ['another kind', { kind: { ...secret, kind: 'ConfigMap' } }],
    ['another group', { kind: { ...secret, group: 'example.com' } }],
    ['a subresource', { subResource: 'status' }],
  ])('finds no Secret in %s', async (_, changed) => {
    expect((await read(changed)).secret).toBeUndefined();
  });

  test('takes the deletion timestamp from the stored object', async () => {
    const deleted = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect((await read({ oldObject: deleted })).secret?.isBeingDeleted).toBe(true);
    expect((await read({ object: deleted })).secret?.isBeingDeleted).toBe(false);
    expect((await read({ oldObject: { metadata: null } })).secret?.isBeingDeleted).toBe(false);
  });

  test('takes immutability from the stored object', async () => {
    expect((await read({ oldObject: { immutable: true } })).secret?.isImmutable).toBe(true);
    expect((await read({ oldObject: { immutable: false } })).secret?.isImmutable).toBe(false);
    expect((await read({ object: { immutable: true } })).secret?.isImmutable).toBe(false);
  });

  test('finds data unchanged only if all of its values are', async () => {
    const text = fc.constantFrom('QQ==', sealed, base64(sealed), '');
    const data = fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), fc.option(text));
    const pair = fc.oneof(
      fc.tuple(data, data),
      data.map((one) => [one, { ...one }] as const),
    );
    const seen = { true: 0, false: 0 };
    await fc.assert(
      fc.asyncProperty(pair, async ([one, other]) => {
        const isEqual = JSON.stringify(one) === JSON.stringify(other);
        const { secret } = await read({ object: { data: one }, oldObject: { data: other } });
        expect(secret?.isUnchanged).toBe(isEqual);
        seen[`${isEqual}`]++;
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(10);
  });

  test('reads __proto__ and constructor as data keys', async () => {
    const object = JSON.parse(`{"data":{"__proto__":"${sealed}","constructor":"${sealed}"}}`);
    expect([...((await read({ object })).secret?.data ?? [])]).toEqual([
      ['__proto__', sealed],
      ['constructor', sealed],
    ]);
  });

  test('keeps only values that may be sealed, and the previous values of their data keys', async () => {
    const kept = {
      compact: sealed,
      again: base64(sealed),
      json: base64(`{"protected":"eyJhbGciOiJSU0EtT0FFUC0yNTYi","ciphertext":"x"}`),
      'not base64': 'Q',
      'not canonical': 'QR==',
    };
    const others = Array.from({ length: 1000 }, (_, index) => [`k${index}`, 'QQ==']);
    const data = { ...Object.fromEntries(others), ...kept };
    const { secret } = await read({
      object: { data },
      oldObject: { data: { k1: 'QQ==', json: 'QQ==' } },
    });
    expect(Object.fromEntries(secret?.data ?? [])).toEqual(kept);
    expect(Object.fromEntries(secret?.before ?? [])).toEqual({ json: 'QQ==' });
  });

  test('keeps short values exactly if their base64 is not canonical', async () => {
    const units = fc.constantFrom(...'AQgwZz0189+/=-_ \n\u00e9');
    const values = fc.array(fc.string({ unit: units, maxLength: 17 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(values, async (texts) => {
        const data = Object.fromEntries(texts.map((text, at) => [`k${at}`, text]));
        const kept = texts.filter((text) => base64(Buffer.from(text, 'base64')) !== text);
        const { secret } = await read({ object: { data } });
        expect([...(secret?.data.values() ?? [])]).toEqual(kept);
      }),
    );
    const prefixes = sealedBeginnings.map((beginning) => base64(beginning));
    const data = Object.fromEntries(prefixes.map((prefix) => [prefix, prefix]));
    expect((await read({ object: { data } })).secret?.data.size).toBe(4);
    expect(Math.min(...prefixes.map(({ length }) => length))).toBe(16);
  });

  test('keeps no more values than a Secret can have if all are sound', async () => {
    const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`k${at}`, sealed]));
    const { secret } = await read({ object: { data } });
    expect(secret?.data.size).toBeLessThan(20_000);
    // 7 MiB of the shortest sealed values: RSA-2048 and one block, in base64.
    expect(secret?.data.size).toBeGreaterThan((7 * 1024 * 1024) / 632);
  });

  test('refuses a value that is not a string after thousands that are', async () => {
    const texts = Array.from({ length: 20_000 }, (_, at) => [`k${at}`, sealed]);
    const data = { ...Object.fromEntries(texts), last: 1 };
    await expect(read({ object: { data } })).rejects.toMatchObject({ code: 'REVIEW_INVALID' });
  });
});

describe('an invalid review is refused without quoting it', () => {
  const canary = 'CANARY-review';
  const version = 'expected apiVersion admission.k8s.io/v1 and kind AdmissionReview';

  test.each<[string, string | Buffer, string]>([
    ['no text', '', 'not JSON'],
    ['other text', `{"${canary}`, 'not JSON'],
    ['a million nested lists', '['.repeat(1_000_000), 'nested too deeply'],
    ['two requests', '{"request":{},"request":{}}', 'request is given twice'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not UTF-8'],
    ['a byte order mark', '\ufeff{}', 'not JSON'],
    ['a list', '[]', 'the review is not an object'],
    ['null', 'null', 'the review is not an object'],
  ])('%s', async (_, text, why) => {
    await expectInvalid(readReview(Buffer.from(text as string)), why);
  });

  test.each<[string, object, string]>([
    ['v1beta1', { apiVersion: 'admission.k8s.io/v1beta1' }, version],
    ['another kind', { kind: canary }, version],
    ['no request', { request: undefined }, 'request is not an object'],
    ['a list as the request', { request: [] }, 'request is not an object'],
  ])('%s', async (_, review, why) => {
    await expectInvalid(read({}, review), why);
  });

  test.each<[string, object, string]>([
    ['no uid', { uid: undefined }, 'request.uid is missing'],
    ['an empty uid', { uid: '' }, 'request.uid is missing'],
    ['a number as the uid', { uid: 1 }, 'request.uid is not a string'],
    ['no operation', { operation: null }, 'request.operation is missing'],
    ['an object as the name', { name: { canary } }, 'request.name is not a string'],
    ['a list as the namespace', { namespace: [canary] }, 'request.namespace is not a string'],
    ['no kind', { kind: undefined }, 'request.kind is not an object'],
    ['no object', { object: null }, 'request.object is not an object'],
    ['a string as the object', { object: canary }, 'request.object is not an object'],
    ['a list as data', { object: { data: [canary] } }, 'data is not an object'],
    ['a string as data', { object: { data: canary } }, 'data is not an object'],
    [
      'a number in data',
      { object: { data: { canary: 1 } } },
      'data has a value that is not a string',
    ],
    [
      'an object in data',
      { object: { data: { a: { canary } } } },
      'data has a value that is not a string',
    ],
    ['a string as the old object', { oldObject: canary }, 'request.oldObject is not an object'],
    ['a list as old data', { oldObject: { data: [] } }, 'data is not an object'],
    ['a string as old metadata', { oldObject: { metadata: canary } }, 'metadata is not an object'],
  ])('%s', async (_, changed, why) => {
    await expectInvalid(read(changed), why);
  });

  async function expectInvalid(reading: Promise<unknown>, why: string) {
    await expect(reading).rejects.toMatchObject({
      code: 'REVIEW_INVALID',
      message: `invalid AdmissionReview: ${why}`,
      hint: 'send an admission.k8s.io/v1 AdmissionReview, as the API server does',
    });
  }
});

test('an answer is one line of JSON with only the response', () => {
  expect(answerText({ uid: '"\n', allowed: true })).toBe(
    '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"\\"\\n","allowed":true}}\n',
  );
});

const operationsIn = (patch: string): Operation[] =>
  JSON.parse(Buffer.from(patch, 'base64').toString());

describe('a patch', () => {
  test('replaces exactly the opened values', () => {
    const { patch, patchType } = patchOf(new Map([['a.b', Buffer.from([0, 255])]]));
    expect(patchType).toBe('JSONPatch');
    expect(operationsIn(patch)).toEqual([{ op: 'replace', path: '/data/a.b', value: 'AP8=' }]);
  });

  test.each([
    ['a/b', '/data/a~1b'],
    ['m~n', '/data/m~0n'],
    ['~1', '/data/~01'],
    ['~/~/', '/data/~0~1~0~1'],
    ['%2F', '/data/%2F'],
    ['', '/data/'],
    ['__proto__', '/data/__proto__'],
  ])('writes the data key %j as %j (RFC 6901 §3)', (name, path) => {
    const { patch } = patchOf(new Map([[name, Buffer.from('x')]]));
    expect(operationsIn(patch)[0]?.path).toBe(path);
  });

  test('is padded standard base64 without line breaks, in both layers', () => {
    const bytes = Buffer.alloc(3000, 0xfb);
    const { patch } = patchOf(new Map([['k', bytes]]));
    for (const text of [patch, String(operationsIn(patch)[0]?.value)])
      expect(Buffer.from(text, 'base64').toString('base64')).toBe(text);
  });

  const value = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), isSealed: fc.boolean() });
  const key = fc.oneof(
    fc.constantFrom(
      'a.b',
      '__proto__',
      'constructor',
      'a/b',
      'm~n',
      '~1',
      '~01',
      '/',
      '',
      '0',
      '-',
    ),
    fc.string({ unit: fc.constantFrom(...'~/01%".\\\n ab\u2028é😀') }),
  );
  const rest = fc.record({
    metadata: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })),
    immutable: fc.boolean(),
    type: fc.string(),
  });

  test('opens the sealed values of any Secret, and changes nothing else', async () => {
    const header = `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"namespace-wide","namespace":"hr"},"kid":"${keys.kid('small')}"}`;
    const stored = ({ bytes, isSealed }: { bytes: Uint8Array; isSealed: boolean }) =>
      base64(isSealed ? makeJwe(Buffer.from(bytes), keys.publicPem('small'), header) : bytes);
    const seen = { opened: 0, unchanged: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(key, value), { maxLength: 6 }),
        rest,
        async (entries, more) => {
          const values = [...new Map(entries)];
          const data = Object.fromEntries(values.map(([name, one]) => [name, stored(one)]));
          const opened = Object.fromEntries(values.map(([name, one]) => [name, base64(one.bytes)]));
          const object = { ...more, data };
          const { response } = await review(await read({ object, oldObject: null }), {
            keyring: [askedKey('small')],
            isKeyringComplete: true,
            acceptsUnbound: () => false,
            maxScope: 'namespace-wide',
          });
          expect(response.allowed).toBe(true);
          const operations = response.patch === undefined ? [] : operationsIn(response.patch);
          // Compared as text, because an own __proto__ counts.
          const wanted = JSON.stringify({ ...more, data: opened });
          expect(JSON.stringify(applyPatch(object, operations))).toBe(wanted);
          expect(operations).toHaveLength(values.filter(([, one]) => one.isSealed).length);
          seen[operations.length > 0 ? 'opened' : 'unchanged']++;
        },
      ),
      { numRuns: 80 },
    );
    expect(Math.min(seen.opened, seen.unchanged)).toBeGreaterThan(5);
  });
});

describe('the patch function of these tests refuses', () => {
  test.each([
    [{ op: 'add', path: '/data/a', value: 'x' }],
    [{ op: 'replace', path: '/data/b', value: 'x' }],
    [{ op: 'replace', path: '/data/toString', value: 'x' }],
    [{ op: 'replace', path: 'data/a', value: 'x' }],
    [{ op: 'replace', path: '/data/~2', value: 'x' }],
  ])('%j', (operation) => {
    expect(() => applyPatch({ data: { a: 'y' } }, [operation])).toThrow();
  });
});
