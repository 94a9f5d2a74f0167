import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textconv } from '../../src/inspect/textconv.ts';
import { readManifest } from '../../src/manifest/read.ts';
import { leaksOf } from '../helpers/canary.ts';
import { nestings } from '../manifest/random-nesting.ts';

const shown = (text: string) => textconv(readManifest(text, ''));
const leaks = (text: string) => leaksOf(Buffer.from('CANARY-nested'), Buffer.from(shown(text)));

test('no value of a Secret inside another object is shown', () => {
  fc.assert(
    fc.property(nestings, (text) => {
      expect(leaks(text)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});

const head = 'apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: hr }\n';
const annotated = (name: string, value: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    ${name}: ${value}\nstringData:\n  a: CANARY-nested\n`;

describe('nothing is shown of a value', () => {
  test.each([
    ['one level too far out', `${head}stringData:\nCANARY-nested: CANARY-nested\n`],
    ['of which a part became a key', `${head}stringData:\n  user CANARY-nested: x\n`],
    ['that became a key of a flow mapping', `${head}stringData: { CANARY-nested }\n`],
    ['under a misspelt field', `${head}stringsData: { a: { b: [CANARY-nested] } }\n`],
    ['under spec', `${head}spec:\n  stringData:\n    a: CANARY-nested\n`],
    ['under an alias', `${head}x: &x CANARY-nested\nstringData: { a: *x }\n`],
    ['under a merge key', `${head}x: &x { a: CANARY-nested }\nstringData: { <<: *x }\n`],
    [
      'of an object that is merged',
      `- &x { kind: Secret, data: { a: CANARY-nested } }\n- <<: *x\n`,
    ],
    ['whose kind is aliased', 'k: &k Secret\nitems: [{ kind: *k, data: { a: CANARY-nested } }]\n'],
    ['of a kustomize patch', 'metadata: { name: db }\nstringData: { a: CANARY-nested }\n'],
    [
      'in a comment',
      `# CANARY-nested\n${head}stringData: { a: x } # CANARY-nested\n---\n# CANARY-nested`,
    ],
    ['in the comment after a header', `${head}stringData:\n  a: | # CANARY-nested\n    x\n`],
    [
      'of a script',
      'run: |\n  kubectl apply -f - <<E\n  kind: Secret\n  stringData: {a: CANARY-nested\n  E\n',
    ],
    [
      'in an annotation of kopf',
      annotated('kopf.zalando.org/last-handled-configuration', 'CANARY-nested'),
    ],
    ['in an annotation of kapp', annotated('kapp.k14s.io/original', `'{"a":"CANARY-nested"}'`)],
    [
      'in an annotation of Rancher',
      annotated('objectset.rio.cattle.io/applied', 'H4sICANARY-nested'),
    ],
    ['in any annotation', annotated('note', 'was CANARY-nested')],
  ])('%s', (_, text) => {
    expect(leaks(text)).toEqual([]);
  });
});

describe('the rest of a manifest is shown', () => {
  test.each([
    [
      'the identity, names, labels and short annotations',
      [
        'apiVersion: v1',
        'kind: Secret',
        'metadata:',
        '  name: db',
        '  labels: { app: hr }',
        "  annotations: { argocd.argoproj.io/sync-wave: '1' }",
        'type: Opaque',
        'immutable: true',
      ],
    ],
    ['an object that refers to a Secret', ['env:', '- { kind: Secret, name: db } # not a Secret']],
    [
      'a Secret of another API group',
      ['apiVersion: x.io/v1', 'kind: Secret', 'spec: { region: eu }'],
    ],
  ])('%s', (_, lines) => {
    const text = `${lines.join('\n')}\n`;
    expect(shown(text)).toBe(text);
  });

  test('and the manifests in strings, line by line', () => {
    const text =
      'patches:\n- patch: |-\n    kind: Secret\n    apiVersion: v1\n    metadata: { name: db }\n    data:\n      a: x\n';
    expect(shown(text)).toBe(text.replace('|-', '|').replace('a: x', 'a: NOT SEALED (not shown)'));
  });
});
