import { isUtf8 } from 'node:buffer';
import { byPosition, type Diagnostic, errorFor } from '../diagnostic.ts';
import { KsealError, throwAll } from '../errors.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import { listOf, suggest } from '../text.ts';
import type { YamlError } from '../yaml/compose.ts';
import { positionsIn, type YamlMap, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';
import { findNested, rawCommands } from './nested.ts';
import {
  entryNamed,
  type FoundField,
  fieldsIn,
  indirection,
  indirectKeys,
  isForeignVersion,
  isNull,
  nameOf,
  problemAt,
  textsOf,
} from './nodes.ts';
import { refuseOpaque } from './other-tools.ts';
import { readSecret } from './read-secret.ts';
import { plainScalarTrap } from './scalars.ts';
import type {
  Manifest,
  NestedSecret,
  Nesting,
  ReaderCode,
  SecretDocument,
  Source,
} from './types.ts';

type Problem = Diagnostic<ReaderCode>;

/** A text to read, and the actions of a template that are masked in it. */
interface Text extends Source {
  /** Returns a part of the text as it is in the file. */
  readonly original: (part: string) => string;
}

/**
 * Reads the Secrets of a YAML or JSON text with any number of documents, Lists included, and
 * skips all other objects. Never throws for the content of the text: see `problems`, which are in
 * source order.
 *
 * @param path the name of the text in messages
 * @param original returns a part of the text as it is in the file, if actions are masked
 */
export function readManifest(
  text: string,
  path: string,
  original: (part: string) => string = (part) => part,
): Manifest {
  const { roots, errors } = parseYaml(text);
  const source = { text, position: positionsIn(text), original };
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
  if (errors.length > 0) problems.push(...yamlProblems(errors, roots, source, problems));
  const nesting = nestingIn(roots, source, secrets);
  return {
    path,
    source: text,
    secrets,
    problems: distinct(problems).sort(byPosition),
    roots,
    ...nesting,
  };
}

/** Searches for Secrets inside other objects, unless a quick test rules them out. */
function nestingIn(
  roots: readonly YamlNode[],
  source: Source,
  secrets: readonly SecretDocument[],
): Nesting {
  const known = new Set<YamlNode>(secrets.map(({ node }) => node));
  const hasOthers = roots.some((root) => !known.has(root));
  // An escape may be any letter of these words, and a tag may encode them.
  const isPossible =
    hasOthers &&
    /Secret|stringData|secretGenerator|kind\W{1,9}secret|\\|binary|%[\dA-Z]/.test(source.text);
  return isPossible ? findNested(roots, source, known) : { nested: [], strings: [] };
}

/** Several checks may find the same defect: an alias as kind is also an alias in a Secret. */
function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ code, position: { line, column } }) => {
    return seen.size < seen.add(`${code} ${line}:${column}`).size;
  });
}

/** Returns the errors of the YAML reader, except where a more exact problem is known. */
function yamlProblems(
  errors: readonly YamlError[],
  roots: readonly YamlNode[],
  source: Source,
  known: readonly Problem[],
): readonly Problem[] {
  const isTemplate = source.text.includes('{{') && mayHoldSecret(source.text);
  const fatal = errors.filter((error) => error.fatal).sort((a, b) => a.offset - b.offset);
  // If the text is not YAML, the other errors usually follow from the first one.
  return (fatal.length > 0 ? fatal.slice(0, 1) : errors)
    .filter(({ code, offset }) => code !== 'ROOT_SCALAR' || isDoubtful(offset, roots, source))
    .map(({ code, message, offset }) => {
      const { id = 'unparsable', hint = isTemplate ? sealAlone : undefined } = codes[code] ?? {};
      return problemAt({ start: offset }, source, id, message, hint);
    })
    .filter((problem) => !known.some((other) => byPosition(other, problem) === 0));
}

const sealAlone =
  'if this is a Helm template, seal its values one by one: kseal seal NAME -n NAMESPACE --prompt KEY --raw';

