import { expect, test } from 'vitest';
import { placeOf } from '../../src/manifest/place.ts';
import { readManifest } from '../../src/manifest/read.ts';
import type { SecretDocument } from '../../src/manifest/types.ts';
import { thrownBy } from '../jwe/thrown.ts';

function secretWith(metadata: object): SecretDocument {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata });
  const [secret] = readManifest(text, 'db.json').secrets;
  if (secret === undefined) throw new Error('no Secret');
  return secret;
}

test.each([
  [{ name: 'db', namespace: 'hr' }, undefined, { name: 'db', namespace: 'hr' }],
  [{ name: 'db', namespace: 'hr' }, 'hr', { name: 'db', namespace: 'hr' }],
  [{ name: 'db' }, 'hr', { name: 'db', namespace: 'hr' }],
  [{ name: 'db' }, undefined, { name: 'db', namespace: undefined }],
  [{}, 'hr', { name: undefined, namespace: 'hr' }],
  [{ namespace: '' }, 'hr', { name: undefined, namespace: 'hr' }],
])('metadata %j with -n %s has the place %j', (metadata, given, place) => {
  expect(placeOf('db.json', secretWith(metadata), given)).toEqual(place);
});

test('two different namespaces are an error that names both', () => {
  const secret = secretWith({ name: 'db', namespace: 'hr' });
  expect(thrownBy(() => placeOf('db.json', secret, 'ops'))).toEqual({
    code: 'BINDING_MISMATCH',
    message: 'db.json:1:1: Secret hr/db: namespace hr contradicts -n ops',
    hint: 'omit -n, or correct metadata.namespace',
  });
});
