// Helm templates and other texts with `{{ … }}` that are not rendered yet. A template cannot be
// judged, but literal plaintext in it must be found.

import type { Position } from '../diagnostic.ts';
import { readManifest } from '../manifest/read.ts';
import type { Manifest, SecretDocument } from '../manifest/types.ts';
import { childrenOf, positionsIn, type Range, rangesAt, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';

/** A text with masked actions, as far as it is YAML. */
interface TemplateText {
  readonly manifest: Manifest;
  readonly templates: readonly TemplateDocument[];
  /** Whether a text of the manifest contains a masked action. */
  readonly isMade: (text: string) => boolean;
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

/** Reads a manifest. If actions keep it from being YAML, reads it with the actions masked. */
export function readTemplates(source: string, path: string): TemplateText {
  const manifest = readManifest(source, path);
  const isBroken = manifest.roots.length === 0 && manifest.problems.length > 0;
  if (!isBroken || actionIn(source) === undefined) {
    const templates = templatesIn(manifest, source, []);
    return { manifest, templates, isMade: () => false };
  }
  const { text, parts, actions } = maskedIn(source);
  const read = unmasked(readManifest(text, path), source, actions);
  const isMade = actions.length === 0 ? () => false : (value: string) => MASK.test(value);
  return { manifest: read, templates: templatesIn(read, source, parts), isMade };
}

/** Whether `text` contains something that another tool replaces. */
export function holdsAction(text: string | undefined): boolean {
  return text?.includes('{{') || text?.includes('${') || false;
}

/** Whether a text has the words `kind` and `Secret`, or an escape, which may be any letter. */
export function hasSecretWords(text: string): boolean {
  return (/\bkind\b/.test(text) && /\bSecret(?:List)?\b/.test(text)) || /\\[xuU]/.test(text);
}

/** Whether a node is an action: YAML parses `{{ .x }}` as a mapping in a mapping. */
export function isBraces(node: YamlNode, source: string): boolean {
  return node.kind === 'map' && node.flow && source.startsWith('{{', node.start);
}

/** A document that is not YAML because of its actions. */
interface Part extends Range {
  /** It is YAML if its actions are masked. */
  readonly readable: boolean;
}

interface Masked {
  /** The source with masked actions. Documents that are still not YAML are blank. */
  readonly text: string;
  readonly parts: readonly Part[];
  readonly actions: readonly string[];
}

// Masks are private-use characters: YAML treats them as text, and no valid name contains them.
const MASK = /[\uE000-\uF8FF]/;
/** Whether a text contains a mask of `maskedIn`. */
export const holdsMask = (text: string) => MASK.test(text);
const escapedMask = /\\(?:u|U0000)(?:e|f[0-8])/i;
const FIRST_MASK = 0xe000;
const MASKS = 0xf900 - FIRST_MASK;

/** Everything except line breaks. A lone CR breaks no line, and is not allowed in YAML. */
const notLineBreak = /[^\r\n]|\r(?!\n)/g;
const blanked = (text: string) => text.replace(notLineBreak, ' ');

/** Masks the actions of a template with as many characters, so that offsets stay the same. */
export function maskedIn(source: string): Masked {
  const actions: string[] = [];
  const parts: Part[] = [];
  const documents = documentsIn(source);
  // A text with private-use characters of its own cannot be masked, so none of it is readable.
  const canMask = !MASK.test(source) && !escapedMask.test(source);
  const texts = documents.map(({ start, text }) => {
    // The whole source is known not to be YAML, but one of several documents may be.
    if (actionIn(text) === undefined || (documents.length > 1 && isYaml(text))) return text;
    const masked = canMask ? maskActions(text, actions) : undefined;
    const readable = masked !== undefined && isYaml(masked);
    parts.push({ start, end: start + text.length, readable });
    return readable ? masked : blanked(text);
  });
  return { text: texts.join(''), parts, actions };
}

/** A line of `---` ends a document anywhere except in a comment of a template. */
function documentsIn(source: string): readonly { start: number; text: string }[] {
  const marks = [...source.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index);
  const starts = [0, ...marks.filter((mark) => mark > 0)];
  return starts.map((start, at) => ({ start, text: source.slice(start, starts[at + 1]) }));
}

function isYaml(text: string): boolean {
  return parseYaml(text).errors.every(({ code }) => code === 'DUPLICATE_KEY');
}

/**
 * Replaces each action by as many private-use characters, a different one for each action. An
 * action that may render as any structure becomes blank. Undefined if an action does not end.
 */
function maskActions(text: string, actions: string[]): string | undefined {
  let masked = '';
  let from = 0;
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', from)) {
    const end = endOfAction(text, at);
    if (end === undefined) return undefined;
    const mask = String.fromCharCode(FIRST_MASK + (actions.push(text.slice(at, end)) % MASKS));
    masked += text.slice(from, at) + text.slice(at, end).replace(notLineBreak, mask);
    from = end;
  }
  return blankStructure(masked + text.slice(from));
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
  // As in `{{/* don't */}}`.
  const comment = /\{\{-?\s*\/\*[\s\S]*?\*\/[\s\S]*?\}\}/y;
  // As in `{{ default "}}" .Values.end }}`.
  const other =
    /\{\{(?!-?\s*\/\*)(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`|\{(?!\{)|\}(?!\})|[^"'`{}])*\}\}/y;
  for (const pattern of [comment, other]) {
    pattern.lastIndex = start;
    if (pattern.test(text)) return pattern.lastIndex;
  }
  return undefined;
}

