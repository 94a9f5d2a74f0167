// Finds Secrets inside other objects: kubectl does not read them, but another tool applies them.

import { isDataKey, isNamespace, isSecretName } from '../kubernetes/secret.ts';
import {
  isMergeKey,
  positionsIn,
  type Range,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
  type YamlSeq,
} from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';
import {
  basesOf,
  entryNamed,
  fieldsIn,
  isForeignVersion,
  isKindOfSecret,
  isNull,
  nameOf,
  textsOf,
} from './nodes.ts';
import { readSecret } from './read-secret.ts';
import { match } from './splice.ts';
import {
  type Field,
  fieldNames,
  type NestedSecret,
  type NestedString,
  type Nesting,
  type ReaderCode,
  type SecretDocument,
  type Source,
} from './types.ts';

/** The number of levels of strings inside strings that are searched. */
const MAX_LEVELS = 8;

/** The names of a Secret, which other tools may replace. */
interface Named {
  readonly secret: Partial<Pick<SecretDocument, 'name' | 'namespace'>>;
}

/** Returns the names that Kubernetes allows: others are parameters, which another tool replaces. */
export function namesOf({ secret }: Named): {
  [Name in 'name' | 'namespace']?: string;
} {
  const { name = '', namespace = '' } = secret;
  return {
    ...(isSecretName(name) && { name }),
    ...(isNamespace(namespace) && { namespace }),
  };
}

/** Returns the commands for a value that kseal does not edit: to seal it, and to open it again. */
export function rawCommands(nested: Named, dataKey = '') {
  const key = isDataKey(dataKey) ? dataKey : 'KEY';
  const { name = 'NAME', namespace = 'NAMESPACE' } = namesOf(nested);
  return {
    seal: `kseal seal ${name} -n ${namespace} --prompt ${key} --raw`,
    open: `kseal decrypt --raw FILE --name ${name} -n ${namespace} --data-key ${key}`,
  };
}

/** The surroundings of a node in the search. */
interface Context {
  readonly source: Source;
  /** The Secrets that kubectl reads. */
  readonly known: ReadonlySet<YamlNode>;
  readonly root: YamlNode;
  /** Whether kubectl reads the node as an object, so that the reader reports a misspelt kind. */
  readonly isObject: boolean;
  /** The outermost object, if the search is inside one. */
  readonly outer: string | undefined;
  readonly level: number;
}

interface Found {
  readonly nested: NestedSecret[];
  readonly strings: NestedString[];
}

/** The target of a patch, or a SecretList: an object in it is a Secret even without a kind. */
type Assumed = YamlMap | undefined;

/**
 * Returns the Secrets that are inside other objects, at any depth, and in strings that are manifests
 * themselves. Aliases are not followed to other nodes, so the search takes linear time.
 *
 * @param known the Secrets that kubectl reads
 */
export function findNested(
  roots: readonly YamlNode[],
  source: Source,
  known: ReadonlySet<YamlNode>,
): Nesting {
  const found: Found = { nested: [], strings: [] };
  for (const root of roots)
    visit(
      root,
      { source, known, root, isObject: true, outer: undefined, level: 0 },
      found,
      undefined,
    );
  return found;
}

/** Searches a string again, with a text of the same length in which actions are masked. */
export function findInString(text: string, { source, root, outer }: NestedString): Nesting {
  const found: Found = { nested: [], strings: [] };
  const around = { source: { ...source, text }, known: new Set<YamlNode>(), root, outer };
  const inside = { ...around, isObject: false, level: 1 };
  for (const node of parseYaml(text).roots) visit(node, inside, found, undefined);
  return found;
}

function visit(node: YamlNode, context: Context, found: Found, assumed: Assumed): void {
  if (node.kind === 'scalar') visitString(node, context, found, assumed);
  else if (node.kind === 'seq') {
    add(patchedSecret(node, assumed), context, found);
    for (const item of node.items) visit(item, context, found, assumed);
  } else if (node.kind === 'map' && !context.known.has(node)) {
    const kind = textIn(node, 'kind');
    const mayBe =
      kind === undefined
        ? assumed !== undefined
        : kind === 'Secret' || (!context.isObject && isKindOfSecret(kind));
    const secrets = mayBe ? secretsIn(node, assumed) : [];
    const before = found.nested.length;
    for (const secret of secrets) add(secret, context, found);
    if (found.nested.length === before) visitObject(node, kind, context, found);
  }
}

