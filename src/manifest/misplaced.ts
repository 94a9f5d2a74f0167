import type { YamlMap, YamlNode } from '../yaml/node.ts';
import { type Fault, nameOf } from './literal.ts';
import { type Field, fieldNames } from './manifest.ts';

/** Fields that the API server drops, so that plaintext in them would be neither used nor sealed. */
export function misplaced(root: YamlMap, metadata: YamlMap | undefined): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { key } of root.entries) {
    const field = similarField(nameOf(key));
    if (field !== undefined && field !== nameOf(key))
      faults.push(unknownField(key, `rename it to ${field}`));
  }
  for (const { key } of metadata?.entries ?? []) {
    if (similarField(nameOf(key)) !== undefined || nameOf(key) === 'type')
      faults.push(unknownField(key, 'move it out of metadata, to the top level of the Secret'));
  }
  return faults;
}

const fieldsInLowerCase = new Map(fieldNames.map((field) => [field.toLowerCase(), field]));

function similarField(name: string | undefined): Field | undefined {
  return name === undefined ? undefined : fieldsInLowerCase.get(name.toLowerCase());
}

function unknownField(key: YamlNode, hint: string): Fault {
  return { id: 'unknown-field', message: `unknown field ${nameOf(key)}`, hint, offset: key.start };
}