/** Replaces masks by their actions in the names that messages show. */
function unmasked(manifest: Manifest, source: string, actions: readonly string[]): Manifest {
  if (actions.length === 0) return { ...manifest, source };
  const shown = <T extends string | undefined>(text: T) =>
    text?.replace(/([\uE000-\uF8FF])\1*/g, (mask) => {
      const index = (mask.charCodeAt(0) - FIRST_MASK - 1 + MASKS) % MASKS;
      return actions[index] ?? '{{ … }}';
    });
  const named = (secret: SecretDocument): SecretDocument => ({
    ...secret,
    name: shown(secret.name),
    generateName: shown(secret.generateName),
    namespace: shown(secret.namespace),
    type: shown(secret.type),
  });
  return {
    ...manifest,
    source,
    secrets: manifest.secrets.map(named),
    problems: manifest.problems.map((problem) => ({ ...problem, secret: shown(problem.secret) })),
    nested: manifest.nested.map(({ secret, ...rest }) => ({ ...rest, secret: named(secret) })),
  };
}

/** Returns the offset of the first `{{` that is not in a comment. */
export function actionIn(text: string): number | undefined {
  let at = text.indexOf('{{');
  while (at >= 0) {
    if (!/^\s*#/.test(text.slice(text.lastIndexOf('\n', at) + 1, at))) return at;
    const end = text.indexOf('\n', at);
    at = end < 0 ? end : text.indexOf('{{', end);
  }
  return undefined;
}

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
    const isSecret =
      withSecret.has(part) || (part.readable ? hasSecretKind(text) : mentionsSecret(text));
    const first = isSecret ? position(part.start + (actionIn(text) ?? 0)) : undefined;
    return { ...linesOf(part), position: first, hidden: !part.readable && hasSecretWords(text) };
  });
  const rootAt = rangesAt(roots);
  const named = new Set(secrets.filter(isNamedByAction).map(({ node }) => rootAt(node.start)));
  for (const root of roots) {
    if (partAt(root.start) !== undefined) continue;
    const sign = signIn(root, named.has(root), source);
    if (sign !== undefined)
      documents.push({ ...linesOf(root), position: position(sign), hidden: false });
  }
  return documents.sort((a, b) => a.start - b.start);
}

function isNamedByAction({ name, namespace, generateName, type }: SecretDocument): boolean {
  return [name, namespace, generateName, type].some(holdsAction);
}

/** Returns the offset of the first sign that a YAML document is a template of a Secret. */
function signIn(root: YamlNode, named: boolean, source: string): number | undefined {
  const text = source.slice(root.start, root.end);
  if (named) return root.start + text.search(/\{\{|\$\{/);
  return text.includes('{{') && hasSecretKind(text) ? bracesIn(root, source)?.start : undefined;
}

/** Returns the first node that is an action. */
function bracesIn(node: YamlNode, source: string): YamlNode | undefined {
  if (isBraces(node, source)) return node;
  if (node.kind === 'alias') return undefined;
  for (const child of childrenOf(node)) {
    const found = bracesIn(child, source);
    if (found !== undefined) return found;
  }
  return undefined;
}

const kind = /\bkind["']?[ \t]*:/;
const secretKind =
  /\bkind["']?[ \t]*:(?:[ \t]*["']?Secret(?:List)?\b|\s*["']?(?:S|Se|Sec|Secr|Secre|Secret\w*)?\{\{)/;

// Control structures, assignments and comments include nothing by themselves.
const including =
  /\{\{-?\s*(?!-?\s|\/\*|\$\w*\s*:?=|(?:if|else|end|range|with|define|block|break|continue|fail)\b)/;

/** A text without a kind may include a Secret from elsewhere. */
function hasSecretKind(text: string): boolean {
  return secretKind.test(text) || (!kind.test(text) && including.test(text));
}

/** In a text that cannot be read, any mention of a Secret counts. */
function mentionsSecret(text: string): boolean {
  return /\bSecret|\\[xuU]/.test(text) || hasSecretKind(text);
}
