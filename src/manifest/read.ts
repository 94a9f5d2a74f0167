import { isUtf8 } from 'node:buffer';
import { byPosition, type Diagnostic, errorFor } from '../diagnostic.ts';
import { KsealError, throwAll } from '../errors.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import { isMergeKey, positionsIn, type YamlMap, type YamlNode } from '../yaml/node.ts';
import { parseYaml, type YamlError } from '../yaml/parse.ts';
import { findNested, rawCommands } from './nested.ts';
import {
  entriesNamed,
  entryNamed,
  indirection,
  indirectKeys,
  isNull,
  nameOf,
  problemAt,
} from './nodes.ts';
import { refuseOpaque } from './other-tools.ts';
import { readSecret } from './read-secret.ts';
import type {
  Manifest,
  NestedSecret,
  Nesting,
  ReaderCode,
  SecretDocument,
  Source,
} from './types.ts';

type Problem = Diagnostic<ReaderCode>;

/**
 * Reads the Secrets of a YAML or JSON text with any number of documents, Lists included, and
 * skips all other objects. Never throws for the content of the text: see `problems`, which are in
 * source order.
 *
 * @param path the name of the text in messages
 */
export function readManifest(text: string, path: string): Manifest {
  const { roots, errors } = parseYaml(text);
  const source = { text, position: positionsIn(text) };
  const problems: Problem[] = [];
  const secrets: SecretDocument[] = [];
  for (const root of roots) {
    const found = findSecrets(root, source);
    for (const problem of found.problems) problems.push(problem);
    for (const { node, problems: own } of found.secrets) {
      const read = readSecret(node, source);
      secrets.push(read.secret);
      const secret = secretLabel(read.secret);
      for (const problem of own) problems.push({ ...problem, secret });
      for (const problem of read.problems) problems.push(problem);
    }
  }
  if (errors.length > 0) problems.push(...yamlProblems(errors, source, problems));
  const nesting = nestingIn(roots, source, secrets);
  return { path, source: text, secrets, problems: problems.sort(byPosition), roots, ...nesting };
}

/** Most texts are spared the search for Secrets inside other objects. */
function nestingIn(
  roots: readonly YamlNode[],
  source: Source,
  secrets: readonly SecretDocument[],
): Nesting {
  const known = new Set<YamlNode>(secrets.map(({ node }) => node));
  const hasOthers = roots.some((root) => !known.has(root));
  // An escape may be any letter of these words.
  const isPossible = hasOthers && /Secret|stringData|secretGenerator|\\/.test(source.text);
  return isPossible ? findNested(roots, source, known) : { nested: [], strings: [] };
}

/** Returns the errors of the YAML reader, except where a more exact problem is known. */
function yamlProblems(
  errors: readonly YamlError[],
  source: Source,
  known: readonly Problem[],
): readonly Problem[] {
  return errors
    .map(({ code, message, offset }) => {
      const id = code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'unparsable';
      return problemAt({ start: offset }, source, id, message);
    })
    .filter((problem) => !known.some((other) => byPosition(other, problem) === 0));
}

/** A mapping that is a Secret, and what is wrong with its apiVersion and kind. */
interface FoundSecret {
  readonly node: YamlMap;
  readonly problems: readonly Problem[];
}

interface Search {
  readonly secrets: readonly FoundSecret[];
  /** Nodes that may be, or hide, a Secret that cannot be read as one. */
  readonly problems: readonly Problem[];
}

const nothing: Search = { secrets: [], problems: [] };

/**
 * Finds the Secrets of a document: itself, or the items of a List or SecretList at any depth.
 *
 * @param assumed the kind of an object that names none: items of a SecretList may omit it
 */