function visitObject(map: YamlMap, kind: string | undefined, around: Context, found: Found): void {
  const outer = around.outer ?? (kind === undefined ? undefined : outerOf(map, kind));
  const isSame = outer === around.outer && !around.isObject;
  const context = isSame ? around : { ...around, outer, isObject: false };
  for (const { key, value } of map.entries) {
    const name = nameOf(key);
    let names: Assumed;
    if (name === undefined) visit(key, context, found, undefined);
    else if (name === 'patch') names = targetOf(map);
    else if (name === 'items' && kind === 'SecretList') names = map;
    else if (name === 'secretGenerator' && value.kind === 'seq')
      for (const item of value.items) add(generatedSecret(item, context.source), context, found);
    const isObject = around.isObject && name === 'items';
    visit(value, isObject ? { ...context, isObject } : context, found, names);
  }
  if (kind === 'SecretGenerator') add(generatedSecret(map, context.source), context, found);
}

// Problems of the names are left to the tool that applies the Secret: they may be parameters. And
// kseal does not edit the Secret, so its anchors and tags do no harm. null removes a key in a patch.
const kept: ReadonlySet<ReaderCode> = new Set<ReaderCode>([
  ...(['unknown-field', 'invalid-data-key', 'duplicate-data-key', 'wrong-type'] as const),
  ...(['not-a-scalar', 'ambiguous-scalar', 'not-base64', 'raw-jwe-in-data'] as const),
]);
const inNames: ReadonlySet<ReaderCode> = new Set(['not-a-scalar', 'ambiguous-scalar']);

function add(node: YamlMap | undefined, { source, root, outer }: Context, found: Found): void {
  if (node === undefined) return;
  const { secret, problems: all } = readSecret(node, source);
  const problems = all.filter(
    ({ code, key }) => kept.has(code) && (key !== undefined || !inNames.has(code)),
  );
  // Without values, it is only a reference to a Secret.
  if (secret.entries.length === 0 && problems.length === 0) return;
  // An empty value hides nothing, and other tools fill it in.
  const entries = secret.entries.filter(({ bytes }) => bytes.length > 0);
  const place = { source, outer: outer ?? 'another object', root };
  found.nested.push({ ...place, secret: { ...secret, entries }, problems });
}