const codes: Readonly<Record<string, { readonly id: ReaderCode; readonly hint?: string }>> = {
  DUPLICATE_KEY: { id: 'duplicate-key', hint: 'remove one of them' },
  MERGE_CONFLICT: {
    id: 'merge-conflict',
    hint: 'keep one side of each conflict, and remove the lines with <<<<<<<, ======= and >>>>>>>',
  },
};

/** Whether the text at `offset`, which is not an object in YAML 1.2, may be a Secret to kubectl. */
function isDoubtful(offset: number, roots: readonly YamlNode[], { text }: Source): boolean {
  return roots.some(({ start, end }) => start === offset && mayHoldSecret(text.slice(start, end)));
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

const isEmpty = ({ secrets, problems }: Search) => secrets.length + problems.length === 0;

function together(searches: readonly Search[]): Search {
  return {
    secrets: searches.flatMap(({ secrets }) => secrets),
    problems: searches.flatMap(({ problems }) => problems),
  };
}

/** Replaces what a construct of YAML leads to with a problem, because readers differ on it. */
function refused(search: Search, node: YamlNode, source: Source, construct: string): Search {
  if (isEmpty(search)) return nothing;
  const message = `${construct} in place of a Secret, or of a List of Secrets`;
  const problem = problemAt(node, source, 'unsupported-yaml', message, 'write it out');
  return { secrets: [], problems: [problem] };
}

/** The kind and apiVersion of an object to any YAML reader. */
interface Identity {
  readonly node: YamlMap;
  readonly fields: readonly FoundField[];
  readonly kinds: readonly string[];
  readonly versions: readonly string[];
  /** The SecretList that it is in gives it its kind, its apiVersion, or both. */
  readonly inSecretList: boolean;
}

/** The kind and apiVersion of the items of a list that name neither. */
type Inherited = Pick<Identity, 'kinds' | 'versions'>;

function identityOf(node: YamlMap, source: Text, inherited: Inherited | undefined): Identity {
  const fields = fieldsIn(node);
  const kinds = textsNamed('kind', fields, source);
  const versions = textsNamed('apiVersion', fields, source);
  const inSecretList = inherited?.kinds.includes('Secret') ?? false;
  // kubectl takes a kind that is not a string for a missing one, as a reader does that ignores the
  // construct it comes from.
  const isKind = (kind: string) => plainScalarTrap(kind) === undefined;
  const certain = fields.filter(({ construct }) => construct === undefined);
  if (inherited === undefined || textsNamed('kind', certain, source).some(isKind))
    return { node, fields, kinds, versions, inSecretList };
  const own = {
    kinds: [...kinds.filter(isKind), ...inherited.kinds],
    versions:
      textsNamed('apiVersion', certain, source).length > 0
        ? versions
        : [...versions, ...inherited.versions],
  };
  return { node, fields, ...own, inSecretList };
}

/** Returns the fields with a name, or else those whose name a template makes. */
function fieldsNamed(
  name: string,
  fields: readonly FoundField[],
  { original }: Text,
): readonly FoundField[] {
  const literal = fields.filter((field) => field.name === name);
  if (literal.length > 0) return literal;
  return fields.filter((field) => canBecome(original(field.name), name));
}

/** Returns the texts of fields, without null and empty ones. */
function textsNamed(name: string, fields: readonly FoundField[], source: Text): readonly string[] {
  return fieldsNamed(name, fields, source)
    .filter(({ value }) => !isNull(value))
    .flatMap(({ value }) => textsOf(value))
    .filter((text) => text !== '');
}

/** Finds the Secrets of a document: itself, or the items of a list at any depth. */
function findSecrets(node: YamlNode, source: Text, inherited?: Inherited): Search {
  if (node.kind === 'alias')
    return refused(findSecrets(node.target, source, inherited), node, source, 'alias');
  if (node.kind !== 'map') return nothing;
  const object = identityOf(node, source, inherited);
  return together([selfIn(object, source), itemsOf(object, source)]);
}

/** Returns the object itself if it is a Secret, or meant to be one. */
function selfIn(object: Identity, source: Text): Search {
  const { node, fields } = object;
  if (isForeign(object)) return nothing;
  if (!isSecret(object, source)) return misspelt(object, source);
  const self = { secrets: [{ node, problems: secretProblems(object, source) }], problems: [] };
  const kinds = fieldsNamed('kind', fields, source).filter(({ value }) =>
    textsOf(value).some((text) => canBecome(source.original(text), 'Secret')),
  );
  const [first] = kinds;
  if (first?.construct === undefined || kinds.some(({ construct }) => construct === undefined))
    return self;
  return refused(self, first.key, source, first.construct);
}

function isForeign({ versions }: Identity): boolean {
  return versions.length > 0 && versions.every(isForeignVersion);
}

function isSecret({ kinds, versions, fields }: Identity, { original }: Text): boolean {
  if (kinds.includes('Secret')) return true;
  // Many templates make a kind. If it becomes Secret, then the object has its fields.
  return (
    fields.some(({ name }) => name === 'data' || name === 'stringData') &&
    kinds.some((kind) => canBecome(original(kind), 'Secret')) &&
    (versions.length === 0 || versions.some((version) => canBecome(original(version), 'v1')))
  );
}

/** Finds the Secrets in the `items` of an object: kubectl applies them, whatever its kind is. */
function itemsOf(object: Identity, source: Text): Search {
  const { node, fields, kinds, versions } = object;
  const list = isForeign(object) ? undefined : kinds.find((kind) => /^(?:Secret)?List$/.test(kind));
  const inherited = { kinds: kinds.map((kind) => kind.replace(/List$/, '')), versions };
  const inside = together(
    fieldsNamed('items', fields, source).map(({ key, value, construct }) => {
      const found = itemsIn(value, source, list, inherited);
      return construct === undefined ? found : refused(found, key, source, construct);
    }),
  );
  if (isEmpty(inside)) return nothing;
  const own =
    list === undefined ? constructsIn(object, source) : identityProblems(object, list, source);
  const odd = indirectKeys(node, source, `a ${list ?? 'list'}`);
  return { ...inside, problems: [...own, ...odd, ...inside.problems] };
}

function itemsIn(
  items: YamlNode,
  source: Text,
  list: string | undefined,
  inherited: Inherited,
): Search {
  if (items.kind === 'alias')
    return refused(itemsIn(items.target, source, list, inherited), items, source, 'alias');
  if (isNull(items)) return nothing;
  const wrong = (node: YamlNode, message: string): Search => {
    const hint = 'write objects, each with a - before it';
    const problem = problemAt(node, source, 'wrong-type', message, hint);
    return list === undefined ? nothing : { secrets: [], problems: [problem] };
  };
  if (items.kind !== 'seq') return wrong(items, `the items of a ${list} are not a sequence`);
  return together(
    items.items.map((item) => {
      if (item.kind === 'map' || item.kind === 'alias') return findSecrets(item, source, inherited);
      return wrong(item, `an item of a ${list} is not an object`);
    }),
  );
}

/** Reports tags and aliases that decide what an object is. */
function constructsIn({ node }: Identity, source: Text): readonly Problem[] {
  const problems = [
    indirection(node, source, 'an object'),
    ...['apiVersion', 'kind', 'items'].map((name) => {
      const value = entryNamed(node, name)?.value;
      return value && indirection(value, source, name);
    }),
  ];
  return problems.filter((problem) => problem !== undefined);
}

/** Reports what is wrong with the apiVersion and kind of a Secret or of a List of Secrets. */
function identityProblems(object: Identity, kind: string, source: Text): readonly Problem[] {
  const problems = constructsIn(object, source);
  const { node, versions, inSecretList } = object;
  const value = entryNamed(node, 'apiVersion')?.value;
  if (versions.includes('v1') || (inSecretList && value === undefined)) return problems;
  const hint = 'write apiVersion: v1';
  if (value === undefined || isNull(value)) {
    const message = `kind ${kind} without apiVersion`;
    return [...problems, problemAt(node, source, 'missing-version', message, hint)];
  }
  const isMade = versions.some((version) => canBecome(source.original(version), 'v1'));
  const code = isMade ? 'unrendered-kind' : 'misspelt-kind';
  return [
    ...problems,
    problemAt(value, source, code, `the apiVersion of a ${kind} is not v1`, hint),
  ];
}

function secretProblems(object: Identity, source: Text): readonly Problem[] {
  const { node, kinds } = object;
  const problems = [...identityProblems(object, 'Secret', source)];
  const items = entryNamed(node, 'items');
  if (items !== undefined) {
    const message = 'unknown field items: kubectl applies what is under it, and not this Secret';
    const hint = 'write each item as a document of its own';
    problems.push(problemAt(items.key, source, 'unknown-field', message, hint));
  }
  const kind = entryNamed(node, 'kind')?.value ?? node;
  if (!kinds.includes('Secret'))
    problems.push(problemAt(kind, source, 'unrendered-kind', UNRENDERED, exactly));
  return problems;
}

const UNRENDERED = 'a template makes the kind, which may become Secret';
const exactly = 'write exactly: kind: Secret';

/** Reports an object that was meant to be a Secret: `Kind: Secret`, `kind: secret`. */
function misspelt({ node }: Identity, source: Text): Search {
  const field = (name: string) =>
    entryNamed(node, name) ?? node.entries.find(({ key }) => isSimilar(nameOf(key), name));
  const holds = (name: string) => entryNamed(node, name)?.value.kind === 'map';
  const [kind, version] = [field('kind'), field('apiVersion')];
  const versionText = version && nameOf(version.value);
  const isCore = /^\s*\/?v1\s*$/i.test(versionText ?? '');
  const isMeant =
    kind === undefined
      ? isCore && (holds('stringData') || (holds('data') && entryNamed(node, 'type') !== undefined))
      : isSimilar(nameOf(kind.value), 'Secret') &&
        (isCore ||
          ((holds('data') || holds('stringData')) && !isForeignVersion(versionText ?? '')));
  if (!isMeant) return nothing;
  const message = 'looks like a Secret, but Kubernetes does not recognise it as one';
  const problem = problemAt(kind?.key ?? node, source, 'misspelt-kind', message, exactly);
  return { secrets: [], problems: [problem] };
}

/** Whether a text looks like a word, but has full-width letters, spaces or a typo. */
function isSimilar(text: string | undefined, word: string): boolean {
  if (text === undefined || text.length > 2 * word.length) return false;
  const letters = text.normalize('NFKC').replace(/[\s\p{Cf}]/gu, '');
  return letters === word || suggest(letters, [word]) !== undefined;
}

// An action without its end takes the rest of the text, so that this takes linear time.
const action = /(\{\{.*?(?:\}\}|$)|\$\{.*?(?:\}|$))/s;

/** Whether `text` is `name`, or can become it when another tool replaces its `{{ … }}` and `${…}`. */
function canBecome(text: string, name: string): boolean {
  if (text === name || !text.includes('{')) return text === name;
  const parts = text.split(action);
  if (parts.length === 1) return false;
  const isOptional = parts.some((part, at) => at % 2 === 1 && actionKind(part) !== 'output');
  // The lengths of the beginnings of `name` that the parts so far can make.
  let made = [0];
  for (const [at, part] of parts.entries()) {
    const literal = part.trim();
    if (at % 2 === 0) {
      const longer = made.filter((length) => name.startsWith(literal, length));
      const lengths = longer.map((length) => length + literal.length);
      made = [...new Set(isOptional ? [...made, ...lengths] : lengths)];
    } else if (actionKind(part) === 'output' && made.length > 0) {
      const least = Math.min(...made);
      made = Array.from({ length: name.length - least + 1 }, (_, more) => least + more);
    }
  }
  return made.includes(name.length);
}

/**
 * Returns what an action of a Go template does: it begins a block (`if`, `range`), an alternative
 * (`else if`) or the last one (`else`), ends a block, prints nothing, or prints something.
 */
export function actionKind(
  text: string,
): 'begin' | 'else-if' | 'else' | 'end' | 'silent' | 'output' {
  const [, word = '', rest = ''] = /^\{\{-?\s*(\/\*|\$\w*\s*:?=|[a-z]\w*)(.*)/s.exec(text) ?? [];
  if (/^(?:if|range|with|define|block)$/.test(word)) return 'begin';
  if (word === 'else') return /^\s*-?\}\}/.test(rest) ? 'else' : 'else-if';
  if (word === 'end') return 'end';
  return /^(?:\/\*|\$.*|break|continue|fail)$/s.test(word) ? 'silent' : 'output';
}

/** Whether a manifest, which may be a template or not YAML at all, provably holds no Secret. */
export function isWithoutSecret({ source, secrets, problems }: Manifest): boolean {
  if (secrets.length > 0 || problems.length === 0) return secrets.length === 0;
  return (
    problems.every(({ code }) => code === 'unparsable' || code === 'duplicate-key') &&
    !mayHoldSecret(source)
  );
}

// Escapes, line breaks in double quotes and !!binary, which can make any letter. %TAG can rename tags.
const hiddenLetters =
  /\\(?:[xuU]|[\u0085\u2028\u2029]|\r(?!\n))|(?:^|[\s,[{:])!\S{0,99}(?:binary|%)|^%TAG\s/m;
// In a string that is a manifest itself, a word may follow an escape: "apiVersion: v1\nkind: Secret".
const secretWord = /(?:\b|\\[nrt])Secret(?:List|Generator)?\b/;
const kindWord = /(?:\b|\\[nrt])kind\b/;
// Only Secrets have these fields, also without a kind.
const secretField = /(?:\b|\\[nrt])(?:stringData|secretGenerator)\b/;

/**
 * Whether a text that cannot be read may hold a Secret. If not, then no reader can find one in it:
 * not in a part of the text, and not after rendering a template.
 */
export function mayHoldSecret(text: string): boolean {
  if (hiddenLetters.test(text)) return true;
  const folded = text.replace(/\\\r?\n[ \t]*/g, '');
  const holds = (word: RegExp) => word.test(text) || word.test(folded);
  if (holds(secretField) || (holds(secretWord) && holds(kindWord))) return true;
  if (!text.includes('{{')) return false;
  return madeKind.test(text) || (mayRenderSecret(text) && /\bdata\b/.test(text));
}

const kindKey = /\bkind["']?[ \t]*:/;
const madeKind = /\bkind["']?[ \t]*:\s*["']?(?:S|Se|Sec|Secr|Secre|Secret\w*)?\{\{/;

/** Whether a template is, or may become, a Secret. One without a kind may include a Secret. */
export function mayRenderSecret(text: string): boolean {
  if (/\bkind["']?[ \t]*:[ \t]*["']?Secret(?:List)?\b/.test(text)) return true;
  return madeKind.test(text) || (!kindKey.test(text) && hasOutput(text));
}

function hasOutput(text: string): boolean {
  return text.match(/\{\{.*?(?:\}\}|$)/gs)?.some((one) => actionKind(one) === 'output') ?? false;
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

/** The Secrets with `name` and, if several have it, `namespace`. */
export function matchingSecrets(
  { secrets }: Pick<Manifest, 'secrets'>,
  { name, namespace }: Wanted,
): readonly SecretDocument[] {
  const named = secrets.filter((secret) => name === undefined || secret.name === name);
  return named.length > 1 && namespace !== undefined
    ? named.filter((secret) => secret.namespace === namespace)
    : named;
}

/**
 * Returns the Secret that is meant: the only one of the manifest, or the one with `name` and, if
 * several have it, `namespace`. Throws MANIFEST_INVALID or USAGE.
 */
export function selectSecret(manifest: Manifest, { name, namespace }: Wanted): SecretDocument {
  const { path, secrets, problems } = manifest;
  throwAll(problems.map((problem) => errorFor(path, problem)));
  const [secret, second] = matchingSecrets(manifest, { name, namespace });
  if (secret !== undefined && second === undefined) return secret;
  if (secrets.length === 0) throw noSecret([path], manifest.nested);
  const present = listOf(secrets.map(secretLabel));
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
  const thing = listOf(paths);
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
