import { KsealError } from '../errors.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { looksFlattened, looksSealed, readSealedValue, sealedLook } from '../jwe/detect.ts';
import { entryNamed, isNull, nameOf } from '../manifest/nodes.ts';
import { entriesOfSecret, fieldsOfSecret, plaintextAnnotations } from '../manifest/read-secret.ts';
import {
  type Entry,
  fieldNames,
  type Manifest,
  type SecretDocument,
  secretLabel,
} from '../manifest/types.ts';
import { type Position, positionsIn, type YamlMap, type YamlNode } from '../yaml/node.ts';
import type { JudgedSecret, JudgedValue, UnknownField } from './rule.ts';
import { knownFields } from './rules/unknown-field.ts';
import { isPlaceholder } from './templates.ts';

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
    if (!sops || !isLeftToSops(entry.bytes)) values.push(judgeValue(entry));
  return values;
}

/** SOPS does not encrypt an empty text. */
function isLeftToSops(bytes: Uint8Array): boolean {
  return bytes.length === 0 || isSopsText(Buffer.from(bytes).toString('latin1'));
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

type Fault = NonNullable<JudgedValue['fault']>;

/** Reads a value as far as that needs no key. */
function judgeValue(entry: Entry): JudgedValue {
  const { bytes } = entry;
  try {
    const jwe = readSealedValue(bytes);
    if (jwe !== undefined) return judged(entry, jwe, undefined, false);
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return judged(entry, undefined, faultOf(error, bytes), false);
  }
  const fault = nearMiss(bytes);
  return judged(entry, undefined, fault, fault === undefined && isPlaceholder(bytes));
}

// Member by member: spreading an object takes many times as long.
function judged(
  { field, key, bytes, position }: Entry,
  jwe: CompactJwe | undefined,
  fault: Fault | undefined,
  placeholder: boolean,
): JudgedValue {
  const kid = jwe && thumbprint(jwe);
  return { field, key, bytes, position, jwe, kid, fault, placeholder };
}

function thumbprint({ header: { kid } }: CompactJwe): string | undefined {
  return kid !== undefined && /^[A-Za-z0-9_-]{43}$/.test(kid) ? kid : undefined;
}

function faultOf({ code, message, hint }: KsealError, bytes: Uint8Array): Fault {
  if (sealedLook(bytes) === 'no' && looksFlattened(bytes))
    return { rule: 'json-serialization', message, hint };
  const rule = code === 'JWE_REFUSED' ? 'algorithm-not-allowed' : 'malformed-jwe';
  return { rule, message, hint: hint ?? 'seal the value again' };
}

/**
 * A JWE that the webhook would not take for one, so that the program would get it in place of
 * its password.
 */
function nearMiss(bytes: Uint8Array): Fault | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64));
  const text = start.toString('latin1').replace(/^(?:\u00EF\u00BB\u00BF|[\s"'])+/, '');
  if (text.length < start.length && looksSealed(Buffer.from(text, 'latin1'))) {
    return {
      rule: 'malformed-jwe',
      message: 'other characters stand in front of the sealed value, so it would not be opened',
      hint: 'remove the white space or the quotes in front of it',
    };
  }
  if (!text.startsWith('eyJ') || !isForeignJwe(bytes)) return undefined;
  return {
    rule: 'algorithm-not-allowed',
    message: 'is a JWE of another kind, which is not recognised and would not be opened',
    hint: 'seal the value again with kseal',
  };
}

/** Five segments, the first of them a header that names `alg` and `enc`: no JWS has either. */
function isForeignJwe(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const [header = '', ...rest] = text.trim().split('.', 6);
  if (rest.length !== 4 || header.length > 8192) return false;
  const members = Buffer.from(header, 'base64url').toString('latin1');
  return /"alg"\s*:/.test(members) && /"enc"\s*:/.test(members);
}

/** A tool of which a document is known not to be a Secret in plaintext. */
export type ForeignTool = 'SealedSecret' | 'ExternalSecret' | 'SOPS';

const foreignKinds: readonly { kind: string; group: string; tool: ForeignTool }[] = [
  { kind: 'SealedSecret', group: 'bitnami.com/', tool: 'SealedSecret' },
  { kind: 'ExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
  { kind: 'ClusterExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
];

/** The tool that sealed a document or fills it in, if it is not kseal. */
export function foreignTool(root: YamlNode): ForeignTool | undefined {
  if (root.kind !== 'map') return undefined;
  if (isSops(root)) return 'SOPS';
  const kind = textOf(root, 'kind');
  const known = foreignKinds.find((foreign) => foreign.kind === kind);
  return known && textOf(root, 'apiVersion')?.startsWith(known.group) ? known.tool : undefined;
}

/** What SOPS leaves in a file that it encrypts: a MAC over all of it, itself encrypted. */
export function isSops(root: YamlMap): boolean {
  const sops = entryNamed(root, 'sops')?.value;
  return sops?.kind === 'map' && isSopsText(textOf(sops, 'mac') ?? '');
}

/** A value as SOPS encrypts it. */
export function isSopsText(text: string): boolean {
  return /^ENC\[AES256_GCM,data:[^\s,]*,iv:[^\s,]+,tag:[^\s,]+,type:\w+\]\s*$/.test(text);
}

/**
 * The key of the field `kind` of an object that was meant to be a Secret, and that neither
 * kubectl nor kseal takes for one: `Kind: Secret`, `kind: secret`.
 */
function misspeltKind(root: YamlNode): YamlNode | undefined {
  if (root.kind !== 'map') return undefined;
  const named = (name: string) =>
    root.entries.find(({ key }) => nameOf(key)?.toLowerCase() === name);
  const kind = named('kind');
  const text = kind && nameOf(kind.value);
  if (kind === undefined || !/^\s*secrets?\s*$/i.test(text ?? '')) return undefined;
  if (nameOf(kind.key) === 'kind' && text === 'Secret') return undefined;
  const version = named('apiversion');
  const isCore = version !== undefined && nameOf(version.value)?.toLowerCase() === 'v1';
  const holdsValues = named('data') !== undefined || named('stringdata') !== undefined;
  return isCore || (version === undefined && holdsValues) ? kind.key : undefined;
}

/**
 * The same for all objects of a document that are not `known` for Secrets: itself, and at any depth
 * what stands under `items`, which kubectl applies one by one.
 */
export function misspeltKinds(root: YamlNode, known: ReadonlySet<YamlNode>): readonly YamlNode[] {
  if (root.kind !== 'map' || known.has(root)) return [];
  const found = misspeltKind(root);
  if (found !== undefined) return [found];
  const items = entryNamed(root, 'items')?.value;
  return items?.kind === 'seq' ? items.items.flatMap((item) => misspeltKinds(item, known)) : [];
}

function textOf(map: YamlMap, name: string): string | undefined {
  const node = entryNamed(map, name)?.value;
  return node && nameOf(node);
}
