import { entryNamed } from '../manifest/nodes.ts';
import { fieldsOfSecret } from '../manifest/read-secret.ts';
import {
  fieldNames,
  type Manifest,
  type Names,
  type SecretDocument,
  secretLabel,
} from '../manifest/types.ts';
import {
  type Position,
  positionsIn,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
} from '../yaml/node.ts';

/**
 * What was read of a text without its template actions, put right: names are those of the
 * template, and a value that an action makes, in whole or in part, is none.
 *
 * @param source the template itself
 */
export function restored(manifest: Manifest, source: string): Manifest {
  const position = positionsIn(source);
  const labels = new Map<string | undefined, string>();
  const secrets = manifest.secrets.map((secret) => {
    const names = namesIn(secret, source);
    labels.set(secretLabel(secret), secretLabel(names));
    return { ...secret, ...names, entries: entriesIn(secret, source, position) };
  });
  const values = manifest.secrets.flatMap(({ node }) => valuesIn(node));
  const rendered = new Set<string>();
  for (const entry of values) {
    if (templateAt(entry.key, source) !== undefined) rendered.add(at(position)(entry.key));
    if (isRendered(entry, source)) rendered.add(at(position)(entry.value));
  }
  const keys = new Map(
    values.map(({ key, value }) => [at(position)(value), templateAt(key, source)]),
  );
  const problems = manifest.problems
    .filter(({ id, position }) => id === 'invalid-data-key' || !rendered.has(placeName(position)))
    .map((problem) => ({
      ...problem,
      secret: labels.get(problem.secret) ?? problem.secret,
      key: keys.get(placeName(problem.position)) ?? problem.key,
    }));
  return { ...manifest, source, secrets, problems };
}

type PositionOf = (offset: number) => Position;

const placeName = ({ line, column }: Position) => `${line}:${column}`;
const at = (position: PositionOf) => (node: YamlNode) => placeName(position(node.start));

function namesIn(secret: SecretDocument, source: string): Names & Pick<SecretDocument, 'type'> {
  const metadata = entryNamed(secret.node, 'metadata')?.value;
  const text = (
    map: YamlNode | undefined,
    field: 'name' | 'generateName' | 'namespace' | 'type',
  ) =>
    map?.kind === 'map' ? (nameAt(entryNamed(map, field), source) ?? secret[field]) : undefined;
  return {
    name: text(metadata, 'name'),
    generateName: text(metadata, 'generateName'),
    namespace: text(metadata, 'namespace'),
    type: text(secret.node, 'type'),
  };
}

/** A name as the template has it, also where all of it was taken out. */
function nameAt(entry: YamlEntry | undefined, source: string): string | undefined {
  if (entry?.colon === undefined) return undefined;
  const { start, end } = entry.value;
  const [rest = ''] = start < end ? [] : source.slice(entry.colon + 1).split('\n', 1);
  return rest.includes('{{') ? rest.trim() : templateAt(entry.value, source);
}

/** The text of a node in the template, if an action is part of it. */
function templateAt(node: YamlNode | undefined, source: string): string | undefined {
  const text = node && source.slice(node.start, node.end);
  return text?.includes('{{') ? text.trim().replace(/^(["'])(.*)\1$/s, '$2') : undefined;
}

/** The values that no action is part of, under the keys that the template gives them. */
function entriesIn({ node, entries }: SecretDocument, source: string, position: PositionOf) {
  const found = new Map(valuesIn(node).map((entry) => [at(position)(entry.value), entry]));
  return entries.flatMap((entry) => {
    const own = found.get(placeName(entry.position));
    if (own === undefined || isRendered(own, source)) return [];
    return [{ ...entry, key: templateAt(own.key, source) ?? entry.key }];
  });
}

function valuesIn(node: YamlMap) {
  return fieldNames
    .flatMap((field) => fieldsOfSecret(node, field))
    .flatMap(({ value }) => (value.kind === 'map' ? value.entries : []));
}

/** Whether an action makes a value, or a part of it. */
function isRendered({ key, value }: YamlEntry, source: string): boolean {
  const text = source.slice(value.start, value.end);
  if (value.kind !== 'scalar' || value.style !== 'block') return text.includes('{{');
  // Nothing is left without its lines of actions; or they stand below the key, and not in the block.
  if (value.text.trim() === '') return true;
  const indent = key.start - source.lastIndexOf('\n', key.start) - 1;
  const lines = text.split('\n').slice(1);
  return lines.some((line) => line.includes('{{') && line.search(/\S/) > indent);
}