function findSecrets(node: YamlNode, source: Source, assumed?: string): Search {
  if (node.kind === 'alias')
    return refused(findSecrets(node.target, source, assumed), node, source, 'alias');
  if (node.kind !== 'map') return nothing;
  // Other API groups have kinds named Secret. kubectl reads `/v1` as `v1`.
  const versions = textsNamed(node, 'apiVersion');
  if (versions.length > 0 && versions.every((version) => /^[^/]+\//.test(version)))
    return hidden(node, source);
  const kind = kindOf(node, assumed);
  const problems = identityProblems(node, source, assumed);
  if (kind === 'Secret') {
    const self = { secrets: [{ node, problems }], problems: [] };
    return entriesNamed(node, 'kind').length > 1 ? together([self, hidden(node, source)]) : self;
  }
  if (kind !== 'List' && kind !== 'SecretList') return hidden(node, source);
  const inside = itemsOf(node, source, kind);
  if (isEmpty(inside)) return merged(node, source);
  const odd = indirectKeys(node, source, `a ${kind}`);
  return { ...inside, problems: [...problems, ...odd, ...inside.problems] };
}

function together(searches: readonly Search[]): Search {
  return {
    secrets: searches.flatMap(({ secrets }) => secrets),
    problems: searches.flatMap(({ problems }) => problems),
  };
}

function itemsOf(list: YamlMap, source: Source, kind: 'List' | 'SecretList'): Search {
  const all = entriesNamed(list, 'items').filter(({ value }) => !isNull(value));
  return together(
    all.map(({ value }) =>
      value.kind === 'alias'
        ? refused(itemsIn(value.target, source, kind), value, source, 'alias')
        : itemsIn(value, source, kind),
    ),
  );
}

function itemsIn(items: YamlNode, source: Source, kind: 'List' | 'SecretList'): Search {
  const wrong = (node: YamlNode, message: string): Search => {
    const hint = 'write objects, each with a - before it';
    return { secrets: [], problems: [problemAt(node, source, 'wrong-type', message, hint)] };
  };
  if (items.kind !== 'seq') return wrong(items, `the items of a ${kind} are not a sequence`);
  const assumed = kind === 'SecretList' ? 'Secret' : undefined;
  return together(
    items.items.map((item) => {
      if (item.kind === 'map' || item.kind === 'alias') return findSecrets(item, source, assumed);
      return wrong(item, `an item of a ${kind} is not an object`);
    }),
  );
}

/** Searches an object of another kind: kubectl treats any object with `items` as a list. */
function hidden(node: YamlMap, source: Source): Search {
  const inside = entriesNamed(node, 'items').map(({ value }) => {
    const list = value.kind === 'alias' ? value.target : value;
    const items = list.kind === 'seq' ? list.items : [];
    const found = together(items.map((item) => findSecrets(item, source)));
    return value.kind === 'alias' ? refused(found, value, source, 'alias') : found;
  });
  return together([merged(node, source), ...inside]);
}

/** A merge key can turn an object that does not look like a Secret into one. */
function merged(node: YamlMap, source: Source): Search {
  const searches = node.entries
    .filter(({ key }) => isMergeKey(key))
    .map(({ key, value }) => {
      const base = value.kind === 'alias' ? value.target : value;
      const parts = base.kind === 'seq' ? base.items : [base];
      const inside = parts
        .map((part) => findSecrets(part, source))
        .find((search) => !isEmpty(search));
      return refused(inside ?? nothing, key, source, 'merge key');
    });
  return together(searches);
}

function refused(search: Search, node: YamlNode, source: Source, construct: string): Search {
  if (isEmpty(search)) return nothing;
  const message = `${construct} in place of a Secret, or of a List of Secrets`;
  const problem = problemAt(node, source, 'unsupported-yaml', message, 'write it out');
  return { secrets: [], problems: [problem] };
}

const isEmpty = ({ secrets, problems }: Search) => secrets.length + problems.length === 0;

function identityProblems(
  node: YamlMap,
  source: Source,
  assumed: string | undefined,
): readonly Problem[] {
  const problems = ['apiVersion', 'kind'].flatMap((name): readonly Problem[] => {
    const value = entryNamed(node, name)?.value;
    const problem = value && indirection(value, source, name);
    return problem === undefined ? [] : [problem];
  });
  const versions = textsNamed(node, 'apiVersion');
  if (versions.includes('v1') || (versions.length === 0 && assumed !== undefined)) return problems;
  const message = `kind ${kindOf(node, assumed)} without apiVersion v1`;
  return [...problems, problemAt(node, source, 'wrong-version', message, 'write apiVersion: v1')];
}

/** Returns the kind of an object. An unrendered template may have several, one of them Secret. */
function kindOf(node: YamlMap, assumed: string | undefined): string | undefined {
  const kinds = textsNamed(node, 'kind');
  return kinds.find((kind) => searched.has(kind)) ?? kinds[0] ?? assumed;
}

const searched = new Set(['Secret', 'List', 'SecretList']);

/** Returns the texts of a field, following aliases, without null and empty ones. */
function textsNamed(map: YamlMap, name: string): readonly string[] {
  const texts: string[] = [];
  for (const { key, value } of map.entries) {
    if (nameOf(key) !== name) continue;
    const node = value.kind === 'alias' ? value.target : value;
    if (node.kind === 'scalar' && !isNull(node) && node.text !== '') texts.push(node.text);
  }
  return texts;
}

// Keeps a byte order mark, so that an edited manifest keeps it as well.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Decodes the UTF-8 text of a manifest file, and keeps a byte order mark.
 *
 * @throws KsealError MANIFEST_INVALID for UTF-16, for anything that is not UTF-8, and for a file
 *   that another tool encrypts or stores elsewhere
 */
export function decodeManifest(bytes: Uint8Array, path: string): string {
  refuseOpaque(bytes, path);
  if (looksUtf16(bytes)) {
    throw new KsealError('MANIFEST_INVALID', 'UTF-16 text, not UTF-8', {
      thing: path,
      hint: 'save it as UTF-8; in PowerShell: … | Set-Content -Encoding utf8 FILE',
    });
  }
  const text = decoder.decode(bytes);
  if (isUtf8(bytes)) return text;
  const again = new TextEncoder().encode(text);
  const offset = bytes.findIndex((byte, at) => byte !== again[at]);
  throw new KsealError('MANIFEST_INVALID', `invalid UTF-8 at byte ${offset + 1}`, {
    thing: path,
    hint: 'save it as UTF-8; put binary values under data, as base64',
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
 * Returns the Secret that is meant: the only one of the manifest, or the one with `name` and, if
 * several have it, `namespace`. Throws MANIFEST_INVALID or USAGE.
 */
export function selectSecret(manifest: Manifest, { name, namespace }: Wanted): SecretDocument {
  const { path, secrets, problems } = manifest;
  throwAll(problems.map((problem) => errorFor(path, problem)));
  const named = secrets.filter((secret) => name === undefined || secret.name === name);
  const chosen =
    named.length > 1 && namespace !== undefined
      ? named.filter((secret) => secret.namespace === namespace)
      : named;
  const [secret, second] = chosen;
  if (secret !== undefined && second === undefined) return secret;
  if (secrets.length === 0) throw noSecret([path], manifest.nested);
  const present = secrets.map(secretLabel).join(', ');
  if (secret === undefined) {
    throw new KsealError('USAGE', `no Secret ${name ?? ''}, only ${present}`, {
      thing: path,
      hint: 'check the name',
    });
  }
  throw new KsealError('USAGE', `several Secrets: ${present}`, {
    thing: path,
    hint: 'choose one by name, and by -n NAMESPACE if several have that name',
  });
}

/**
 * Returns the error for manifests without a Secret to seal or open.
 *
 * @param nested their Secrets inside other objects, which kseal does not edit
 */
export function noSecret(paths: readonly string[], [nested]: readonly NestedSecret[]): KsealError {
  const thing = paths.join(', ');
  if (nested === undefined) {
    return new KsealError('MANIFEST_INVALID', 'no Secret found', {
      thing,
      hint: 'check that each document has apiVersion: v1 and kind: Secret',
    });
  }
  const label = secretLabel(nested.secret);
  const { seal, open } = rawCommands(nested, nested.secret.entries[0]?.key);
  const problem = `Secret ${label} is inside ${nested.outer}, where kseal does not seal or open it`;
  return new KsealError('MANIFEST_INVALID', problem, {
    thing,
    hint: `to seal one value, ${seal}; to open one, ${open}`,
  });
}