/** Searches a string that may be a manifest. Prose that mentions a Secret is not one. */
function visitString(node: YamlScalar, context: Context, found: Found, assumed: Assumed): void {
  const { text, start } = node;
  if (context.level >= MAX_LEVELS || !(mayBeManifest(text) || assumed !== undefined)) return;
  const literal = node.style === 'block' && context.source.text[start] === '|';
  const source = { text, position: positionsInString(node, literal, context.source) };
  const { roots } = parseYaml(text);
  const inside: Found = { nested: [], strings: [] };
  for (const root of roots)
    visit(
      root,
      { ...context, source, known: new Set(), isObject: false, level: context.level + 1 },
      inside,
      assumed,
    );
  const isUnread = roots.length === 0 && /\n|^\s*[{[]/.test(text);
  if (inside.nested.length + inside.strings.length === 0 && !isUnread) return;
  const { root, outer = 'another object' } = context;
  found.strings.push({ ...inside, node, source, roots, literal, outer, root });
  for (const nested of inside.nested) found.nested.push(nested);
}

/** A quick test of whether a text may hold a Secret. JSON can escape any letter of a word. */
function mayBeManifest(text: string): boolean {
  if (text.includes('Secret') && text.includes('kind')) return true;
  if (text.includes('stringData') || text.includes('secretGenerator')) return true;
  return text.includes('\\') && /\\[xuU]/.test(text) && text.includes(':');
}

/** Each offset in a string gets its own position, which is exact in a literal block scalar. */
function positionsInString(
  { start, end, style, text }: YamlScalar,
  literal: boolean,
  outer: Source,
): Source['position'] {
  const contentStart = style === 'plain' ? start : start + 1;
  if (!literal) return (offset) => outer.position(Math.min(contentStart + offset, end));
  const lines = text.split('\n');
  const starts: number[] = [];
  for (const _ of lines) starts.push(outer.text.indexOf('\n', starts.at(-1) ?? start) + 1);
  const first = Math.max(
    lines.findIndex((line) => line.trim() !== ''),
    0,
  );
  const spacesAt = (source: string, offset: number) => match(/ */y, source, offset).length;
  const indent = spacesAt(outer.text, starts[first] ?? 0) - spacesAt(lines[first] ?? '', 0);
  const place = positionsIn(text);
  return (offset) => {
    const { line, column } = place(offset);
    return outer.position((starts[line - 1] ?? start) + indent + column - 1);
  };
}

/** Returns what to call an object, such as `Template app`; undefined for a List. */
function outerOf(map: YamlMap, kind: string): string | undefined {
  if (!/^[A-Z][A-Za-z]{0,62}$/.test(kind) || kind.endsWith('List')) return undefined;
  const metadata = valueIn(map, 'metadata');
  const name = metadata?.kind === 'map' ? textIn(metadata, 'name') : undefined;
  return name !== undefined && isSecretName(name) ? `${kind} ${name}` : kind;
}

/** Returns the Secrets that a mapping of that kind is, with aliases and merge keys written out. */
function secretsIn(map: YamlMap, assumed: Assumed): readonly YamlMap[] {
  const version = textIn(map, 'apiVersion');
  if (version !== undefined && isForeignVersion(version)) return [];
  const object = writtenOut(map);
  // Kyverno generates a Secret from the fields under `data`, and Helm libraries take `spec`.
  const inside = object.entries.flatMap(({ key, value }) =>
    value.kind === 'map' && nameOf(key) !== 'metadata' && holdsValues(value) ? [value] : [],
  );
  const own = isField(object, ({ value }) => value.kind === 'map' && !inside.includes(value));
  const bodies = own || inside.length === 0 ? [...inside, object] : inside;
  const isWhole = valueIn(object, 'metadata')?.kind === 'map';
  const isCore = isWhole || version !== undefined || assumed !== undefined;
  return bodies
    .filter((body) => {
      const holds = holdsValues(body) && (isCore || valueIn(body, 'stringData') !== undefined);
      return holds || (isWhole && version !== undefined);
    })
    .map((body) => named(isWhole || body !== object ? body : valuesOf(body), object, assumed));
}

/** Returns the values of a Secret without metadata: its other fields may be those of the object. */
function valuesOf(object: YamlMap): YamlMap {
  const isOwn = (entry: YamlEntry) => isField({ ...object, entries: [entry] }, () => true);
  return { ...object, entries: object.entries.filter(isOwn) };
}

const fieldsInLowerCase: readonly string[] = fieldNames.map((field) => field.toLowerCase());

/** Whether `data` or `stringData`, in any case, is in a mapping and passes a test. */
function isField(map: YamlMap, passes: (entry: YamlEntry) => boolean): boolean {
  return map.entries.some(
    (entry) => fieldsInLowerCase.includes(nameOf(entry.key)?.toLowerCase() ?? '') && passes(entry),
  );
}

function holdsValues(map: YamlMap): boolean {
  return isField(map, ({ value }) => value.kind === 'map');
}

/** Returns the fields of a Secret with metadata: its own, or else those around it. */
function named(body: YamlMap, object: YamlMap, assumed: Assumed): YamlMap {
  if (entryNamed(body, 'metadata') !== undefined) return body;
  const around = entryNamed(object, 'metadata') ?? metadataFrom(object) ?? metadataFrom(assumed);
  return around === undefined ? body : { ...body, entries: [around, ...body.entries] };
}

/** Returns metadata with the name and namespace that are fields of a mapping itself. */
function metadataFrom(map: YamlMap | undefined): YamlEntry | undefined {
  const names = ['name', 'namespace'].flatMap((name) => (map && entryNamed(map, name)) ?? []);
  return map && names.length > 0 ? entryOf('metadata', mapOf(map, names), map) : undefined;
}

/** Returns the Secret of a kustomize patch: the target of the patch, if that may be one. */
function targetOf(patch: YamlMap): Assumed {
  const target = valueIn(patch, 'target');
  // The kind is a regular expression.
  return target?.kind === 'map' && textIn(target, 'kind')?.includes('Secret') ? target : undefined;
}

/** Returns the values that the operations of a JSON patch (RFC 6902) write into a Secret. */
function patchedSecret(operations: YamlSeq, target: Assumed): YamlMap | undefined {
  const values: Record<Field, YamlEntry[]> = { data: [], stringData: [] };
  for (const item of operations.items) {
    const operation = targetOfAlias(item);
    const pointer = operation.kind === 'map' ? valueIn(operation, 'path') : undefined;
    const value = operation.kind === 'map' ? valueIn(operation, 'value') : undefined;
    // Only a Secret has stringData, but other objects have data as well.
    const pattern = target
      ? /(?:^|\/)(data|stringData)(?:\/([^/]*))?$/
      : /(?:^|\/)(stringData)(?:\/([^/]*))?$/;
    const [, field, key] = pattern.exec((pointer && nameOf(pointer)) ?? '') ?? [];
    if (pointer === undefined || value === undefined || field === undefined) continue;
    const entries = values[field === 'data' ? 'data' : 'stringData'];
    if (key !== undefined)
      entries.push(
        entryOf(key.replaceAll('~1', '/').replaceAll('~0', '~'), writtenOut(value), pointer),
      );
    else if (value.kind === 'map') entries.push(...writtenOut(value).entries);
  }
  const fields = fieldNames.filter((field) => values[field].length > 0);
  if (fields.length === 0) return undefined;
  const body = fields.map((field) => entryOf(field, mapOf(operations, values[field]), operations));
  return named(mapOf(operations, body), mapOf(operations, []), target);
}

/** Returns the Secret that kustomize generates from literals such as `password=…`. */
function generatedSecret(generator: YamlNode, { text: source }: Source): YamlMap | undefined {
  const object = targetOfAlias(generator);
  const literals = object.kind === 'map' ? valueIn(object, 'literals') : undefined;
  if (object.kind !== 'map' || literals?.kind !== 'seq') return undefined;
  const entries = literals.items.map(targetOfAlias).flatMap((literal) => {
    const [, key = '', text = ''] = /^([^=]*)=([\s\S]*)$/.exec(nameOf(literal) ?? '') ?? [];
    if (key === '') return [];
    const value = withoutQuotes(text);
    // An escaped value, and one whose name may be a part of it, has the range of the whole literal.
    const at = isDataKey(key) ? source.slice(literal.start, literal.end).lastIndexOf(value) : -1;
    const start = at < 0 ? literal.start : literal.start + at;
    const end = at < 0 ? literal.end : start + value.length;
    return [entryOf(key, scalarOf(value, { start, end }), literal)];
  });
  if (entries.length === 0) return undefined;
  const names = object.entries.filter(({ key }) => nameOf(key) === 'metadata');
  const body = [...names, entryOf('stringData', mapOf(literals, entries), literals)];
  return named(mapOf(object, body), object, undefined);
}

/** Removes all quotes around a text, as kustomize does. */
function withoutQuotes(text: string): string {
  let [start, end] = [0, text.length];
  while (/["']/.test(text.charAt(start))) start++;
  while (end > start && /["']/.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

const plain = { anchor: undefined, tag: undefined };

function mapOf({ start, end }: Range, entries: readonly YamlEntry[]): YamlMap {
  return { kind: 'map', start, end, ...plain, flow: false, entries };
}

function scalarOf(text: string, { start, end }: Range): YamlScalar {
  return { kind: 'scalar', start, end, ...plain, text, style: 'double' };
}

function entryOf(name: string, value: YamlNode, { start }: Range): YamlEntry {
  return { start, key: scalarOf(name, { start, end: start }), colon: start, value };
}

const targetOfAlias = (node: YamlNode): YamlNode =>
  node.kind === 'alias' ? targetOfAlias(node.target) : node;

/** Returns the value of a field to some YAML reader, following aliases and merge keys. */
function valueIn(map: YamlMap, name: string): YamlNode | undefined {
  const own = entryNamed(map, name)?.value;
  // Most mappings have only literal keys, and are spared the search.
  const isOdd = ({ key }: YamlEntry) =>
    key.kind !== 'scalar' || key.tag !== undefined || isMergeKey(key);
  const value =
    own ??
    (map.entries.some(isOdd) ? fieldsIn(map).find((field) => field.name === name) : undefined)
      ?.value;
  return value && targetOfAlias(value);
}

/** Returns the text of a field, which `!!binary` encodes in base64. */
function textIn(map: YamlMap, name: string): string | undefined {
  const value = valueIn(map, name);
  if (value === undefined || isNull(value)) return undefined;
  return value.tag?.endsWith('binary') ? textsOf(value).at(-1) : nameOf(value);
}

/** Returns the mappings that the merge keys of a mapping add. */
function mergedInto(map: YamlMap): readonly YamlMap[] {
  return map.entries.flatMap(({ key, value }) => (isMergeKey(key) ? basesOf(value) : []));
}

/**
 * Returns a copy of a node without aliases, merge keys, anchors and tags. YAML readers differ on a
 * tag, but the text under it is what Git shows.
 */
function writtenOut<T extends YamlNode>(node: T): T extends YamlMap ? YamlMap : YamlNode;
function writtenOut(node: YamlNode): YamlNode {
  if (node.kind === 'alias') return writtenOut(node.target);
  if (node.kind === 'scalar') return { ...node, ...plain };
  if (node.kind === 'seq')
    return { ...node, ...plain, items: node.items.map((item) => writtenOut(item)) };
  const own = node.entries
    .filter(({ key }) => !isMergeKey(key))
    .map((entry) => ({ ...entry, key: writtenOut(entry.key), value: writtenOut(entry.value) }));
  const names = new Set(own.map(({ key }) => nameOf(key)));
  const merged = mergedInto(node)
    .flatMap((base) => writtenOut(base).entries)
    .filter(({ key }) => names.size < names.add(nameOf(key)).size);
  return { ...node, ...plain, entries: [...own, ...merged] };
}
