import { describe, expect, test } from 'vitest';
import {
  gcloudGrant,
  gcloudKeys,
  gcloudVersions,
  parseKmsReference,
} from '../../../src/keys/gcpkms/name.ts';

const key = 'projects/acme-prod/locations/europe-west3/keyRings/Ring_1/cryptoKeys/hr-key';
const version = `${key}/cryptoKeyVersions/12`;

describe('parseKmsReference', () => {
  test.each([
    [key, 'acme-prod', false],
    [version, 'acme-prod', true],
    [key.replace('acme-prod', '123456789'), '123456789', false],
    [key.replace('acme-prod', 'example.com:acme'), 'example.com:acme', false],
  ])('reads %s', (name, project, isVersion) => {
    expect(parseKmsReference(`gcpkms://${name}`)).toEqual({ name, project, isVersion });
  });

  test('the scheme may have any case, as in any URL', () => {
    expect(parseKmsReference(`GCPKMS://${key}`).name).toBe(key);
  });

  test.each([
    ['nothing', ''],
    ['a part missing', key.replace('/locations/europe-west3', '')],
    ['an empty part', key.replace('Ring_1', '')],
    ['a wrong collection', key.replace('keyRings', 'keyrings')],
    ['a project in capitals', key.replace('acme-prod', 'Acme')],
    ['a part that is ..', key.replace('Ring_1', '..')],
    ['white space', key.replace('hr-key', 'hr key')],
    ['a line break', key.replace('hr-key', 'hr\nkey')],
  ])('refuses %s', (_, name) => {
    expect(() => parseKmsReference(`gcpkms://${name}`)).toThrow(
      expect.objectContaining({
        code: 'KEY_REFERENCE_INVALID',
        message: `gcpkms://${name}: not a Cloud KMS key`,
        hint: 'use gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N]',
      }),
    );
  });

  test.each([
    ['a host', `gcpkms://cloudkms.googleapis.com/${key}`, key],
    ['a third slash', `gcpkms:///${key}`, key],
    ['a trailing slash', `gcpkms://${version}/`, version],
    ['the path of a method', `gcpkms://${version}/publicKey`, version],
    ['a query', `gcpkms://${key}?alt=json`, key],
    ['a trailing line break', `gcpkms://${key}\n`, key],
    ['version 0', `gcpkms://${key}/cryptoKeyVersions/0`, key],
    ['a version with a leading zero', `gcpkms://${key}/cryptoKeyVersions/01`, key],
    ['a version in words', `gcpkms://${key}/cryptoKeyVersions/latest`, key],
  ])('refuses %s, and suggests a reference', (_, reference, meant) => {
    expect(() => parseKmsReference(reference)).toThrow(
      expect.objectContaining({
        code: 'KEY_REFERENCE_INVALID',
        hint: `did you mean 'gcpkms://${meant}'?`,
      }),
    );
  });
});

test('gcloud commands name the key', () => {
  const place = '--keyring Ring_1 --location europe-west3 --project acme-prod';
  expect(gcloudKeys('list', version)).toBe(`gcloud kms keys list ${place}`);
  expect(gcloudVersions('enable', version)).toBe(
    `gcloud kms keys versions enable 12 --key hr-key ${place}`,
  );
  expect(gcloudVersions('list', key)).toBe(`gcloud kms keys versions list --key hr-key ${place}`);
  expect(gcloudGrant('roles/x', version)).toBe(
    `gcloud kms keys add-iam-policy-binding hr-key ${place} --member user:YOU --role roles/x`,
  );
});
