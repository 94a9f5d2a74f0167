import { suggest } from '../../text.ts';
import type { Remark, Rule, UnknownField } from '../rule.ts';

export const unknownField: Rule = {
  id: 'unknown-field',
  severity: 'error',
  summary: 'a field that no Secret has',
  why: 'Kubernetes is strict about case and about where a field stands: it refuses what it does not know, or drops it. Values in such a field reach no program, and kseal does not seal them, so a plaintext there stays in Git.',
  wrong: 'kind: Secret\nmetadata:\n  type: Opaque\nData:\n  password: Y29ycmVjdCBob3JzZQ==',
  right:
    'kind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  inTemplates: true,
  checkSecret: ({ unknownFields }) => unknownFields.map(remarkOn),
};

/** The fields of a Secret and of its metadata (k8s.io/api core/v1, apimachinery meta/v1 ObjectMeta). */
export const knownFields: Readonly<Record<UnknownField['parent'], readonly string[]>> = {
  'a Secret': ['apiVersion', 'kind', 'metadata', 'data', 'stringData', 'type', 'immutable'],
  metadata: [
    ...['name', 'generateName', 'namespace', 'labels', 'annotations', 'finalizers'],
    ...['ownerReferences', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink'],
    ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'],
  ],
};

function remarkOn({ name, parent, position }: UnknownField): Remark {
  const meant = suggest(name, knownFields[parent]);
  const elsewhere = Object.values(knownFields).flat().includes(name) && name !== meant;
  const values = parent === 'metadata' ? '' : ', or indent it, if it is a data key';
  const hint = elsewhere
    ? `move it ${parent === 'metadata' ? 'out of metadata, to the top level' : 'into metadata'}`
    : meant === undefined
      ? `remove it${values}`
      : `did you mean ${meant}?`;
  return { position, message: `a field that ${parent} does not have`, hint };
}
