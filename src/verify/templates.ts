// Helm templates and other texts with `{{ … }}` that are not rendered yet. A template cannot be
// judged, but literal plaintext in it must be found.

import type { Position } from '../diagnostic.ts';
import { findInString } from '../manifest/nested.ts';
import { actionKind, mayHoldSecret, mayRenderSecret, readManifest } from '../manifest/read.ts';
import type { Manifest, NestedSecret, NestedString, SecretDocument } from '../manifest/types.ts';
import { childrenOf, positionsIn, type Range, rangesAt, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';

/** A text with masked actions, as far as it is YAML. */
interface TemplateText {
  readonly manifest: Manifest;
  readonly templates: readonly TemplateDocument[];
  readonly actions: Actions;
}

/** Finds the masked actions in the texts of a manifest. */
export interface Actions {
  /** Whether a text contains an action. */
  readonly isMade: (text: string) => boolean;
  /** Whether a text contains an action, and in each rendering the output of one. */
  readonly isReplaced: (text: string) => boolean;
}

/** A document that has to be rendered before its Secrets are known. */
export interface TemplateDocument {
  /** Its lines, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** The position of the first sign of a Secret; undefined without one. */
  readonly position: Position | undefined;
  /** It cannot be read at all, and may be a Secret. */
  readonly hidden: boolean;
}

/** Reads a manifest. Masks its actions if it is not YAML, or has no objects, because of them. */
export function readTemplates(source: string, path: string): TemplateText {
  const manifest = readManifest(source, path);
  if (!isTemplate(manifest))
    return { manifest, templates: templatesIn(manifest, source, []), actions: noActions };
  const { text, parts, actions } = maskedIn(source);
  const original = originalIn(actions);
  const read = unmasked(readManifest(text, path, original), source, original);
  return {
    manifest: read,
    templates: templatesIn(read, source, parts),
    actions: actionsOf(actions),
  };
}

/**
 * Returns the Secrets in a string that is not YAML because of its actions, such as an inline
 * template of Crossplane.
 */
export function readTemplateString(string: NestedString): Nested {
  if (actionIn(string.source.text) === undefined) return { nested: [], actions: noActions };
  const { text, actions } = maskedIn(string.source.text);
  const original = originalIn(actions);
  const nested = findInString(text, string).nested.map(({ secret, ...rest }) => {
    return { ...rest, secret: withOriginalNames(secret, original) };
  });
  return { nested, actions: actionsOf(actions) };
}

/** Secrets inside other objects, and the masked actions in them. */
export interface Nested {
  readonly nested: readonly NestedSecret[];
  readonly actions: Actions;
}

function originalIn(actions: Masked['actions']): (part: string) => string {
  return (part) => part.replace(maskRuns, (_, mask) => actions.get(mask) ?? '');
}

function actionsOf(actions: Masked['actions']): Actions {
  const isMade = (value: string) => MASK.test(value);
  return { isMade, isReplaced: (value) => isMade(value) && !hasPlaintext(value, actions) };
}

const noActions: Actions = { isMade: () => false, isReplaced: () => false };

function isTemplate({ source, roots, problems }: Manifest): boolean {
  if (!source.includes('{{')) return false;
  if (roots.length > 0) return roots.some((root) => hasBraces(root, source));
  const [problem] = problems;
  return (
    problem !== undefined && problem.code !== 'merge-conflict' && actionIn(source) !== undefined
  );
}

/** Whether a node is or contains `{{ .x }}`, which is a mapping in a mapping in YAML. */
function hasBraces(node: YamlNode, source: string): boolean {
  if (node.kind === 'map' && node.flow && source.startsWith('{{', node.start)) return true;
  return node.kind !== 'alias' && childrenOf(node).some((child) => hasBraces(child, source));
}

/** Whether `text` contains something that another tool replaces. */
export function holdsAction(text: string | undefined): boolean {
  return text?.includes('{{') || text?.includes('${') || false;
}

/** A document that is not YAML, or has no objects, because of its actions. */
interface Part extends Range {
  /** It is YAML if its actions are masked. */
  readonly readable: boolean;
}

interface Masked {
  /** The source with masked actions. Documents that are still not YAML are blank. */
  readonly text: string;
  readonly parts: readonly Part[];
  /** The action that each mask is for. */
  readonly actions: ReadonlyMap<string, string>;
}

// Masks are private-use characters: YAML treats them as text, and no valid name contains them.
const MASK = /[\uE000-\uF8FF]/;
const maskRuns = /([\uE000-\uF8FF])\1*/g;
const escapedMask = /\\(?:u|U0000)(?:e|f[0-8])/i;
const FIRST_MASK = 0xe000;
const MASKS = 0xf900 - FIRST_MASK;

const blanked = (text: string) => text.replace(/[^\r\n]|\r(?!\n)/g, ' ');

/** Masks the actions of a template with as many characters, so that offsets stay the same. */
export function maskedIn(source: string): Masked {
  const actions = new Map<string, string>();
  const parts: Part[] = [];
  // A text with private-use characters of its own cannot be masked, so none of it is readable.
  const canMask = !MASK.test(source) && !escapedMask.test(source);
  const documents = documentsIn(source);
  const texts = documents.map(({ start, text }) => {
    // The whole source is known to be a template, but one of several documents may not be.
    if (actionIn(text) === undefined || (documents.length > 1 && isPlain(text))) return text;
    const masked = canMask ? maskActions(text, actions) : undefined;
    const readable = masked !== undefined && rootsOf(masked) !== undefined;
    parts.push({ start, end: start + text.length, readable });
    // Without its ---, a block scalar in the document before would go on here.
    return readable
      ? masked
      : text.replace(/^(---)?(.*)$/s, (_, mark = '', rest) => mark + blanked(rest));
  });
  return { text: texts.join(''), parts, actions };
}

/** A line of `---` ends a document anywhere except in a comment of a template. */
function documentsIn(source: string): readonly { start: number; text: string }[] {
  const marks = [...source.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index);
  const starts = [0, ...marks.filter((mark) => mark > 0)];
  return starts.map((start, at) => ({ start, text: source.slice(start, starts[at + 1]) }));
}

/** Whether a text is YAML, and no action is a node in it. */
function isPlain(text: string): boolean {
  return rootsOf(text)?.some((root) => hasBraces(root, text)) === false;
}

/** Returns the documents of a text; undefined if it is not YAML. */
function rootsOf(text: string): readonly YamlNode[] | undefined {
  const { roots, errors } = parseYaml(text);
  return errors.some(({ fatal }) => fatal) ? undefined : roots;
}

/**
 * Replaces each action with as many private-use characters, a different one for each action. An
 * action that may render as any structure becomes blank. Undefined if an action does not end, or
 * may contain lines that other readers do not take for a part of it.
 */
function maskActions(text: string, actions: Map<string, string>): string | undefined {
  let masked = '';
  let from = 0;
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', from)) {
    const end = endOfAction(text, at);
    if (end === undefined || actions.size === MASKS) return undefined;
    const action = text.slice(at, end);
    const mask = String.fromCharCode(FIRST_MASK + actions.size);
    actions.set(mask, action);
    masked += text.slice(from, at) + action.replace(maskable, mask);
    if (action.includes('\n') && (isInComment(text, at) || mayHoldSecret(action))) return undefined;
    from = end;
  }
  return blankStructure(masked + text.slice(from));
}

