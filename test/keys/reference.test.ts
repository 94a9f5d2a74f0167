import { expect, test } from 'vitest';
import { parseReference } from '../../src/keys/reference.ts';
import { thrownBy } from '../jwe/thrown.ts';

const version = 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3';

test.each([
  ['prod', { kind: 'name', name: 'prod' }],
  ['prod-2_B', { kind: 'name', name: 'prod-2_B' }],
  ['-', { kind: 'name', name: '-' }],
  ['__proto__', { kind: 'name', name: '__proto__' }],
  ['./prod', { kind: 'file', path: './prod' }],
  ['prod.pub', { kind: 'file', path: 'prod.pub' }],
  ['keys/prod.pub', { kind: 'file', path: 'keys/prod.pub' }],
  ['/keys/prod', { kind: 'file', path: '/keys/prod' }],
  ['../prod', { kind: 'file', path: '../prod' }],
  ['~/prod', { kind: 'file', path: '~/prod' }],
  ['my key', { kind: 'file', path: 'my key' }],
  ['schlüssel', { kind: 'file', path: 'schlüssel' }],
  ['C:\\keys\\prod.pub', { kind: 'file', path: 'C:\\keys\\prod.pub' }],
  ['C:/keys/prod.pub', { kind: 'file', path: 'C:/keys/prod.pub' }],
  ['C:prod', { kind: 'file', path: 'C:prod' }],
  ['gcpkms:prod', { kind: 'file', path: 'gcpkms:prod' }],
  ['gcpkms:/prod', { kind: 'file', path: 'gcpkms:/prod' }],
  [`gcpkms://${version}`, { kind: 'remote', scheme: 'gcpkms' }],
  ['GCPKMS://P', { kind: 'remote', scheme: 'gcpkms' }],
  ['git+https://host/org/repo.git?ref=main#keys/prod.pub', { kind: 'remote', scheme: 'git+https' }],
  ['git+ssh://git@host/a b', { kind: 'remote', scheme: 'git+ssh' }],
  ['file:///keys/prod.pub', { kind: 'remote', scheme: 'file' }],
  ['azurekms://a\nb', { kind: 'remote', scheme: 'azurekms' }],
])('%s', (text, reference) => {
  expect(parseReference(text)).toEqual(reference);
});

test('an empty reference is refused', () => {
  expect(thrownBy(() => parseReference(''))).toEqual({
    code: 'KEY_REFERENCE_INVALID',
    message: 'empty key reference',
    hint: '-k keys/prod.pub',
  });
});
