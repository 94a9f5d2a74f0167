import { expect, test } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { keyUsage } from '../../src/inspect/usage.ts';
import { bindingTo } from '../../src/jwe/binding.ts';
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