/** Everything but line breaks, including those that only readers of YAML 1.1 see. */
const maskable = /[^\r\n\u0085\u2028\u2029]/g;

function isInComment(text: string, at: number): boolean {
  return /^#|\s#/.test(text.slice(text.lastIndexOf('\n', at) + 1, at));
}

// As in `  {{- include "labels" . }}`.
const onlyMasks = /^[ \t]*[\uE000-\uF8FF][\uE000-\uF8FF \t]*\r?$/;

/**
 * Blanks actions that may render as any structure: those alone on a line outside block scalars, and
 * those after a `key:` that deeper lines follow.
 */
function blankStructure(text: string): string {
  const lines = text.split('\n');
  let block: number | undefined;
  for (const [at, line] of lines.entries()) {
    const indent = indentOf(line);
    const isContent = block !== undefined && (indent < 0 || indent > block);
    if (isContent) continue;
    if (onlyMasks.test(line)) lines[at] = line.replace(/[^\r]/g, ' ');
    else if (eitherKey.test(line)) lines[at] = line.replace(eitherKey, withOneKey);
    else if (indent >= 0) {
      block = indentOfBlock(line);
      if (block !== undefined) indentActions(lines, at + 1, block + 1);
    }
  }
  return lines.join('\n').replace(
    // As in `data: {{ .Values.extra }}` before a line `  password: eyJ…`.
    /^([ \t]*)([^\s][^\n]*?[:-][ \t]+|-[ \t]+)([\uE000-\uF8FF][\uE000-\uF8FF \t]*)(?=\r?\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*\1[ \t]+[^\s#])/gm,
    (_, indent: string, key: string, masks: string) => indent + key + blanked(masks),
  );
}

// As in `{{ if .secret -}} stringData: {{- else -}} data: {{- end }}`.
const eitherKey =
  /^([ \t]*)[\uE000-\uF8FF]+[ \t]*([\w.-]+:)[ \t]*[\uE000-\uF8FF]+[ \t]*([\w.-]+:)[ \t]*[\uE000-\uF8FF]+[ \t]*(?=\r?$)/;

function withOneKey(line: string, indent: string, one: string, other: string): string {
  return (indent + (other === 'stringData:' ? other : one)).padEnd(line.length);
}

/** The number of spaces and tabs at the beginning of a line; -1 for a blank line. */
const indentOf = (line: string) => line.search(/[^ \t\r]/);

/**
 * Indents the lines of a block scalar that begins at `from`, if all are actions. Helm indents their
 * results: `key: |` before `{{ .Values.text | indent 4 }}` at the beginning of a line.
 */
function indentActions(lines: string[], from: number, indent: number): void {
  let to = from;
  while (indentOf(lines[to] ?? 'end') < 0 || onlyMasks.test(lines[to] ?? '')) to++;
  if (indentOf(lines[to] ?? '') >= indent) return;
  for (const [at, line] of lines.slice(from, to).entries()) {
    const mask = MASK.exec(line)?.[0];
    if (mask !== undefined)
      lines[from + at] =
        blanked(line.slice(0, indent)) + line.slice(indent).replace(/[ \t]/g, mask);
  }
}

/** Returns the indentation that the lines of a block scalar exceed, if `line` begins one. */
function indentOfBlock(line: string): number | undefined {
  if (!/(?:^|[:?-])[ \t]+(?:[!&]\S+[ \t]+)*[|>][-+0-9]{0,2}[ \t]*(?:#.*)?\r?$/.test(line))
    return undefined;
  const [lead = ''] = /^[ \t]*(?:-[ \t]+)*/.exec(line) ?? [];
  return /^[|>]/.test(line.slice(lead.length)) ? lead.lastIndexOf('-') : lead.length;
}

/** Returns the end of an action. Its strings may contain `}}`, and its comments any quote. */
function endOfAction(text: string, start: number): number | undefined {
  // As in `{{/* don't */}}`. Ends the comment at its first `*/`, so that a hostile one takes no time.
  const comment = /\{\{-?\s*\/\*(?:(?!\*\/)[\s\S])*\*\/(?:(?!\}\})[\s\S])*\}\}/y;
  // As in `{{ default "}}" .Values.end }}`.
  const other =
    /\{\{(?!-?\s*\/\*)(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`|\{(?!\{)|\}(?!\})|[^"'`{}])*\}\}/y;
  for (const pattern of [comment, other]) {
    pattern.lastIndex = start;
    if (pattern.test(text)) return pattern.lastIndex;
  }
  return undefined;
}

/** Replaces masks with their actions in the names that messages show. */
function unmasked(
  manifest: Manifest,
  source: string,
  original: (part: string) => string,
): Manifest {
  const named = (secret: SecretDocument) => withOriginalNames(secret, original);
  return {
    ...manifest,
    source,
    secrets: manifest.secrets.map(named),
    problems: manifest.problems.map((problem) => {
      return { ...problem, secret: problem.secret && original(problem.secret) };
    }),
    nested: manifest.nested.map(({ secret, ...rest }) => ({ ...rest, secret: named(secret) })),
  };
}

function withOriginalNames(
  secret: SecretDocument,
  original: (part: string) => string,
): SecretDocument {
  const shown = (text: string | undefined) => text && original(text);
  return {
    ...secret,
    name: shown(secret.name),
    generateName: shown(secret.generateName),
    namespace: shown(secret.namespace),
    type: shown(secret.type),
  };
}

/** How a text can render without the output of any action. */
interface Renderings {
  /** As white space only. */
  readonly blank: boolean;
  /** As text that is written in the template. */
  readonly text: boolean;
}

const blank: Renderings = { blank: true, text: false };
const text: Renderings = { blank: false, text: true };
const never: Renderings = { blank: false, text: false };

function after(a: Renderings, b: Renderings): Renderings {
  return {
    blank: a.blank && b.blank,
    text: (a.text && (b.text || b.blank)) || (a.blank && b.text),
  };
}

function either(a: Renderings, b: Renderings): Renderings {
  return { blank: a.blank || b.blank, text: a.text || b.text };
}

/** A block of actions: its last alternative and the others. Without else, it can also be blank. */
interface Block {
  readonly others: Renderings;
  readonly last: Renderings;
  readonly hasElse: boolean;
}

const whole: Block = { others: never, last: blank, hasElse: true };

function renderingsOf({ others, last, hasElse }: Block): Renderings {
  return either(either(others, last), hasElse ? never : blank);
}

/** Whether a text with masked actions can render as text that no action outputs. */
function hasPlaintext(masked: string, actions: ReadonlyMap<string, string>): boolean {
  const outer: Block[] = [];
  let block = whole;
  const add = (next: Renderings) => {
    block = { ...block, last: after(block.last, next) };
  };
  const end = () => {
    const inner = renderingsOf(block);
    block = outer.pop() ?? whole;
    add(inner);
  };
  for (const [run] of masked.matchAll(/([\uE000-\uF8FF])\1*|[^\uE000-\uF8FF]+/g)) {
    const action = actions.get(run.charAt(0));
    const kind = action === undefined ? 'text' : actionKind(action);
    if (kind === 'text' && run.trim() !== '') add(text);
    if (kind === 'output') add(never);
    if (kind === 'end') end();
    if (kind === 'begin') {
      outer.push(block);
      block = { ...whole, hasElse: false };
    }
    if (kind === 'else' || kind === 'else-if') {
      const hasElse = block.hasElse || kind === 'else';
      block = { others: either(block.others, block.last), last: blank, hasElse };
    }
  }
  while (outer.length > 0) end();
  return renderingsOf(block).text;
}

/** Returns the offset of the first `{{` that is neither in a comment nor in quotes. */
export function actionIn(text: string): number | undefined {
  let at = text.indexOf('{{');
  while (at >= 0) {
    const start = text.lastIndexOf('\n', at) + 1;
    const next = text.indexOf('\n', at);
    const end = next < 0 ? text.length : next;
    const found = text.slice(start, end).replace(commentOrQuotes, blanked).indexOf('{{');
    if (found >= 0) return start + found;
    at = text.indexOf('{{', end);
  }
  return undefined;
}

// Quotes are those of YAML only if a value can begin and end there: `"{{ include "x" . }}"` is an
// action with quotes of its own.
const commentOrQuotes =
  /(?<=^|[\s,[{:])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(?=\s*(?:[\],:}]|\s#|\r?$))|(?<=^|\s)#.*/g;

/**
 * Returns the documents that are templates. Most documents with `{{` are sound YAML: alerting
 * rules, workflows, comments. In a template, it makes the structure or a name of a Secret.
 */
function templatesIn(
  { roots, secrets }: Manifest,
  source: string,
  parts: readonly Part[],
): readonly TemplateDocument[] {
  if (!holdsAction(source)) return [];
  const position = positionsIn(source);
  const linesOf = ({ start, end }: Range) => {
    return { start: position(start).line, end: position(Math.max(start, end - 1)).line + 1 };
  };
  const partAt = rangesAt(parts);
  const withSecret = new Set(secrets.map(({ node }) => partAt(node.start)));
  const documents = parts.map((part): TemplateDocument => {
    const text = source.slice(part.start, part.end);
    const hidden = !part.readable && mayHoldSecret(text);
    const mentioned = !part.readable && /\bSecret/.test(text);
    const isSecret = hidden || mentioned || withSecret.has(part) || mayRenderSecret(text);
    const first = isSecret ? position(part.start + (actionIn(text) ?? 0)) : undefined;
    return { ...linesOf(part), position: first, hidden };
  });
  const rootAt = rangesAt(roots);
  const named = new Set(secrets.filter(isNamedByAction).map(({ node }) => rootAt(node.start)));
  for (const root of named) {
    if (root === undefined || partAt(root.start) !== undefined) continue;
    const first = root.start + source.slice(root.start, root.end).search(/\{\{|\$\{/);
    documents.push({ ...linesOf(root), position: position(first), hidden: false });
  }
  return documents.sort((a, b) => a.start - b.start);
}

function isNamedByAction({ name, namespace, generateName, type }: SecretDocument): boolean {
  return [name, namespace, generateName, type].some(holdsAction);
}
