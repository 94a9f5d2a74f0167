import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadOpeningKeys, loadPublicKey } from '../../src/keys/open.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-open-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pair = await makePair();
writeFileSync(join(folder, 'prod'), pair.publicPem);
writeFileSync(join(folder, 'prod.pem'), pair.privatePem);

const load = {
  'to seal': async (reference: string) => [await loadPublicKey(reference, folder)],
  'to open': (reference: string) => loadOpeningKeys(reference, folder),
};

test('a path starts from the folder given, and an absolute one where it says', async () => {
  const [relative] = await load['to seal']('./prod');
  const absolute = await loadPublicKey(join(folder, 'prod'), '/nowhere');
  const opening = await load['to open']('prod.pem');
  expect([relative?.kid, absolute.kid, ...opening.map(({ kid }) => kid)]).toEqual(
    Array(3).fill(pair.kid),
  );
});

test('an error shows the path as it was written', async () => {
  const { message } = await rejectionOf(load['to open']('../no/../missing.pem'));
  expect(message).toBe('../no/../missing.pem: cannot read: no such file');
});

describe.each(Object.entries(load))('a key %s', (_, from) => {
  test('is not looked for in a file when the word is a name', async () => {
    expect(await rejectionOf(from('prod'))).toEqual({
      code: 'KEY_REFERENCE_INVALID',
      message: 'no key named prod is configured',
      hint: 'for a file of that name: -k ./prod',
    });
  });

  test.each(['file', 'https', 'constructor'])('is not read from %s://', async (scheme) => {
    expect(await rejectionOf(from(`${scheme}://${folder}/prod`))).toMatchObject({
      code: 'KEY_REFERENCE_INVALID',
      message: `no keys are read from ${scheme}://`,
    });
  });
});
