import { entryNamed } from '../manifest/nodes.ts';
import { readManifest } from '../manifest/read.ts';
import { fieldsOfSecret } from '../manifest/read-secret.ts';
import {
  fieldNames,
  type Manifest,
  type Names,
  type SecretDocument,
  secretLabel,
} from '../manifest/types.ts';
import {
  childrenOf,
  type Position,
  positionsIn,
  type Range,
  rangesAt,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
} from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';
import type { Fault } from './rule.ts';

// A default within it may be the plaintext itself: `${PW:-hunter2}`, `{{ .pw | default "hunter2" }}`.
const action = /\{\{[^"'`]*?\}\}|\$\{\w+\}/g;
const MAX_PLACEHOLDER = 4096;

/** Whether a value is nothing but `{{ … }}` or `${…}`: another tool puts the value in. */
export function isPlaceholder(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_PLACEHOLDER || !bytes.includes(0x7b)) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return text.trim() !== '' && /^[\s"']*$/.test(text.replace(action, ''));
}

/** Whether `text` holds something that another tool replaces. */
export function holdsAction(text: string | undefined): boolean {
  return text?.includes('{{') || text?.includes('${') || false;
}

/** A document that is to be rendered before it says what its Secrets are. */
export interface TemplateDocument {
  /** Its lines, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Where it shows that; undefined where it shows no sign of a Secret. */
  readonly position: Position | undefined;
  /** Whether it may be a Secret of which nothing can be read. */
  readonly hidden: boolean;
}

/**
 * The documents that are templates. Most with `{{` are sound YAML: alerting rules, workflows, a
 * comment. A template is one where it makes up the structure or the name of a Secret.
 *
 * @param source the text, of which `manifest` may have been read without the actions in `parts`
 */
function templatesIn(
  { roots, secrets }: Manifest,
  source: string,
  parts: readonly TemplatePart[],
): readonly TemplateDocument[] {
  if (!holdsAction(source)) return [];
  const position = positionsIn(source);
  const partAt = rangesAt(parts);
  const withSecret = new Set(secrets.map(({ node }) => partAt(node.start)));
  const documents = parts.map((part): TemplateDocument => {
    const text = source.slice(part.start, part.end);
    const told = withSecret.has(part) || (part.readable ? mayHoldSecret(text) : namesSecret(text));
    const first = part.start + (actionIn(text) ?? 0);
    const hidden = !part.readable && mayBeSecret(text);
    return { ...linesOf(part, position), position: told ? position(first) : undefined, hidden };
  });
  const rootAt = rangesAt(roots);
  const named = new Set(secrets.filter(isNamedByAction).map(({ node }) => rootAt(node.start)));
  for (const root of roots) {
    if (partAt(root.start) !== undefined) continue;
    const sign = signIn(root, named.has(root), source);
    if (sign !== undefined)
      documents.push({ ...linesOf(root, position), position: position(sign), hidden: false });
  }
  return documents.sort((a, b) => a.start - b.start);
}

function linesOf({ start, end }: Range, position: (offset: number) => Position) {
  return { start: position(start).line, end: position(Math.max(start, end - 1)).line + 1 };
}

function isNamedByAction({ name, namespace, generateName, type }: SecretDocument): boolean {
  return [name, namespace, generateName, type].some(holdsAction);
}

/** Where a document that is YAML shows that it is a template of a Secret. */
function signIn(root: YamlNode, named: boolean, source: string): number | undefined {
  const text = source.slice(root.start, root.end);
  if (named) return root.start + text.search(/\{\{|\$\{/);
  return text.includes('{{') && mayHoldSecret(text) ? bracesIn(root, source)?.start : undefined;
}

const kind = /\bkind["']?[ \t]*:/;
const secretKind = /\bkind["']?[ \t]*:[ \t]*["']?(?:Secret(?:List)?\b|\{\{)/;

/** What names no kind at all may include a Secret from elsewhere, unless it includes nothing. */
function mayHoldSecret(text: string): boolean {
  return secretKind.test(text) || (!kind.test(text) && including.test(text));
}

// Control structures, assignments and comments put nothing in by themselves.
const including =
  /\{\{-?\s*(?!-?\s|\/\*|\$\w*\s*:?=|(?:if|else|end|range|with|define|block|break|continue|fail)\b)/;

/** Of what cannot be read at all, a Secret is any that may be one. */
function namesSecret(text: string): boolean {
  return /\bSecret|\\[xuU]/.test(text) || mayHoldSecret(text);
}

/** Whether a text that cannot be parsed may be a Secret; JSON can spell a word with escapes. */
export function mayBeSecret(text: string): boolean {
  return (/\bkind\b/.test(text) && /\bSecret(?:List)?\b/.test(text)) || /\\[xuU]/.test(text);
}

/** Whether a node is really `{{ … }}`: `{{ .x }}` is YAML for a map in a map. */
export function isBraces(node: YamlNode, source: string): boolean {
  return node.kind === 'map' && node.flow && source.startsWith('{{', node.start);
}

/** The first node that is. */
function bracesIn(node: YamlNode, source: string): YamlNode | undefined {
  if (isBraces(node, source)) return node;
  if (node.kind === 'alias') return undefined;
  for (const child of childrenOf(node)) {
    const found = bracesIn(child, source);
    if (found !== undefined) return found;
  }
  return undefined;
}

const hint = 'render it first, and verify that: helm template . | kseal verify -';

/** What is said of a value, or whatever else, that another tool puts in. */
export function placeholderFault(at: Pick<Fault, 'position' | 'secret' | 'key'>): Fault {
  const message = 'another tool puts something in here, so it cannot be judged';
  return { ...at, rule: 'template', message, hint };
}

/** What is said of a template. */
export function templateFault(position: Position, hidden: boolean): Fault {
  const message = 'is a template, which cannot be judged before it is rendered';
  if (!hidden) return { rule: 'template', position, message, hint };
  const said = 'is a template that is no YAML even without its actions, so a plaintext would hide';
  return { rule: 'unparsable', position, message: said, hint };
}

/** A document that is no YAML until a template is rendered. */
interface TemplatePart {
  /** Offsets into the source, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Whether it is YAML once its actions are taken out. */
  readonly readable: boolean;
}

interface Legible {
  /**
   * The source as far as it is YAML: as long, and with the same lines. What actions put into a
   * value or a key is `x` in it, and what they put on a line of their own is blank.
   */
  readonly source: string;
  readonly parts: readonly TemplatePart[];
}

/** Makes of a text that is no YAML, since it is a template, as much YAML as it holds. */
export function legibleIn(source: string): Legible {
  const parts: TemplatePart[] = [];
  const texts: string[] = [];
  const documents = documentsIn(source);
  for (const { start, text } of documents) {
    // That the whole is none is known.
    if (actionIn(text) === undefined || (documents.length > 1 && isYaml(text))) {
      texts.push(text);
      continue;
    }
    const bare = withoutActions(text);
    const readable = bare !== undefined && isYaml(bare);
    texts.push(readable ? bare : text.replace(notLineBreak, ' '));
    parts.push({ start, end: start + text.length, readable });
  }
  return { source: texts.join(''), parts };
}

/** The offset of the first `{{` that stands in no comment. */
export function actionIn(text: string): number | undefined {
  let at = text.indexOf('{{');
  while (at >= 0) {
    if (!/^\s*#/.test(text.slice(text.lastIndexOf('\n', at) + 1, at))) return at;
    const end = text.indexOf('\n', at);
    at = end < 0 ? end : text.indexOf('{{', end);
  }
  return undefined;
}

/** A line of `---` ends a document wherever it stands, but for the comments of a template. */
function documentsIn(source: string): readonly { start: number; text: string }[] {
  const marks = [...source.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index);
  const starts = [0, ...marks.filter((mark) => mark > 0)];
  return starts.map((start, at) => ({ start, text: source.slice(start, starts[at + 1]) }));
}

function isYaml(text: string): boolean {
  return parseYaml(text).errors.every(({ code }) => code === 'DUPLICATE_KEY');
}

/** A lone CR is no line break, and in no YAML. */
const notLineBreak = /[^\r\n]|\r(?!\n)/g;

/** Stands for a character of an action until it is known what it is replaced by. */
const MARK = '\uE000';

/** Undefined where an action does not end. */
function withoutActions(text: string): string | undefined {
  const pieces: string[] = [];
  let from = 0;
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', from)) {
    const end = endOfAction(text, at);
    if (end === undefined) return undefined;
    pieces.push(text.slice(from, at), text.slice(at, end).replace(notLineBreak, MARK));
    from = end;
  }
  const marked = pieces.join('') + text.slice(from);
  // Alone on a line, or all that stands behind `key:` or `-`, it may make up any structure.
  return marked
    .replace(/(?=\uE000)(?<=^[ \t]*|:[ \t]+|^[ \t]*-[ \t]+)\uE000[\uE000 \t]*(?=\r?$)/gm, (marks) =>
      ' '.repeat(marks.length),
    )
    .replaceAll(MARK, 'x');
}

/** Quotes in an action may hold `}}`, and its comments any quote. */
function endOfAction(text: string, start: number): number | undefined {
  if (/^\{\{-?\s*\/\*/.test(text.slice(start, start + 64))) {
    const end = text.indexOf('*/', start);
    return end < 0 ? undefined : after(text.indexOf('}}', end));
  }
  let quote = '';
  for (let at = start + 2; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '') {
      if (character === '}' && text.charAt(at + 1) === '}') return at + 2;
      if ('"`\''.includes(character)) quote = character;
    } else if (character === quote) quote = '';
    else if (character === '\\' && quote !== '`') at++;
  }
  return undefined;
}

function after(end: number): number | undefined {
  return end < 0 ? undefined : end + 2;
}

/**
 * What was read of a text without its template actions, put right: names are those of the
 * template, and a value that an action makes, in whole or in part, is none.
 *
 * @param source the template itself
 */
function restored(manifest: Manifest, source: string): Manifest {
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

interface ReadText {
  readonly manifest: Manifest;
  readonly templates: readonly TemplateDocument[];
}

/** Reads a text, and of one that is no YAML yet what is left without its template actions. */
export function readTemplates(source: string, path: string): ReadText {
  const manifest = readManifest(source, path);
  const isBroken = manifest.roots.length === 0 && manifest.problems.length > 0;
  if (!isBroken || actionIn(source) === undefined)
    return { manifest, templates: templatesIn(manifest, source, []) };
  const legible = legibleIn(source);
  const rest = restored(readManifest(legible.source, path), source);
  return { manifest: rest, templates: templatesIn(rest, source, legible.parts) };
}

/** Whether a position stands in one of them. */
export function isWithin(templates: readonly TemplateDocument[]): (position: Position) => boolean {
  const templateAt = rangesAt(templates);
  return ({ line }) => templateAt(line) !== undefined;
}
