import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { compactDecrypt } from 'jose';
import { describe, expect, inject, test, vi } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { bindingTo, scopes } from '../../src/jwe/binding.ts';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { planMoves, resealing, withMoved } from '../../src/rekey/rekey.ts';
import { flipBit, kidOfPem, makeJwe } from '../helpers/jwe.ts';
import { AskedKey } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

function pairNamed(name: 'small' | 'k' | 'big', bits: number) {
  const read = (file: string) => readFileSync(join(inject('keys'), file));
  const publicPem = read(`${name}.pub`);
  const privateKey = createPrivateKey(read(`${name}.pem`));
  return { publicPem, key: createPublicKey(publicPem), privateKey, kid: kidOfPem(publicPem), bits };
}

type Pair = ReturnType<typeof pairNamed>;

const small = pairNamed('small', 2048);
const k = pairNamed('k', 3072);
const big = pairNamed('big', 4096);

const strict = bindingTo('strict', { namespace: 'hr', name: 'db', key: 'a' });
const seal = (text: string, pair: Pair, binding = strict) =>
  encryptCompact(Buffer.from(text), binding, pair);
const header = (more: object = {}) =>
  JSON.stringify({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256', ...more });
const sealUnbound = (text: string, pair: Pair, more?: object) =>
  makeJwe(Buffer.from(text), pair.publicPem, header(more));

const headerOf = (jwe: string) =>
  JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString());

async function opened(jwe: string, { privateKey }: Pair): Promise<string> {
  return Buffer.from((await compactDecrypt(jwe, privateKey)).plaintext).toString();
}

/** Plans and reseals all values in a text. */
async function move(source: string, to: Pair, keyring: readonly OpeningKey[]) {
  const plan = planMoves('f', source, to.kid, { acceptUnbound: true });
  const reseal = resealing({ keyring, to, allowRevoked: false });
  const entries = plan.moves.map(async (one) => [one.jwe, await reseal(one)] as const);
  const resealed = new Map(await Promise.all(entries));
  return { ...plan, resealed, text: withMoved(source, plan.moves, resealed) };
}

/** Sealed values of different lengths and scopes, with their plaintext. */
const pool = [small, k, big].flatMap((pair) => [
  ...scopes.map((scope, at) => {
    const text = 'CANARY-é'.repeat(at * at + 1);
    const binding = bindingTo(scope, { namespace: 'hr', name: `db${at}`, key: 'a'.repeat(at + 1) });
    return { text, pair, jwe: seal(text, pair, binding) };
  }),
  { text: '', pair, jwe: seal('', pair) },
  { text: 'CANARY', pair, jwe: sealUnbound('CANARY', pair, { kid: pair.kid }) },
]);
pool.push({ text: 'CANARY', pair: big, jwe: sealUnbound('CANARY', big) });
pool.push({ text: 'CANARY', pair: big, jwe: sealUnbound('CANARY', big, { kid: 'any', cty: 'x' }) });

const base64 = (text: string) => Buffer.from(text).toString('base64');
const folded = (text: string, width: number, fold: string) =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(fold);

/** The text around a value, and the value in a form; `first` is the value that the form began with. */
type Form = (jwe: string, first: string) => string;

const forms: fc.Arbitrary<Form> = fc.oneof(
  fc.constantFrom<Form>(
    (jwe) => `a: ${jwe}`,
    (jwe) => `\ta:\t"${jwe}" # é`,
    (jwe) => `a: '${jwe}', ${jwe}.`,
    (jwe) => `# was ${jwe}`,
    (jwe) => `{"a":"${jwe}","b":"x\\n${jwe}\\ny"}`,
    (jwe) => `a: {{ "${jwe}" | b64enc }}{{ end }}`,
    (jwe) => `a: ${base64(jwe)}`,
    (jwe) => `{"data":{"a":"${base64(jwe)}"}}`,
    (jwe) => `a: ${base64(`${jwe}\n`)}`,
    (jwe) => `a: |\n  TOKEN=${base64(jwe)}\n  USER=\n  b`,
    (jwe, first) => {
      const isPadded = base64(first).length % 4 === 0 && !base64(first).endsWith('=');
      return `a: "${isPadded ? base64(jwe) : base64(jwe).replace(/=+$/, '')}"`;
    },
  ),
  fc
    .tuple(fc.integer({ min: 20, max: 200 }), fc.constantFrom('\n', '\n  ', '\n\t', '\\n'))
    .chain(([width, fold]) =>
      fc.constantFrom<Form>(
        (jwe) => `a: |${fold}${folded(base64(jwe), width, fold)}`,
        (jwe) => `{"a":"${folded(base64(`${jwe}\n`), width, fold)}\\n","b":"c"}`,
      ),
    ),
);

const noise = fc.string({
  unit: fc.constantFrom(
    'é',
    '日',
    '😀',
    '\t',
    ' ',
    'a',
    'Z',
    '=',
    '-',
    '"',
    "'",
    '#',
    ':',
    '{',
    '\n',
  ),
  maxLength: 12,
});

test('every value in any form keeps its plaintext and binding, and the text keeps all other bytes', async () => {
  const part = fc.record({ form: forms, at: fc.nat(pool.length - 1), noise });
  const shape = fc.record({
    parts: fc.array(part, { minLength: 1, maxLength: 5 }),
    to: fc.constantFrom(small, k),
    start: fc.constantFrom('', '\uFEFF', '---\n'),
    end: fc.constantFrom('', '\n'),
    lineEnd: fc.constantFrom('\n', '\r\n'),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ parts, to, start, end, lineEnd }) => {
      const textWith = (next: ReadonlyMap<string, string>) => {
        const lines = parts.map(({ form, at, noise }) => {
          const { jwe = '' } = pool[at] ?? {};
          return `${noise}\n${form(next.get(jwe) ?? jwe, jwe)}`;
        });
        return `${start}${lines.join('\n')}${end}`.replaceAll('\n', lineEnd);
      };
      const source = textWith(new Map());
      const keys = [small, k, big].filter((pair) => pair !== to).map((pair) => new AskedKey(pair));
      const { errors, fragments, resealed, text } = await move(source, to, keys);
      expect([errors, fragments]).toEqual([[], []]);
      expect(text).toBe(textWith(resealed));

      const used = new Set(parts.map(({ at }) => pool[at]));
      const moved = [...used].filter((value) => value?.pair !== to);
      expect(keys.flatMap(({ asked }) => asked)).toHaveLength(moved.length);
      expect([...resealed.keys()].sort()).toEqual(moved.map((value) => value?.jwe).sort());
      for (const value of moved) {
        const next = resealed.get(value?.jwe ?? '') ?? '';
        expect(await opened(next, to)).toBe(value?.text);
        const { kseal } = headerOf(value?.jwe ?? '');
        expect(headerOf(next)).toEqual(JSON.parse(header({ kseal, kid: to.kid })));
      }
      expect(planMoves('f', text, to.kid, { acceptUnbound: true }).moves).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

describe('a value is not moved, and its error names its place', () => {
  const jwe = seal('CANARY', k);
  const json = (members: object) => JSON.stringify(members);
  const [protectedHeader, encrypted_key, iv, ciphertext, tag] = jwe.split('.');
  const flattened = json({ protected: protectedHeader, encrypted_key, iv, ciphertext, tag });

  test.each([
    ['unbound', `\na: ${sealUnbound('CANARY', k)}`, 'f:2:4: not bound to a Secret'],
    ['cut', `a: ${jwe.slice(0, -1)}`, 'f:1:4: JWE authentication tag'],
    ['longer', `a: ${jwe}A`, 'f:1:4: JWE authentication tag'],
    ['cut in base64', `a: ${base64(jwe).slice(0, -4)}`, 'f:1:4: JWE authentication tag'],
    ['RSA1_5', `a: ${sealUnbound('', k, { alg: 'RSA1_5' })}`, 'f:1:4: protected header member alg'],
    ['in JSON', `stringData:\n  a: '${flattened}'`, 'f:2:21: JWE in JSON form'],
    ['in JSON in JSON', json({ stringData: { a: flattened } }), 'f:1:38: JWE in JSON form'],
    ['in JSON in base64', `data:\n  a: ${base64(flattened)}`, 'f:2:6: JWE in JSON form'],
    [
      'in indented JSON',
      JSON.stringify(JSON.parse(flattened), null, 2),
      'f:2:17: JWE in JSON form',
    ],
  ])('%s', (_, source, message) => {
    const { moves, errors, fragments } = planMoves('f', source, big.kid, { acceptUnbound: false });
    expect([moves, fragments]).toEqual([[], []]);
    expect(errors.map((error) => error.message)).toEqual([expect.stringContaining(message)]);
    expect(errors[0]?.code).toMatch(/^JWE_/);
  });

  test('a strict one names its Secret and data key', () => {
    const { moves } = planMoves('f', `a: ${jwe}`, big.kid, { acceptUnbound: false });
    expect(moves.map(({ location }) => location)).toEqual([
      { position: { line: 1, column: 4 }, secret: 'hr/db', key: 'a' },
    ]);
  });

  test('text that only begins like one is reported as such', () => {
    const header = jwe.slice(0, 60);
    const source = `a: ${header}…\nb: "${header}.a.b"\n# too short: ${jwe.slice(0, 40)}`;
    const { errors, fragments } = planMoves('f', source, big.kid, { acceptUnbound: false });
    expect(errors).toEqual([]);
    expect(fragments.map(({ position }) => position.line)).toEqual([1, 2]);
  });
});

describe('a value that cannot be opened', () => {
  const reseal = async (jwe: string, keyring: readonly OpeningKey[]) => {
    const { moves } = planMoves('f', jwe, big.kid, { acceptUnbound: true });
    const [first] = moves;
    if (first === undefined) throw new Error('no value');
    return rejectionOf(resealing({ keyring, to: big, allowRevoked: false })(first));
  };

  test.each([
    ['is damaged', flipBit(seal('CANARY', k), 3, 0), 'DECRYPTION_FAILED', 1],
    ['opens to a sealed value', seal(seal('CANARY', k), k), 'JWE_REFUSED', 1],
    ['names another key', seal('CANARY', { ...small, kid: k.kid }), 'JWE_MALFORMED', 0],
    ['names an unknown key', seal('CANARY', small), 'KEY_UNKNOWN', 0],
    [
      'names the key of another',
      seal('CANARY', { ...big, bits: 0, kid: k.kid }),
      'JWE_MALFORMED',
      0,
    ],
  ])('because it %s', async (_, jwe, code, calls) => {
    const key = new AskedKey(k);
    expect((await reseal(jwe, [key])).code).toBe(code);
    expect(key.asked).toHaveLength(calls);
  });

  test('by a key of the right length, although it names that key', async () => {
    const key = new AskedKey({ ...small, kid: k.kid });
    const jwe = flipBit(seal('CANARY', { ...small, kid: k.kid }), 1, 100);
    expect((await reseal(jwe, [key])).code).toBe('DECRYPTION_FAILED');
  });

  test('because its key is revoked costs no call; a deprecated one opens it', async () => {
    const revoked = new AskedKey(k, 'revoked');
    expect((await reseal(seal('CANARY', k), [revoked])).code).toBe('KEY_REVOKED');
    expect(revoked.asked).toEqual([]);
    const { resealed } = await move(seal('CANARY', k), small, [new AskedKey(k, 'deprecated')]);
    expect(resealed.size).toBe(1);
  });
});

test('a key that became unavailable is not asked again, and others still open', async () => {
  const down = new KsealError('KEY_UNAVAILABLE', 'down');
  const asked = new AskedKey(k);
  const key: OpeningKey = {
    ...asked,
    kid: k.kid,
    decryptKey: (encryptedKey) =>
      asked.asked.length === 5 ? Promise.reject(down) : asked.decryptKey(encryptedKey),
  };
  const other = new AskedKey(small);
  const values = Array.from({ length: 60 }, (_, at) => seal(`CANARY-${at}`, k));
  const source = [...values, seal('CANARY', small)].join('\n');
  const { moves } = planMoves('f', source, big.kid, { acceptUnbound: false });
  const reseal = resealing({ keyring: [key, other], to: big, allowRevoked: false });
  const outcomes = await Promise.allSettled(moves.map(reseal));
  const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(new Set(reasons)).toEqual(new Set([down]));
  expect(reasons).toHaveLength(55);
  expect([asked.asked.length, other.asked.length]).toEqual([5, 1]);
});

test('at most 16 calls to a key run at the same time', async () => {
  const key = new AskedKey(small);
  const values = Array.from({ length: 40 }, (_, at) => seal(`CANARY-${at}`, small));
  await move(values.join('\n'), k, [key]);
  expect([key.asked.length, key.busiest]).toEqual([40, 16]);
});

test('the plaintext is erased as soon as it is sealed again', async () => {
  const plaintext = 'CANARY-longer-than-one-block';
  const source = seal(plaintext, small);
  const buffers: Buffer[] = [];
  const concat = Buffer.concat;
  const spy = vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const made = concat(list, length);
    if (made.toString() === plaintext) buffers.push(made, ...(list as readonly Buffer[]));
    return made;
  });
  try {
    await move(source, k, [new AskedKey(small)]);
  } finally {
    spy.mockRestore();
  }
  expect(buffers).toHaveLength(3);
  for (const buffer of buffers) expect(buffer.every((byte) => byte === 0)).toBe(true);
});
