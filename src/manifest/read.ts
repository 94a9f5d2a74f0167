import { isUtf8 } from 'node:buffer';
import { KsealError, throwAll } from '../errors.ts';
import {
  isMergeKey,
  type Position,
  positionsIn,
  type YamlMap,
  type YamlNode,
} from '../yaml/node.ts';
import { parseYaml, type YamlError } from '../yaml/parse.ts';
import {
  entriesNamed,
  entryNamed,
  type Fault,
  indirection,
  indirectKeys,
  isNull,
  nameOf,
} from './nodes.ts';
import { type ReadSecret, readSecret } from './read-secret.ts';
import {
  type Entry,
  type Manifest,
  type Problem,
  problemError,
  type SecretDocument,
  secretLabel,
} from './types.ts';

/** A mapping that is a Secret, and what is wrong with how it says so. */
interface FoundSecret {
  readonly node: YamlMap;
  readonly faults: readonly Fault[];
}

interface Search {
  readonly secrets: readonly FoundSecret[];
  /** What may be a Secret, or hide one, and cannot be read as such. */
  readonly faults: readonly Fault[];
}

const nothing: Search = { secrets: [], faults: [] };

/**
 * The Secrets in a document: itself, or the items of a List or SecretList, at any depth.
 *
 * @param assumed the kind of an object that names none: the items of a SecretList need not
 */
function findSecrets(node: YamlNode, assumed?: string): Search {
  if (node.kind === 'alias') return refused(findSecrets(node.target, assumed), node, 'an alias');
  if (node.kind !== 'map') return nothing;
  // Kinds of other API groups may be called Secret too. To kubectl `/v1` is of the same as `v1`.
  const versions = textsNamed(node, 'apiVersion');
  if (versions.length > 0 && versions.every((version) => /^[^/]+\//.test(version)))
    return hidden(node);
  const kind = kindOf(node, assumed);
  const faults = identityFaults(node, assumed);
  if (kind === 'Secret') {
    const self = { secrets: [{ node, faults }], faults: [] };
    return entriesNamed(node, 'kind').length > 1 ? together([self, hidden(node)]) : self;
  }
  if (kind !== 'List' && kind !== 'SecretList') return hidden(node);
  const inside = itemsOf(node, kind);
  if (isEmpty(inside)) return merged(node);
  return { ...inside, faults: [...faults, ...indirectKeys(node, `a ${kind}`), ...inside.faults] };
}

function together(searches: readonly Search[]): Search {
  return {
    secrets: searches.flatMap(({ secrets }) => secrets),
    faults: searches.flatMap(({ faults }) => faults),
  };
}

function itemsOf(list: YamlMap, kind: 'List' | 'SecretList'): Search {
  const all = entriesNamed(list, 'items').filter(({ value }) => !isNull(value));
  return together(
    all.map(({ value }) =>
      value.kind === 'alias'
        ? refused(itemsIn(value.target, kind), value, 'an alias')
        : itemsIn(value, kind),
    ),
  );
}

function itemsIn(items: YamlNode, kind: 'List' | 'SecretList'): Search {
  if (items.kind !== 'seq') return notAnObject(items, `the items of a ${kind} are not a sequence`);
  const assumed = kind === 'SecretList' ? 'Secret' : undefined;
  return together(
    items.items.map((item) => {
      if (item.kind === 'map' || item.kind === 'alias') return findSecrets(item, assumed);
      return notAnObject(item, `an item of a ${kind} is not an object`);
    }),
  );
}

function notAnObject({ start }: YamlNode, message: string): Search {
  const hint = 'write objects, each with a - before it';
  return { secrets: [], faults: [{ id: 'wrong-type', message, hint, offset: start }] };
}

/** An object of another kind: kubectl takes whatever has `items` for a list all the same. */
function hidden(node: YamlMap): Search {
  const inside = entriesNamed(node, 'items').map(({ value }) => {
    const list = value.kind === 'alias' ? value.target : value;
    const found = together(list.kind === 'seq' ? list.items.map((item) => findSecrets(item)) : []);
    return value.kind === 'alias' ? refused(found, value, 'an alias') : found;
  });
  return together([merged(node), ...inside]);
}

/** What a merge key brings in may make a Secret of an object that does not look like one. */
function merged(node: YamlMap): Search {
  const searches = node.entries
    .filter(({ key }) => isMergeKey(key))
    .map(({ key, value }) => {
      const source = value.kind === 'alias' ? value.target : value;
      const parts = source.kind === 'seq' ? source.items : [source];
      const inside = parts.map((part) => findSecrets(part)).find((search) => !isEmpty(search));
      return refused(inside ?? nothing, key, 'a merge key');
    });
  return { secrets: [], faults: searches.flatMap(({ faults }) => faults) };
}

function refused(search: Search, { start }: YamlNode, construct: string): Search {
  if (isEmpty(search)) return nothing;
  const message = `${construct} stands for a Secret or for a List of them`;
  return {
    secrets: [],
    faults: [{ id: 'unsupported', message, hint: 'write it out', offset: start }],
  };
}

const isEmpty = ({ secrets, faults }: Search) => secrets.length + faults.length === 0;

function identityFaults(node: YamlMap, assumed: string | undefined): readonly Fault[] {
  const faults = ['apiVersion', 'kind'].flatMap((name): readonly Fault[] => {
    const value = entryNamed(node, name)?.value;
    const fault = value && indirection(value, name);
    return fault === undefined ? [] : [fault];
  });
  const versions = textsNamed(node, 'apiVersion');
  if (versions.includes('v1') || (versions.length === 0 && assumed !== undefined)) return faults;
  const message = `kind ${kindOf(node, assumed)} without apiVersion v1`;
  return [
    ...faults,
    { id: 'wrong-version', message, hint: 'write apiVersion: v1', offset: node.start },
  ];
}

/** Of the branches of a template, each with its own kind, one may be a Secret. */
function kindOf(node: YamlMap, assumed: string | undefined): string | undefined {
  const kinds = textsNamed(node, 'kind');
  return kinds.find((kind) => searched.has(kind)) ?? kinds[0] ?? assumed;
}

const searched = new Set(['Secret', 'List', 'SecretList']);

/** The texts of a field, aliases followed; null, absence and an empty text are the same. */
function textsNamed(map: YamlMap, name: string): readonly string[] {
  const texts: string[] = [];
  for (const { key, value } of map.entries) {
    if (nameOf(key) !== name) continue;
    const node = value.kind === 'alias' ? value.target : value;
    if (node.kind === 'scalar' && !isNull(node) && node.text !== '') texts.push(node.text);
  }
  return texts;
}

/**
 * Reads the Secrets of a YAML or JSON text of any number of documents, Lists included. All
 * other objects are passed over. Never throws for what the text holds: see `problems`.
 *
 * @param path how the text is called in messages
 */
export function readManifest(source: string, path: string): Manifest {
  const { roots, errors } = parseYaml(source);
  const found: Fault[] = [];
  const read: ReadSecret[] = [];
  for (const root of roots) {
    const { secrets, faults } = findSecrets(root);
    for (const fault of faults) found.push(fault);
    for (const { node, faults: known } of secrets) read.push(readSecret(node, source, known));
  }
  const position = positionsIn(source);
  const secrets: SecretDocument[] = [];
  for (const secret of read) secrets.push(secretAt(secret, position));
  return { path, source, secrets, problems: problemsAt(found, read, errors, position), roots };
}

type PositionOf = (offset: number) => Position;

function secretAt({ secret, entries: read }: ReadSecret, position: PositionOf): SecretDocument {
  const entries: Entry[] = [];
  for (const { field, key, bytes, offset } of read)
    entries.push({ field, key, bytes, position: position(offset) });
  return { ...secret, position: position(secret.node.start), entries };
}

type LocatedProblem = Omit<Problem, 'position'> & { readonly offset: number };

/** In source order; a key that is twice in one mapping is named as precisely as possible. */
function problemsAt(
  found: readonly Fault[],
  read: readonly ReadSecret[],
  errors: readonly YamlError[],
  position: PositionOf,
): readonly Problem[] {
  const problems: LocatedProblem[] = [];
  const add = (fault: Fault, secret?: string) =>
    problems.push({ hint: undefined, key: undefined, ...fault, secret });
  for (const fault of found) add(fault);
  for (const { faults, label } of read) for (const fault of faults) add(fault, label);
  const known = new Set(problems.map(({ offset }) => offset));
  for (const { code, message, offset } of errors) {
    const id = code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'unparsable';
    if (!known.has(offset)) add({ id, message, offset });
  }
  return problems
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, ...problem }) => ({ ...problem, position: position(offset) }));
}

