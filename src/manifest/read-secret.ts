import type { Diagnostic } from '../diagnostic.ts';
import { sealedLook } from '../jwe/detect.ts';
import { isDataKey, type Names, secretLabel } from '../kubernetes/secret.ts';
import { suggest } from '../text.ts';
import { isMergeKey, type YamlEntry, type YamlMap, type YamlNode } from '../yaml/node.ts';
import {
  entryNamed,
  indirection,
  indirectKeys,
  isNull,
  nameOf,
  notAString,
  notEditable,
  oddKeys,
  problemAt,
} from './nodes.ts';
import { isSopsText, placeholderTool } from './other-tools.ts';
import { isCutAtHash, isPlainTrue } from './scalars.ts';
import {
  type Annotation,
  type Entry,
  type Field,
  fieldNames,
  type ReaderCode,
  type SecretDocument,
  type Source,
} from './types.ts';

type Problem = Diagnostic<ReaderCode>;
type Report = (problem: Problem | undefined) => void;

/** Reads the mapping `node`, which is a Secret, and finds every problem that prevents sealing it. */
export function readSecret(
  node: YamlMap,
  source: Source,
): { readonly secret: SecretDocument; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const report: Report = (problem) => problem && problems.push(problem);
  const metadata = readMap(node, 'metadata', source, report);
  const names = readNames(metadata, source, report);
  const fields = new Set<Field>();
  const entries: ReadEntry[] = [];
  for (const field of fieldNames) {
    for (const entry of fieldsOfSecret(node, field)) {
      fields.add(field);
      report(withoutColon(entry, source));
      for (const read of readEntries(field, entry.value, source, report)) entries.push(read);
    }
  }
  entries.sort((a, b) => a.value.start - b.value.start);
  const valued = entries.filter(isValued);
  oddKeys(node, source, 'a Secret').forEach(report);
  unknownFields(entriesOfSecret(node), 'a Secret', source).forEach(report);
  unknownFields(metadata?.entries ?? [], 'metadata', source).forEach(report);
  duplicates(valued, source).forEach(report);
  const label = secretLabel(names);
  const secret: SecretDocument = {
    name: names.name,
    generateName: names.generateName,
    namespace: names.namespace,
    type: readText(node, 'type', source, report),
    immutable: isTrue(entryNamed(node, 'immutable')?.value),
    annotations: readAnnotations(metadata, source, report),
    fields,
    entries: valued.map((entry) => entryFrom(entry, source)),
    nulls: entries
      .filter((entry) => !isValued(entry))
      .map(({ field, key }) => {
        return { field, key: key.text, position: source.position(key.start) };
      }),
    serverMetadata: serverMetadata(metadata, source, label),
    position: source.position(node.start),
    node,
  };
  return { secret, problems: problems.map((problem) => ({ ...problem, secret: label })) };
}

function entryFrom(
  { field, key, bytes, value }: ReadEntry & Pick<Entry, 'bytes'>,
  { text, position }: Source,
): Entry {
  const isPlain = value.kind === 'scalar' && value.style === 'plain';
  const isCut = field === 'stringData' && isPlain && isCutAtHash(text, value.end);
  return { field, key: key.text, bytes, isCut, position: position(value.start) };
}

/** Reports `? data` without a colon: there is no place to put a value. */
function withoutColon({ key, colon }: YamlEntry, source: Source): Problem | undefined {
  if (colon !== undefined) return undefined;
  const name = nameOf(key);
  return problemAt(key, source, 'unsupported-yaml', `${name} has no colon`, `write ${name}:`);
}

function readNames(metadata: YamlMap | undefined, source: Source, report: Report): Names {
  const read = (name: string) => metadata && readText(metadata, name, source, report);
  return { name: read('name'), generateName: read('generateName'), namespace: read('namespace') };
}

