import { expect, test } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { keyUsage, rekeyArguments } from '../../src/inspect/usage.ts';
import { bindingTo } from '../../src/jwe/binding.ts';
import type { KeyState } from '../../src/jwe/decrypt.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { makePair } from '../jwe/pairs.ts';

const file = (path: string, content: string | KsealError, isKeyFile = false) => ({
  path,
  isKeyFile,
  content: typeof content === 'string' ? Buffer.from(content) : content,
});

async function* each<T>(...items: T[]) {
  yield* items;
}

test('values are counted by their kid, wherever they are', async () => {
  const [pair, other] = await Promise.all([makePair(), makePair()]);
  const seal = (to = pair) =>
    encryptCompact(Buffer.from('CANARY'), bindingTo('cluster-wide', { key: 'k' }), to);
  const again = Buffer.from(seal()).toString('base64');
  const nameless = makeJwe(
    Buffer.from('CANARY'),
    pair.publicPem,
    '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  );
  const usage = await keyUsage(
    each(
      file('a.yaml', `a: ${again}\n# é ${seal()}\nb: ${seal(other)}\n`),
      file('b.yaml', `${nameless}\n`),
      file('c.yaml', seal().slice(0, -2)),
      file('d.pem', seal(), true),
      file('e.yaml', new KsealError('IO', 'permission denied')),
      file('f.yaml', `x: "${seal()}"`),
    ),
  );
  expect(Object.fromEntries(usage)).toEqual({
    [pair.kid]: { values: 3, files: ['a.yaml', 'f.yaml'] },
    [other.kid]: { values: 1, files: ['a.yaml'] },
    '': { values: 1, files: ['b.yaml'] },
  });
});

const key = (name: string, kid: string, state: KeyState = 'active') => ({ name, kid, state });
const old = key('old', 'OLD', 'deprecated');
const usage = (files: Readonly<Record<string, readonly string[]>>) =>
  new Map(Object.entries(files).map(([kid, names]) => [kid, { values: 1, files: names }]));

test.each([
  {
    title: 'one file is named',
    files: { OLD: ['prod/db.yaml'], NEXT: ['prod/api.yaml'] },
    args: { paths: ['prod/db.yaml'], to: 'next', from: [] },
  },
  {
    title: 'several files are named by their folder',
    files: { OLD: ['../prod/a/db.yaml', '../prod/b.yaml'], NEXT: ['../prod/api.yaml'] },
    args: { paths: ['../prod'], to: 'next', from: [] },
  },
  {
    title: 'files without a common folder are in the current one',
    files: { OLD: ['a.yaml', 'b/c.yaml'] },
    args: { paths: ['.'], to: 'next', from: [] },
  },
  {
    title: 'a folder that has values of other keys is not named',
    files: { OLD: ['prod/a.yaml', 'test/a.yaml'], TEST: ['test/b.yaml'] },
    args: { paths: ['prod/a.yaml', 'test/a.yaml'], to: 'next', from: [] },
  },
  {
    title: 'a file that has values of other keys keeps them',
    files: { OLD: ['a.yaml'], TEST: ['a.yaml'] },
    args: { paths: ['a.yaml'], to: 'next', from: ['old'] },
  },
  {
    title: 'many files are not named one by one',
    files: { OLD: [...'abcdefghijk'].map((name) => `prod/${name}`), TEST: ['prod/x'] },
    args: { paths: ['prod'], to: 'next', from: ['old'] },
  },
])('values on an old key: $title', ({ files, args }) => {
  expect(rekeyArguments(usage(files), [old], [key('next', 'NEXT')], () => 'old')).toEqual(args);
});

test('of several active keys, the rules choose the one to move values to', () => {
  const active = [key('test', 'TEST'), key('next', 'NEXT'), key('alias', 'NEXT')];
  const files = usage({ OLD: ['prod/a.yaml', 'prod/b.yaml'], TEST: ['test/a.yaml'] });
  const to = (ruled: (path: string) => string | undefined) =>
    rekeyArguments(files, [old], active, ruled).to;
  expect(to(() => 'next')).toBe('next');
  expect(to((path) => (path === 'prod/a.yaml' ? 'next' : undefined))).toBe('next');
  expect(to((path) => (path === 'prod/a.yaml' ? 'next' : 'test'))).toBe('NEW');
  expect(to(() => undefined)).toBe('NEW');
});
