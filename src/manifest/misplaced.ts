import type { YamlMap, YamlNode } from '../yaml-node.ts';
import { type Fault, nameOf } from './literal.ts';
import { type Field, fieldNames } from './manifest.ts';

/** Fields that the API server drops, so that plaintext in them would be neither used nor sealed. */
export function misplaced(root: YamlMap, metadata: YamlMap | undefined): readonly Fault[] {
  const fields = root.entries.filter(
    ({ key }) =>
      similarField(nameOf(key)) !== nameOf(key) && similarField(nameOf(key)) !== undefined,
  );
  const inMetadata = metadata?.entries.filter(
    ({ key }) => similarField(nameOf(key)) ?? nameOf(key) === 'type',
  );
  return [
    ...fields.map(({ key }) => unknownField(key, `rename it to ${similarField(nameOf(key))}`)),
    ...(inMetadata ?? []).map(({ key }) =>
      unknownField(key, 'move it out of metadata, to the top level of the Secret'),
    ),
  ];
}

function similarField(name: string | undefined): Field | undefined {
  return fieldNames.find((field) => field.toLowerCase() === name?.toLowerCase());
}

function unknownField(key: YamlNode, hint: string): Fault {
  return { id: 'unknown-field', message: `unknown field ${nameOf(key)}`, hint, offset: key.start };
}
