import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readManifest } from '../../src/manifest/read.ts';
import { allowedCodes, type SealOptions, sealManifest } from '../../src/seal/seal.ts';
import { leaksOf } from '../helpers/canary.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { makePair } from '../jwe/pairs.ts';
import { layouts, linesOf, textOf, values } from '../manifest/random-secret.ts';

const options: SealOptions = {
  scope: 'strict',
  namespace: 'hr',
  stringData: false,
  policy: { strict: false, allow: new Set() },
  knownKeys: undefined,
};
const pair = await makePair();
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('a sealed manifest contains a value exactly if a warning says so', async () => {
  const places: readonly ((text: string) => string)[] = [
    () => '',
    (text) => `\n# ${text}\n`,
    (text) => `\n# ${base64(`postgres://db:${text}@db`)}\n`,
    (text) => `\n---\nkind: Other\nmetadata: { annotations: { a: "x ${text}" } }\n`,
    (text) => `\n---\nkind: Other\nmetadata: { labels: { a: ${base64(text)} } }\n`,
    (text) =>
      `\n---\nkind: Other\ndata: { a: ${Buffer.from(`${text}\n`).toString('base64url')} }\n`,
  ];
  await fc.assert(
    fc.asyncProperty(
      values,
      layouts,
      fc.nat(),
      fc.constantFrom(...places),
      async (all, layout, pick, place) => {
        const planted = all.map((value, n) => ({ ...value, text: `CANARY-${n}-of-a-test` }));
        const chosen = planted[pick % planted.length]?.text ?? '';
        const source = textOf(linesOf(planted, layout), layout) + place(chosen);
        const sealed = await sealManifest(readManifest(source, 'db.yaml'), pair, options);
        const warned = sealed.warnings.filter(({ code }) => code === 'plaintext-left');
        const keys = new Set(warned.map(({ key }) => key));
        const leaking = planted.filter(
          ({ text }) => leaksOf(Buffer.from(text), Buffer.from(sealed.text)).length > 0,
        );
        expect([...keys].sort()).toEqual(leaking.map(({ key }) => key).sort());
        expect(JSON.stringify(sealed.warnings)).not.toContain('CANARY');
      },
    ),
    { numRuns: 60 },
  );
});

const head = 'apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: hr }\n';

async function codesOf(rest: string, policy = options.policy): Promise<readonly string[]> {
  const manifest = readManifest(head + rest, 'db.yaml');
  const { warnings } = await sealManifest(manifest, pair, { ...options, policy });
  return warnings.map(({ code, position }) => `${position.line} ${code}`);
}

test.each([
  ['a: CANARY #4711', ['5 cut-off']],
  ['a: CANARY #x # y', ['5 cut-off']],
  ['a: CANARY # x', []],
  ['a: CANARY ## x', []],
  ['a: CANARY#4711', []],
  ['a: "CANARY" #x', []],
  ['a: CANARY-a\n  # CANARY-a', ['6 plaintext-left']],
  ['a: null', ['5 empty']],
  ['a: CANARY-b\n  b: CANARY-b', []],
])('a manifest with %j under stringData has the warnings %j', async (rest, codes) => {
  expect(await codesOf(`stringData:\n  ${rest}\n`)).toEqual(codes);
});

test.each(['cut-off', 'plaintext-left', 'empty'])(
  'a policy turns the warning %s into an error, or suppresses it',
  async (code) => {
    expect(allowedCodes).toContain(code);
    const rest = { 'cut-off': 'a: CANARY #1', 'plaintext-left': 'a: CANARY # CANARY', empty: 'a:' };
    const text = `stringData:\n  ${rest[code as keyof typeof rest]}\n`;
    await expect(codesOf(text, { strict: true, allow: new Set() })).rejects.toMatchObject({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(new RegExp(`^db\\.yaml:5:\\d+: .*\\[${code}\\]$`)),
    });
    expect(await codesOf(text, { strict: true, allow: new Set([code]) })).toEqual([]);
  },
);

test('the key of another certificate is a warning in a Secret of type kubernetes.io/tls', async () => {
  const authority = await makeAuthority();
  const [one, two] = [await authority.issue({}), await authority.issue({})];
  const file = (...blocks: readonly string[]) => JSON.stringify(`${blocks.join('\n')}\n`);
  const tls = (cert: string, key: string, type = 'kubernetes.io/tls') =>
    codesOf(`type: ${type}\nstringData:\n  tls.crt: ${cert}\n  tls.key: ${file(key)}\n`);
  expect(allowedCodes).toContain('key-mismatch');
  expect(await tls(file(one.cert), two.key)).toEqual(['7 key-mismatch']);
  expect(await tls(file(authority.cert, one.cert), one.key)).toEqual(['7 key-mismatch']);
  expect(await tls(file(one.cert), one.key)).toEqual([]);
  expect(await tls(file(one.cert, authority.cert), one.key)).toEqual([]);
  expect(await tls(file(one.cert), two.key, 'Opaque')).toEqual([]);
  expect(await tls(file(one.cert), 'CANARY\nCANARY')).toEqual([]);
});
