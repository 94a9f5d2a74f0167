import { describe, expect, test } from 'vitest';
import { readReview } from '../../src/webhook/admission-review.ts';
import { thrownBy } from '../jwe/thrown.ts';

const secret = { group: '', version: 'v1', kind: 'Secret' };

/** What looks sealed, as `data` holds it: {"alg":"RSA. */
const sealed = Buffer.from('eyJhbGciOiJSU0E').toString('base64');

const request = {
  uid: 'u',
  kind: secret,
  operation: 'UPDATE',
  namespace: 'hr',
  name: 'db',
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

test('an AdmissionReview is read as far as there is something to open', () => {
  expect(read({})).toEqual({
    uid: 'u',
    operation: 'UPDATE',
    namespace: 'hr',
    name: 'db',
    dryRun: true,
    secret: {
      data: new Map([['a', sealed]]),
      before: new Map([['a', 'QQ==']]),
      isBeingDeleted: false,
    },
  });
});

test('what the API server may leave out may be absent, null or empty', () => {
  const bare = { dryRun: undefined, oldObject: undefined, name: undefined, namespace: undefined };
  const nothing = { uid: 'u', namespace: '', name: undefined, dryRun: false };
  for (const data of [undefined, null, {}]) {
    const found = read({ ...bare, operation: 'CREATE', object: { data } });
    expect(found).toMatchObject(nothing);
    expect(found.secret).toEqual({ data: new Map(), before: new Map(), isBeingDeleted: false });
  }
  expect(read({ name: '', dryRun: null, oldObject: null })).toMatchObject({
    name: undefined,
    dryRun: false,
  });
});

test.each([
  ['DELETE', { operation: 'DELETE', object: null }],
  ['CONNECT', { operation: 'CONNECT', object: null }],
  ['an operation that does not exist yet', { operation: 'READ' }],
  ['another kind', { kind: { ...secret, kind: 'ConfigMap' } }],
  ['another group', { kind: { ...secret, group: 'example.com' } }],
  ['a subresource', { subResource: 'status' }],
])('there is nothing to open in %s', (_, changed) => {
  expect(read(changed).secret).toBeUndefined();
});

test('the stored object says whether a Secret is being deleted, and not the one that is sent', () => {
  const deleted = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
  expect(read({ oldObject: deleted }).secret?.isBeingDeleted).toBe(true);
  expect(read({ object: deleted }).secret?.isBeingDeleted).toBe(false);
  expect(read({ oldObject: { metadata: null } }).secret?.isBeingDeleted).toBe(false);
});

test('an own __proto__ under data is a data key like any other', () => {
  const object = JSON.parse(`{"data":{"__proto__":"${sealed}","constructor":"${sealed}"}}`);
  expect([...(read({ object }).secret?.data ?? [])]).toEqual([
    ['__proto__', sealed],
    ['constructor', sealed],
  ]);
});

test('of a thousand values only those are kept that may be sealed, and what was there before', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const kept = {
    compact: sealed,
    again: base64(sealed),
    json: base64(`{"protected":"eyJhbGciOiJSU0EtT0FFUC0yNTYi","ciphertext":"x"}`),
    'no base64': 'Q',
    'not canonical': 'QR==',
  };
  const others = Array.from({ length: 1000 }, (_, index) => [`k${index}`, 'QQ==']);
  const data = { ...Object.fromEntries(others), ...kept };
  const { secret } = read({ object: { data }, oldObject: { data: { k1: 'QQ==', json: 'QQ==' } } });
  expect(Object.fromEntries(secret?.data ?? [])).toEqual(kept);
  expect(Object.fromEntries(secret?.before ?? [])).toEqual({ json: 'QQ==' });
});

describe('REVIEW_INVALID, without a word out of the review', () => {
  const canary = 'CANARY-review';
  const texts: [string, string | Buffer, string][] = [
    ['nothing', '', 'not JSON'],
    ['no JSON', `{"${canary}`, 'not JSON'],
    ['lists a million deep', '['.repeat(1_000_000), 'not JSON'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not UTF-8'],
    ['a byte order mark', '\ufeff{}', 'not JSON'],
    ['a list', '[]', 'the review is no object'],
    ['null', 'null', 'the review is no object'],
  ];
  test.each(texts)('%s', (_, text, why) => {
    expectInvalid(() => readReview(Buffer.from(text as string)), why);
  });

  test.each<[string, object, string]>([
    [
      'v1beta1',
      { apiVersion: 'admission.k8s.io/v1beta1' },
      'not an AdmissionReview of admission.k8s.io/v1',
    ],
    ['another kind', { kind: canary }, 'not an AdmissionReview of admission.k8s.io/v1'],
    ['no request', { request: undefined }, 'request is no object'],
    ['a request that is a list', { request: [] }, 'request is no object'],
  ])('%s', (_, review, why) => {
    expectInvalid(() => read({}, review), why);
  });

  test.each<[string, object, string]>([
    ['no uid', { uid: undefined }, 'request.uid is missing'],
    ['an empty uid', { uid: '' }, 'request.uid is missing'],
    ['a uid that is a number', { uid: 1 }, 'request.uid is no text'],
    ['no operation', { operation: null }, 'request.operation is missing'],
    ['a name that is an object', { name: { canary } }, 'request.name is no text'],
    ['a namespace that is a list', { namespace: [canary] }, 'request.namespace is no text'],
    ['no kind', { kind: undefined }, 'request.kind is no object'],
    ['no object', { object: null }, 'request.object is no object'],
    ['an object that is a text', { object: canary }, 'request.object is no object'],
    ['data that is a list', { object: { data: [canary] } }, 'data is no object'],
    ['data that is a text', { object: { data: canary } }, 'data is no object'],
    [
      'a value that is a number',
      { object: { data: { canary: 1 } } },
      'a value under data is no text',
    ],
    [
      'a value that is an object',
      { object: { data: { a: { canary } } } },
      'a value under data is no text',
    ],
    ['an old object that is a text', { oldObject: canary }, 'request.oldObject is no object'],
    ['old data that is a list', { oldObject: { data: [] } }, 'data is no object'],
    ['old metadata that is a text', { oldObject: { metadata: canary } }, 'metadata is no object'],
  ])('%s', (_, changed, why) => {
    expectInvalid(() => read(changed), why);
  });

  function expectInvalid(run: () => unknown, why: string) {
    expect(thrownBy(run)).toEqual({
      code: 'REVIEW_INVALID',
      message: `cannot read the AdmissionReview: ${why}`,
      hint: 'send an AdmissionReview of admission.k8s.io/v1, as the API server does',
    });
  }
});
