import type { Manifest, SecretDocument } from '../manifest/types.ts';
import type { Fault } from '../rules/rule.ts';
import {
  childrenOf,
  type Position,
  positionsIn,
  type Range,
  rangesAt,
  type YamlNode,
} from '../yaml/node.ts';
import { actionIn, type TemplatePart } from './legible.ts';

// A default within it may be the plaintext itself: `${PW:-hunter2}`, `{{ .pw | default "hunter2" }}`.
const action = /\{\{[^"'`]*?\}\}|\$\{\w+\}/g;
const MAX_PLACEHOLDER = 4096;

/** Whether a value is nothing but `{{ … }}` or `${…}`: another tool puts the value in. */
export function isPlaceholder(octets: Uint8Array): boolean {
  if (octets.length > MAX_PLACEHOLDER || !octets.includes(0x7b)) return false;
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('utf8');
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
export function templatesIn(
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
