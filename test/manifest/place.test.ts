import { expect, test } from 'vitest';
import { placeOf } from '../../src/manifest/place.ts';
import { thrownBy } from '../jwe/thrown.ts';

test.each([
  [{ name: 'db', namespace: 'hr' }, undefined, { name: 'db', namespace: 'hr' }],
  [{ name: 'db', namespace: 'hr' }, 'hr', { name: 'db', namespace: 'hr' }],
  [{ name: 'db' }, 'hr', { name: 'db', namespace: 'hr' }],
  [{ name: 'db' }, undefined, { name: 'db', namespace: undefined }],
  [{}, 'hr', { name: undefined, namespace: 'hr' }],
])('a manifest with %j and -n %s has the place %j', (identity, given, place) => {
  expect(placeOf(identity, given)).toEqual(place);
});

test('two different namespaces are an error that names both', () => {
  expect(thrownBy(() => placeOf({ name: 'db', namespace: 'hr' }, 'ops'))).toEqual({
    code: 'BINDING_MISMATCH',
    message: '-n says ops, but the manifest says namespace hr',
    hint: 'leave -n away, or correct metadata.namespace',
  });
});

test('an empty namespace is different from no namespace', () => {
  expect(thrownBy(() => placeOf({ namespace: '' }, 'hr')).code).toBe('BINDING_MISMATCH');
  expect(placeOf({ namespace: '' }, undefined).namespace).toBe('');
});
