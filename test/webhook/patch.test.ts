import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { patchOf, readReview } from '../../src/webhook/admission-review.ts';
import { review } from '../../src/webhook/review.ts';
import { applyPatch, type Operation } from '../helpers/json-patch.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { AskedKey, makePair } from '../jwe/pairs.ts';

const pair = await makePair();

const operationsIn = (patch: string): Operation[] =>
  JSON.parse(Buffer.from(patch, 'base64').toString());

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');

/** A value in a Secret: its bytes, and whether they are sealed. */
const value = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), isSealed: fc.boolean() });

const key = fc.oneof(
  fc.constantFrom('a.b', '__proto__', 'constructor', 'a/b', 'm~n', '~1', '~01', '/', '', '0', '-'),
  fc.string({ unit: fc.constantFrom(...'~/01%".\\\n ab\u2028é😀') }),
);

/** The rest of an object, which nobody may touch. */
const rest = fc.record({
  metadata: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })),
  immutable: fc.boolean(),
  type: fc.string(),
});

const header = (kid: string) =>
  `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"namespace-wide","namespace":"hr"},"kid":"${kid}"}`;

function standing({ bytes, isSealed }: { bytes: Uint8Array; isSealed: boolean }) {
  if (!isSealed) return base64(bytes);
  return base64(makeJwe(Buffer.from(bytes), pair.publicPem, header(pair.kid)));
}

test('the patch opens what is sealed, and changes nothing else', async () => {
  const seen = { opened: 0, left: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(key, value), { maxLength: 6 }),
      rest,
      async (entries, more) => {
        const values = new Map(entries);
        const data = Object.fromEntries([...values].map(([name, one]) => [name, standing(one)]));
        const opened = Object.fromEntries(
          [...values].map(([name, one]) => [name, base64(one.bytes)]),
        );
        const object = { ...more, data };
        const { patch, allowed } = await answerTo(object);
        expect(allowed).toBe(true);
        const operations = patch === undefined ? [] : operationsIn(patch);
        // As text, for an own `__proto__` counts.
        const wanted = JSON.stringify({ ...more, data: opened });
        expect(JSON.stringify(applyPatch(object, operations))).toBe(wanted);
        expect(operations).toHaveLength([...values.values()].filter((one) => one.isSealed).length);
        seen[operations.length > 0 ? 'opened' : 'left']++;
      },
    ),
    { numRuns: 150 },
  );
  expect(Math.min(seen.opened, seen.left)).toBeGreaterThan(10);
});

async function answerTo(object: object) {
  const kind = { group: '', version: 'v1', kind: 'Secret' };
  const request = { uid: 'u', kind, operation: 'CREATE', namespace: 'hr', name: 'db', object };
  const text = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
  const read = readReview(Buffer.from(JSON.stringify(text)));
  const { response } = await review(read, {
    keyring: [new AskedKey(pair)],
    isKeyringComplete: true,
    acceptsUnbound: () => false,
    maxScope: 'namespace-wide',
  });
  return response;
}

describe('a patch', () => {
  test('replaces exactly the values that were opened, each under its own path', () => {
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

  test('is padded base64 of the standard alphabet, without line breaks, in both layers', () => {
    const bytes = Buffer.alloc(3000, 0xfb);
    const { patch } = patchOf(new Map([['k', bytes]]));
    for (const text of [patch, String(operationsIn(patch)[0]?.value)])
      expect(Buffer.from(text, 'base64').toString('base64')).toBe(text);
  });
});

// The hand that applies patches in these tests is held to the RFCs itself.
describe('a patch that does not fit is not applied', () => {
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
