import { describe, expect, it } from 'vitest';
import { readManifest } from '../../src/manifest/read.ts';
import { plaintextAnnotations } from '../../src/manifest/read-secret.ts';
import type { SecretDocument } from '../../src/manifest/types.ts';

const kubectl = 'kubectl.kubernetes.io/last-applied-configuration';
const kubecfg = 'kubecfg.ksonnet.io/last-applied-configuration';
const jwe = `${Buffer.from('{"alg":"RSA-OAEP-256"}').toString('base64url')}.a.b.c.d`;
const sealed = Buffer.from(jwe).toString('base64');

function secretWith(annotations: Record<string, string>): SecretDocument {
  const source = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { annotations } });
  const [secret] = readManifest(source, 'db.json').secrets;
  if (secret === undefined) throw new Error('no Secret');
  return secret;
}

describe('plaintextAnnotations', () => {
  it.each([
    ['plaintext under data', '{"data":{"a":"cGxhaW4="}}'],
    ['plaintext under stringData', '{"stringData":{"a":"plain"}}'],
    ['plaintext next to a sealed value', JSON.stringify({ data: { a: sealed, b: 'cGxhaW4=' } })],
    ['a field in the wrong case', '{"stringdata":{"a":"plain"}}'],
    ['a value that is not a string', '{"data":{"a":1}}'],
    ['a field that is not a mapping', '{"data":"plain"}'],
    ['text that is not JSON', 'plain'],
    ['JSON that is not an object', '["plain"]'],
  ])('returns one with %s', (_, text) => {
    expect(plaintextAnnotations(secretWith({ [kubectl]: text }))).toEqual([kubectl]);
    expect(plaintextAnnotations(secretWith({ [kubecfg]: text }))).toEqual([kubecfg]);
  });

  it.each([
    ['only sealed values', JSON.stringify({ data: { a: sealed }, stringData: { b: jwe } })],
    ['no values', '{"data":{},"metadata":{"name":"db"}}'],
    ['null instead of values', '{"data":null}'],
  ])('ignores one with %s', (_, text) => {
    expect(plaintextAnnotations(secretWith({ [kubectl]: text }))).toEqual([]);
  });

  it('ignores other annotations', () => {
    expect(plaintextAnnotations(secretWith({ note: '{"data":{"a":"cGxhaW4="}}' }))).toEqual([]);
  });
});