// A byte order mark stays, so that an edited manifest keeps it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The text of a manifest file, `bytes` being its UTF-8; a byte order mark is kept.
 *
 * @throws KsealError MANIFEST_INVALID, `path` in front, for UTF-16 and for anything not UTF-8.
 */
export function decodeManifest(bytes: Uint8Array, path: string): string {
  if (looksUtf16(bytes)) {
    throw new KsealError('MANIFEST_INVALID', 'the text is UTF-16, not UTF-8', {
      thing: path,
      hint: 'save it as UTF-8; in PowerShell: … | Set-Content -Encoding utf8 FILE',
    });
  }
  const text = decoder.decode(bytes);
  if (isUtf8(bytes)) return text;
  const again = new TextEncoder().encode(text);
  const offset = bytes.findIndex((byte, at) => byte !== again[at]);
  throw new KsealError('MANIFEST_INVALID', `not UTF-8 at byte ${offset + 1}`, {
    thing: path,
    hint: 'save it as UTF-8; a binary value belongs under data, as base64',
  });
}

function looksUtf16([a, b, c, d]: Uint8Array): boolean {
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  return (a === 0 && b !== 0 && c === 0) || (b === 0 && a !== 0 && d === 0);
}

interface Wanted {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
}

/**
 * The one Secret of a manifest that is meant: its only one, or the one that `name` and, if that
 * does not decide, `namespace` choose. Throws MANIFEST_INVALID or USAGE.
 */
export function selectSecret(manifest: Manifest, { name, namespace }: Wanted): SecretDocument {
  const { path, secrets, problems } = manifest;
  throwAll(problems.map((problem) => problemError(path, problem)));
  const named = secrets.filter((secret) => name === undefined || secret.name === name);
  const chosen =
    named.length > 1 && namespace !== undefined
      ? named.filter((secret) => secret.namespace === namespace)
      : named;
  const [secret, second] = chosen;
  if (secret !== undefined && second === undefined) return secret;
  const present = secrets.map(secretLabel).join(', ');
  if (secret !== undefined) {
    throw new KsealError('USAGE', `${path}: holds several Secrets: ${present}`, {
      hint: 'say which one by name, and with -n NAMESPACE if need be',
    });
  }
  if (secrets.length === 0)
    throw new KsealError('MANIFEST_INVALID', `${path}: holds no Secret`, {
      hint: 'check that it has kind: Secret',
    });
  throw new KsealError('USAGE', `${path}: holds no Secret ${name ?? ''}, but ${present}`, {
    hint: 'check the name',
  });
}