/** Reads a mapping that kseal may edit; null and absence are the same to Kubernetes. */
function readMap(
  parent: YamlMap,
  name: string,
  source: Source,
  report: Report,
): YamlMap | undefined {
  const node = entryNamed(parent, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(notEditable(node, source, name));
  if (node.kind === 'map') {
    oddKeys(node, source, name).forEach(report);
    return node;
  }
  if (node.kind !== 'alias')
    report(problemAt(node, source, 'wrong-type', `${name} is not a mapping`));
  return undefined;
}

/** Reads a string field; null, absence and an empty string are the same to Kubernetes. */
function readText(map: YamlMap, name: string, source: Source, report: Report): string | undefined {
  const node = entryNamed(map, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(indirection(node, source, name) ?? notAString(node, source, name));
  return nameOf(node) || undefined;
}

function isTrue(node: YamlNode | undefined): boolean {
  return node?.kind === 'scalar' && node.style === 'plain' && isPlainTrue(node.text);
}

function readAnnotations(
  metadata: YamlMap | undefined,
  source: Source,
  report: Report,
): readonly Annotation[] {
  const node = metadata && readMap(metadata, 'annotations', source, report);
  const annotations: Annotation[] = [];
  for (const { key, value } of node?.entries ?? []) {
    if (value.anchor !== undefined) report(notEditable(value, source, 'an annotation'));
    const [name, text] = [nameOf(key), nameOf(value.kind === 'alias' ? value.target : value)];
    if (name !== undefined && text !== undefined)
      annotations.push({ name, text, position: source.position(key.start) });
  }
  return annotations;
}

interface ReadEntry extends Pick<Entry, 'field'> {
  readonly key: { readonly text: string; readonly start: number };
  readonly value: YamlNode;
  /** Undefined for null. */
  readonly bytes: Uint8Array | undefined;
}

function isValued(entry: ReadEntry): entry is ReadEntry & Pick<Entry, 'bytes'> {
  return entry.bytes !== undefined;
}

/** Reads the value of the field `data` or `stringData`, and reports all that cannot be sealed. */
function readEntries(
  field: Field,
  node: YamlNode,
  source: Source,
  report: Report,
): readonly ReadEntry[] {
  report(notEditable(node, source, field));
  if (isNull(node)) return [];
  if (node.kind === 'scalar' || node.kind === 'seq') {
    const hint = 'write KEY: VALUE lines below it';
    report(problemAt(node, source, 'wrong-type', `${field} is not a mapping`, hint));
  }
  if (node.kind !== 'map') return [];
  indirectKeys(node, source, field).forEach(report);
  const entries: ReadEntry[] = [];
  for (const entry of node.entries) {
    if (isMergeKey(entry.key) || isPatchDirective(entry)) continue;
    const read = readEntry(field, entry, source, report);
    if (read !== undefined) entries.push(read);
  }
  return entries;
}

/** Whether an entry under data tells kustomize how to merge a patch. */
export function isPatchDirective({ key, value }: YamlEntry): boolean {
  return nameOf(key) === '$patch' && /^(?:delete|merge|replace)$/.test(nameOf(value) ?? '');
}

function readEntry(
  field: Field,
  entry: YamlEntry,
  source: Source,
  report: Report,
): ReadEntry | undefined {
  const { key: keyNode, colon, value } = entry;
  const text = readKey(keyNode, source, report);
  const key = text === undefined ? undefined : { text, start: keyNode.start };
  let problem = notEditable(value, source, 'a value');
  // A kustomize patch deletes a key by null, which kubectl apply stores as an empty value.
  if (problem === undefined && isNull(value) && colon !== undefined) {
    problem = nullAtHash(value, colon, source);
    if (problem === undefined) return key && { field, key, bytes: undefined, value };
  }
  problem ??= notAString(value, source, 'the value');
  // Without a colon, the key may be a value in the wrong place: it is not shown.
  if (problem !== undefined) report({ ...problem, key: colon === undefined ? undefined : text });
  if (problem !== undefined || value.kind !== 'scalar' || key === undefined) return undefined;
  // SOPS replaces base64 with a text of its own.
  const isBase64 = field === 'data' && !isSopsText(value.text);
  const bytes = isBase64 ? fromBase64(value.text) : new TextEncoder().encode(value.text);
  if (bytes === undefined) report({ ...notBase64(value, value.text, source), key: text });
  return bytes && { field, key, bytes, value };
}

/** Reports a value that begins with #, which hides all of it in a comment. */
function nullAtHash(value: YamlNode, colon: number, source: Source): Problem | undefined {
  const end = value.end > value.start ? value.end : colon + 1;
  if (!isCutAtHash(source.text, end)) return undefined;
  const hint = 'put the value in quotes, or a space after the #';
  return problemAt(
    value,
    source,
    'null-value',
    'the value is null, because # begins a comment',
    hint,
  );
}

/** Reads a data key; undefined for an illegal one, which is never shown. */
function readKey(key: YamlNode, source: Source, report: Report): string | undefined {
  const problem = notAString(key, source, 'the data key');
  if (key.kind === 'alias') return undefined; // Reported by indirectKeys.
  if (problem !== undefined) report({ ...problem, code: 'invalid-data-key', hint: 'quote it' });
  if (problem !== undefined || key.kind !== 'scalar') return undefined;
  if (isDataKey(key.text)) return key.text;
  const hint = 'use at most 253 of the characters A-Z a-z 0-9 - _ . and do not begin with ..';
  report(problemAt(key, source, 'invalid-data-key', 'not a legal data key', hint));
  return undefined;
}

/** Decodes standard base64 as Go does, which skips line breaks; undefined unless canonical. */
function fromBase64(text: string): Uint8Array | undefined {
  // Most texts have one line, and searching for a character is faster than replacing it.
  const broken = text.includes('\n') || text.includes('\r');
  const bare = broken ? text.replace(/[\r\n]/g, '') : text;
  const bytes = Buffer.from(bare, 'base64');
  return bytes.toString('base64') === bare ? bytes : undefined;
}

function notBase64(node: YamlNode, text: string, source: Source): Problem {
  if (sealedLook(Buffer.from(text)) === 'compact' && text.includes('.')) {
    const hint = 'base64-encode the JWE once more, or move it to stringData';
    return problemAt(node, source, 'raw-jwe-in-data', 'bare JWE where data takes base64', hint);
  }
  const tool = placeholderTool(text);
  if (tool !== undefined) {
    const message = `a placeholder of ${tool}, which would not find it in a sealed value`;
    const hint = `replace it with the value under stringData, or leave this Secret to ${tool}`;
    return problemAt(node, source, 'not-base64', message, hint);
  }
  const hint = 'move plain text to stringData, or encode it in standard, padded base64';
  return problemAt(node, source, 'not-base64', 'the value is not canonical base64', hint);
}

/** The metadata that only the API server and controllers set (apimachinery meta/v1 ObjectMeta). */
const serverFields = [
  ...['ownerReferences', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'],
];

/** The fields of a Secret and its metadata (k8s.io/api core/v1, apimachinery meta/v1 ObjectMeta). */
export const knownFields = {
  'a Secret': ['apiVersion', 'kind', 'metadata', 'data', 'stringData', 'type', 'immutable'],
  metadata: [
    ...['name', 'generateName', 'namespace', 'labels', 'annotations', 'finalizers'],
    ...serverFields,
  ],
};

function serverMetadata(
  metadata: YamlMap | undefined,
  source: Source,
  secret: string,
): SecretDocument['serverMetadata'] {
  // kubectl create --dry-run writes `creationTimestamp: null`.
  const found = (metadata?.entries ?? []).filter(
    ({ key, value }) => serverFields.includes(nameOf(key) ?? '') && !isNull(value),
  );
  const [first] = found;
  return (
    first && {
      code: 'server-metadata',
      position: source.position(first.key.start),
      secret,
      message: `metadata that the API server sets: ${found.map(({ key }) => nameOf(key)).join(', ')}`,
      hint: 'remove it: it comes from kubectl get -o yaml, and belongs to one object in one cluster',
    }
  );
}

type Parent = keyof typeof knownFields;

// Other checks report a merge key and a misspelt apiVersion.
const exempt = /^(?:<<|apiversion)$/i;

/**
 * Reports fields that the API server refuses or drops: plaintext in them would be neither used nor
 * sealed. The name of such a field may be a value in the wrong place, so it is not shown.
 */
function unknownFields(
  entries: readonly YamlEntry[],
  parent: Parent,
  source: Source,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { key, value } of entries) {
    const name = nameOf(key);
    // Other checks report keys with a tag or an anchor, and those that are not strings.
    if (name === undefined || key.tag !== undefined || key.anchor !== undefined || isNull(key))
      continue;
    if (knownFields[parent].includes(name) || exempt.test(name) || isForTool(name, value)) continue;
    const hint = hintFor(name, value, parent);
    problems.push(problemAt(key, source, 'unknown-field', `unknown field in ${parent}`, hint));
  }
  return problems;
}

/** Whether a field is the metadata of SOPS, or tells kustomize how to merge a patch. */
function isForTool(name: string, value: YamlNode): boolean {
  return (name === 'sops' && value.kind === 'map') || isDirective(name);
}

/** A directive of a strategic merge patch (k8s.io/apimachinery strategicpatch). */
function isDirective(name: string): boolean {
  return /^\$(?:patch$|retainKeys$|setElementOrder\/|deleteFromPrimitiveList\/)/.test(name);
}

function hintFor(name: string, value: YamlNode, parent: Parent): string {
  const meant = suggest(name, knownFields[parent]);
  const isIn = (fields: readonly string[]) =>
    fields.some((field) => field.toLowerCase() === name.toLowerCase());
  if (parent === 'metadata' && isIn(knownFields['a Secret']))
    return 'move it out of metadata, to the top level of the Secret';
  if (parent === 'a Secret' && isIn(knownFields.metadata)) return 'move it into metadata';
  if (meant !== undefined) return `did you mean ${meant}?`;
  if (parent === 'metadata') return 'remove it';
  return value.kind === 'map'
    ? 'remove it, or move its entries to the top level of the Secret'
    : 'remove it, or indent it if it is a data key';
}

/** Reports a data key that occurs twice: the API server lets stringData win; kseal accepts neither. */
function duplicates(
  entries: readonly Pick<ReadEntry, 'key'>[],
  source: Source,
): readonly Problem[] {
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const { key } of entries) {
    if (seen.size < seen.add(key.text).size) continue;
    const message = 'duplicate data key';
    const problem = problemAt(key, source, 'duplicate-data-key', message, 'remove one of them');
    problems.push({ ...problem, key: key.text });
  }
  return problems;
}

/**
 * Returns the entries of an object that belong to its Secret. An unrendered template may give an
 * object one kind for each of its branches, and the fields below a kind belong to that kind.
 */
function entriesOfSecret(map: YamlMap): readonly YamlEntry[] {
  const first = entryNamed(map, 'kind');
  if (map.entries.findLast(({ key }) => nameOf(key) === 'kind') === first) return map.entries;
  let kinds: (string | undefined)[] = [];
  let inBody = false;
  return map.entries.filter(({ key, value }) => {
    const name = nameOf(key);
    if (name === 'kind') {
      // Adjacent kinds share the fields below them.
      kinds = inBody ? [nameOf(value)] : [...kinds, nameOf(value)];
      inBody = false;
    } else if (name !== 'apiVersion') inBody = true;
    return kinds.length === 0 || !kinds.every(isOtherKind);
  });
}

function isOtherKind(kind: string | undefined): boolean {
  // A kind that a template makes is not a word, and may become Secret.
  return kind !== undefined && kind !== 'Secret' && /^\w+$/.test(kind);
}

/** Returns those with one name: all of them, because a duplicate must not hide the others. */
export function fieldsOfSecret(map: YamlMap, name: string): readonly YamlEntry[] {
  return entriesOfSecret(map).filter(({ key }) => key.kind === 'scalar' && key.text === name);
}
