import { entryNamed, isNull, nameOf } from '../manifest/nodes.ts';
import { entriesOfSecret, fieldsOfSecret, plaintextAnnotations } from '../manifest/read-secret.ts';
import { fieldNames, type Manifest, type SecretDocument, secretLabel } from '../manifest/types.ts';
import type { JudgedSecret, JudgedValue, UnknownField } from '../rules/rule.ts';
import { knownFields } from '../rules/unknown-field.ts';
import { type Position, positionsIn, type YamlMap, type YamlNode } from '../yaml/node.ts';
import { isSops, isSopsText } from './foreign.ts';
import { judgeValue } from './value.ts';

/** The Secrets of a manifest as rules see them. `namespace` is that of the path's rule. */
export function judgeSecrets(
  manifest: Manifest,
  namespace: string | undefined,
  inTemplate: (position: Position) => boolean,
): readonly JudgedSecret[] {
  const position = positionsIn(manifest.source);
  const reported = new Set(manifest.problems.map((problem) => placeName(problem.position)));
  const secrets: JudgedSecret[] = [];
  for (const secret of manifest.secrets) {
    const judged = judgeSecret(manifest, secret, position, reported, namespace);
    secrets.push({ ...judged, template: inTemplate(secret.position) });
  }
  return secrets;
}

type PositionOf = (offset: number) => Position;

function judgeSecret(
  { path, source }: Manifest,
  secret: SecretDocument,
  position: PositionOf,
  reported: ReadonlySet<string>,
  namespace: string | undefined,
): Omit<JudgedSecret, 'template'> {
  const { node, name, generateName, type, immutable } = secret;
  const sops = isSops(node);
  const metadata = entryNamed(node, 'metadata')?.value;
  const unknown = [
    ...unknownIn(node, 'a Secret', source, position),
    ...unknownIn(metadata, 'metadata', source, position),
  ];
  return {
    path,
    label: secretLabel(secret),
    position: secret.position,
    name,
    generateName,
    namespace: secret.namespace ?? namespace,
    lacksName: lacks(metadata, 'name') && lacks(metadata, 'generateName'),
    lacksNamespace: lacks(metadata, 'namespace') && namespace === undefined,
    type,
    immutable,
    placeOf: (field) => placeIn(node, field, position),
    unknownFields: unknown.filter((field) => !reported.has(placeName(field.position))),
    plaintextAnnotations: annotationsOf(secret, metadata, position),
    dataKeys: dataKeysOf(node),
    values: valuesOf(secret, sops),
    sops,
  };
}

const placeName = ({ line, column }: Position) => `${line}:${column}`;

function valuesOf({ entries }: SecretDocument, sops: boolean): readonly JudgedValue[] {
  const values: JudgedValue[] = [];
  for (const entry of entries)
    if (!sops || !isLeftToSops(entry.octets)) values.push(judgeValue(entry));
  return values;
}

/** SOPS does not encrypt an empty text. */
function isLeftToSops(octets: Uint8Array): boolean {
  return octets.length === 0 || isSopsText(Buffer.from(octets).toString('latin1'));
}

/** Whether a field is absent or empty; what cannot be read is the reader's to report. */
function lacks(map: YamlNode | undefined, name: string): boolean {
  if (map === undefined || isNull(map)) return true;
  if (map.kind !== 'map') return false;
  const value = entryNamed(map, name)?.value;
  return value === undefined || isNull(value) || nameOf(value) === '';
}

/** The position of a field of the Secret or, with `metadata.` in front, of its metadata. */
function placeIn(node: YamlMap, field: string, position: PositionOf): Position | undefined {
  const metadata = entryNamed(node, 'metadata')?.value;
  const name = field.replace(/^metadata\./, '');
  const map = name === field ? node : metadata;
  const entry = map?.kind === 'map' ? entryNamed(map, name) : undefined;
  return entry && position(entry.key.start);
}

// kustomize patches hold $patch and the like; a wrong apiVersion is the reader's to report.
const passedOver = /^(?:\$.*|<<|sops|apiversion)$/i;

function unknownIn(
  map: YamlNode | undefined,
  parent: UnknownField['parent'],
  source: string,
  position: PositionOf,
): readonly UnknownField[] {
  if (map?.kind !== 'map') return [];
  const unknown: UnknownField[] = [];
  for (const { key } of parent === 'metadata' ? map.entries : entriesOfSecret(map)) {
    const name = nameOf(key);
    if (name === undefined || knownFields[parent].includes(name)) continue;
    // An action makes a name that nobody knows yet.
    if (!name.includes('{{') && source.slice(key.start, key.end).includes('{{')) continue;
    if (!passedOver.test(name) && !isNull(key))
      unknown.push({ name, parent, position: position(key.start) });
  }
  return unknown;
}

function annotationsOf(
  secret: SecretDocument,
  metadata: YamlNode | undefined,
  position: PositionOf,
): JudgedSecret['plaintextAnnotations'] {
  const names = plaintextAnnotations(secret).filter(
    (name) => !isSopsText(secret.annotations.get(name) ?? ''),
  );
  const map = metadata?.kind === 'map' ? entryNamed(metadata, 'annotations')?.value : undefined;
  return names.map((name) => {
    const entry = map?.kind === 'map' ? entryNamed(map, name) : undefined;
    return { name, position: entry ? position(entry.key.start) : secret.position };
  });
}

function dataKeysOf(node: YamlMap): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const field of fieldNames)
    for (const { value } of fieldsOfSecret(node, field))
      if (value.kind === 'map') for (const { key } of value.entries) keys.add(nameOf(key) ?? '');
  keys.delete('');
  return keys;
}
