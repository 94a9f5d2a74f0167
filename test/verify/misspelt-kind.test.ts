import { describe, expect, test } from 'vitest';
import { brokenBy, manifest } from './values.ts';

describe('a misspelt kind is reported', () => {
  test.each([
    ['in its value', 'apiVersion: v1\nkind: secret', ['2 misspelt-kind']],
    ['in its key', 'apiVersion: v1\nKIND: Secret', ['2 misspelt-kind']],
    ['without an apiVersion, beside data', 'Kind: Secret\ndata: {}', ['1 misspelt-kind']],
    ['but not without an apiVersion and data', 'Kind: Secret', []],
    ['but not with another apiVersion', 'apiVersion: x/v1\nkind: secret\ndata: {}', []],
  ])('%s', (_, text, broken) => {
    expect(brokenBy(text)).toEqual(broken);
  });

  test('in each item of a list, at any depth', () => {
    const lines = [
      ...['apiVersion: v1', 'kind: List', 'items:'],
      ...['- apiVersion: v1', '  kind: secret'],
      ...['- apiVersion: v1', '  kind: Secret', '  metadata: { name: a, namespace: hr }'],
      ...['- apiVersion: v1', '  kind: List', '  items:'],
      ...['  - Kind: Secret', '    stringData: { a: horse }'],
    ];
    expect(brokenBy(lines.join('\n'))).toEqual(['5 misspelt-kind', '12 misspelt-kind']);
  });

  test('but not in the items of a document that is reported, or of a Secret', () => {
    const items = 'items:\n- apiVersion: v1\n  kind: secret';
    expect(brokenBy(`apiVersion: v1\nkind: secret\n${items}`)).toEqual(['2 misspelt-kind']);
    expect(brokenBy(manifest(items))).toEqual(['4 unknown-field']);
  });
});
