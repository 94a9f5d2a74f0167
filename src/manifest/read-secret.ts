import { looksSealed, sealedLook } from '../jwe/detect.ts';
import { isDataKey } from '../kubernetes/names.ts';
import {
  isMergeKey,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from '../yaml/node.ts';
import {
  entryNamed,
  type Fault,
  indirection,
  indirectKeys,
  isNull,
  nameOf,
  notAString,
  notEditable,
  oddKeys,
  type Report,
} from './nodes.ts';
import { isPlainTrue } from './scalars.ts';
import { type Field, fieldNames, type SecretDocument, secretLabel } from './types.ts';

/** A Secret as read, its places still offsets, and what is wrong with it. */
export interface ReadSecret {
  readonly secret: Omit<SecretDocument, 'entries' | 'position'>;
  readonly entries: readonly ReadEntry[];
  readonly label: string;
  readonly faults: readonly Fault[];
}

/**
 * Reads the mapping `node`, which is a Secret, out of the text `source`.
 *
 * @param known what is wrong with how it says that it is a Secret
 */
export function readSecret(node: YamlMap, source: string, known: readonly Fault[]): ReadSecret {
  const faults = [...known];
  const report = (fault: Fault | undefined) => fault !== undefined && faults.push(fault);
  const metadata = readMap(node, 'metadata', report);
  const names = readNames(metadata, source, report);
  const fields = new Set<Field>();
  const entries: ReadEntry[] = [];
  for (const field of fieldNames) {
    for (const entry of fieldsOfSecret(node, field)) {
      fields.add(field);
      report(withoutColon(entry));
      for (const read of readEntries(field, entry.value, source, report)) entries.push(read);
    }
  }
  entries.sort((a, b) => a.offset - b.offset);
  oddKeys(node, 'a Secret').forEach(report);
  misplaced(node, metadata).forEach(report);
  twice(entries).forEach(report);
  const secret = {
    ...names,
    type: readText(node, 'type', source, report),
    immutable: isTrue(entryNamed(node, 'immutable')?.value),
    annotations: readAnnotations(metadata, report),
    fields,
    node,
  };
  return { secret, entries, label: secretLabel(names), faults };
}

/** `? data` alone is a field without a value, which leaves no place to put one. */
function withoutColon({ key, colon }: YamlEntry): Fault | undefined {
  if (colon !== undefined) return undefined;
  const message = `${nameOf(key)} stands without a colon`;
  return { id: 'unsupported', message, hint: `write ${nameOf(key)}:`, offset: key.start };
}

function readNames(metadata: YamlMap | undefined, source: string, report: Report) {
  if (metadata === undefined)
    return { name: undefined, generateName: undefined, namespace: undefined };
  return {
    name: readText(metadata, 'name', source, report),
    generateName: readText(metadata, 'generateName', source, report),
    namespace: readText(metadata, 'namespace', source, report),
  };
}

/** A mapping that kseal may edit; null and absence are the same to Kubernetes. */
function readMap(parent: YamlMap, name: string, report: Report): YamlMap | undefined {
  const node = entryNamed(parent, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(notEditable(node, name));
  if (node.kind === 'map') oddKeys(node, name).forEach(report);
  if (node.kind === 'map') return node;
  if (node.kind !== 'alias') {
    report({ id: 'wrong-type', message: `${name} is not a mapping`, offset: node.start });
  }
  return undefined;
}

/** A string field; null, absence and an empty string are the same to Kubernetes. */
function readText(map: YamlMap, name: string, source: string, report: Report): string | undefined {
  const node = entryNamed(map, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(indirection(node, name) ?? notAString(node, source, name));
  return nameOf(node) || undefined;
}

function isTrue(node: YamlNode | undefined): boolean {
  return node?.kind === 'scalar' && node.style === 'plain' && isPlainTrue(node.text);
}

function readAnnotations(
  metadata: YamlMap | undefined,
  report: Report,
): ReadonlyMap<string, string> {
  const node = metadata && readMap(metadata, 'annotations', report);
  const texts = new Map<string, string>();
  for (const { key, value } of node?.entries ?? []) {
    if (value.anchor !== undefined) report(notEditable(value, 'an annotation'));
    const [name, text] = [nameOf(key), nameOf(value.kind === 'alias' ? value.target : value)];
    if (name !== undefined && text !== undefined) texts.set(name, text);
  }
  return texts;
}

/** The API server would let stringData win; kseal lets neither. */
function twice(entries: readonly ReadEntry[]): readonly Fault[] {
  const seen = new Set<string>();
  const faults: Fault[] = [];
  for (const { key, keyOffset: offset } of entries) {
    if (seen.size < seen.add(key).size) continue;
    const message = 'the data key is there twice';
    faults.push({ id: 'duplicate-data-key', message, hint: 'remove one of them', offset, key });
  }
  return faults;
}

/** An entry as read, its place still an offset. */
interface ReadEntry {
  readonly field: Field;
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Of the value. */
  readonly offset: number;
  readonly keyOffset: number;
}

/** Reads the value of the field `data` or `stringData`, and reports all that cannot be sealed. */
function readEntries(
  field: Field,
  node: YamlNode,
  source: string,
  report: Report,
): readonly ReadEntry[] {
  report(notEditable(node, field));
  if (isNull(node)) return [];
  if (node.kind === 'scalar' || node.kind === 'seq') {
    const hint = 'write KEY: VALUE lines below it';
    report({ id: 'wrong-type', message: `${field} is not a mapping`, hint, offset: node.start });
  }
  if (node.kind !== 'map') return [];
  indirectKeys(node, field).forEach(report);
  const entries: ReadEntry[] = [];
  for (const entry of node.entries) {
    const read = isMergeKey(entry.key) ? undefined : readEntry(field, entry, source, report);
    if (read !== undefined) entries.push(read);
  }
  return entries;
}

function readEntry(
  field: Field,
  entry: YamlEntry,
  source: string,
  report: Report,
): ReadEntry | undefined {
  const { value } = entry;
  const key = readKey(entry.key, source, report);
  const fault = notEditable(value, 'a value') ?? notAString(value, source, 'the value');
  // What stands without a colon may be a value in the place of a key.
  const shown = entry.colon === undefined ? undefined : key;
  if (fault !== undefined) report({ ...fault, key: shown });
  if (fault !== undefined || value.kind !== 'scalar' || key === undefined) return undefined;
  const bytes = field === 'data' ? fromBase64(value.text) : new TextEncoder().encode(value.text);
  if (bytes === undefined) report({ ...notBase64(value), key });
  return bytes && { field, key, bytes, offset: value.start, keyOffset: entry.key.start };
}

/** The data key, if it is a legal one; only such a one is ever shown. */
function readKey(key: YamlNode, source: string, report: Report): string | undefined {
  const fault = notAString(key, source, 'the data key');
  if (key.kind === 'alias') return undefined; // Reported by indirectKeys.
  if (fault !== undefined) report({ ...fault, id: 'invalid-data-key', hint: 'quote it' });
  if (fault !== undefined || key.kind !== 'scalar') return undefined;
  if (isDataKey(key.text)) return key.text;
  const hint = 'use at most 253 of the characters A-Z a-z 0-9 - _ . and do not begin with ..';
  report({ id: 'invalid-data-key', message: 'not a legal data key', hint, offset: key.start });
  return undefined;
}

/** Standard base64 as Go decodes it, which passes over line breaks, and canonical besides. */
function fromBase64(text: string): Uint8Array | undefined {
  // Most texts are on one line, and to look for one character is quicker than to replace two.
  const broken = text.includes('\n') || text.includes('\r');
  const bare = broken ? text.replace(/[\r\n]/g, '') : text;
  const bytes = Buffer.from(bare, 'base64');
  return bytes.toString('base64') === bare ? bytes : undefined;
}

function notBase64({ text, start }: YamlScalar): Fault {
  if (sealedLook(Buffer.from(text)) === 'compact' && text.includes('.')) {
    const hint = 'base64-encode the JWE once more, or move it to stringData';
    return {
      id: 'raw-jwe-in-data',
      message: 'a bare JWE, where data holds base64',
      hint,
      offset: start,
    };
  }
  const hint = 'move plain text to stringData, or encode it in standard, padded base64';
  return { id: 'not-base64', message: 'the value is not canonical base64', hint, offset: start };
}

/** Fields that the API server drops, so that plaintext in them would be neither used nor sealed. */
function misplaced(root: YamlMap, metadata: YamlMap | undefined): readonly Fault[] {
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

/**
 * The entries of an object that are a Secret's. In a template an object may have a kind for each
 * of its branches, and what stands below one is of that kind.
 */
export function entriesOfSecret(map: YamlMap): readonly YamlEntry[] {
  const first = entryNamed(map, 'kind');
  if (map.entries.findLast(({ key }) => nameOf(key) === 'kind') === first) return map.entries;
  let kinds: (string | undefined)[] = [];
  let inBody = false;
  return map.entries.filter(({ key, value }) => {
    const name = nameOf(key);
    if (name === 'kind') {
      // Kinds one behind the other share what stands below them.
      kinds = inBody ? [nameOf(value)] : [...kinds, nameOf(value)];
      inBody = false;
    } else if (name !== 'apiVersion') inBody = true;
    return kinds.length === 0 || kinds.includes('Secret');
  });
}

/** Those of one name: all of them, for a field that is there twice is wrong, but hides none. */
export function fieldsOfSecret(map: YamlMap, name: string): readonly YamlEntry[] {
  return entriesOfSecret(map).filter(({ key }) => key.kind === 'scalar' && key.text === name);
}

const names = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubecfg.ksonnet.io/last-applied-configuration',
];

/** The last-applied annotations of `secret` that hold a value in plaintext, or cannot be read. */
export function plaintextAnnotations({ annotations }: SecretDocument): readonly string[] {
  return names.filter((name) => {
    const text = annotations.get(name);
    return text !== undefined && !isSealedThroughout(text);
  });
}

function isSealedThroughout(text: string): boolean {
  const members = membersOf(text);
  if (members === undefined) return false;
  return Object.entries(members).every(([field, values]) => {
    const encoding = encodings.get(field.toLowerCase());
    if (encoding === undefined || values === null) return true;
    return Object.values(values).every((value) => {
      return typeof value === 'string' && looksSealed(Buffer.from(value, encoding));
    });
  });
}

const encodings = new Map<string, BufferEncoding>([
  ['data', 'base64'],
  ['stringdata', 'utf8'],
]);

/** The members of a JSON object; undefined for any other text. */
function membersOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // The message of JSON.parse quotes the text.
  }
}
