import { suggest } from '../../text.ts';
import type { Rule, UnknownField, Violation } from '../rule.ts';

export const unknownField: Rule = {
  id: 'unknown-field',
  severity: 'error',
  summary: 'a field that a Secret does not have',
  why: 'Kubernetes is strict about the spelling and the place of a field: it refuses or drops unknown fields. A value in such a field reaches no program, and kseal does not seal it, so plaintext there stays in Git.',
  wrong: 'kind: Secret\nmetadata:\n  type: Opaque\nData:\n  password: Y29ycmVjdCBob3JzZQ==',
  right:
    'kind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'unknown-field' ? problem : undefined),
  checkSecret: ({ unknownFields }) => unknownFields.map(violation),
};

/** The fields of a Secret and its metadata (k8s.io/api core/v1, apimachinery meta/v1 ObjectMeta). */
export const knownFields: Readonly<Record<UnknownField['parent'], readonly string[]>> = {
  'a Secret': ['apiVersion', 'kind', 'metadata', 'data', 'stringData', 'type', 'immutable'],
  metadata: [
    ...['name', 'generateName', 'namespace', 'labels', 'annotations', 'finalizers'],
    ...['ownerReferences', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink'],
    ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'],
  ],
};

function violation({ name, parent, position }: UnknownField): Violation {
  return { position, message: `unknown field in ${parent}`, hint: hintFor(name, parent) };
}

function hintFor(name: string, parent: UnknownField['parent']): string {
  const meant = suggest(name, knownFields[parent]);
  if (Object.values(knownFields).flat().includes(name) && name !== meant)
    return `move it ${parent === 'metadata' ? 'out of metadata, to the top level' : 'into metadata'}`;
  if (meant !== undefined) return `did you mean ${meant}?`;
  return parent === 'metadata' ? 'remove it' : 'remove it, or indent it if it is a data key';
}
