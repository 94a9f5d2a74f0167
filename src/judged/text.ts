import { KsealError } from '../errors.ts';
import { decodeManifest } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import { sealInTemplate } from '../rules/hints.ts';
import type { Fault, JudgedSecret } from '../rules/rule.ts';
import { lastAtMost, type Position, positionsIn, type YamlNode } from '../yaml/node.ts';
import { type ForeignTool, foreignTool, misspeltKinds } from './foreign.ts';
import { isLasting, judgeProblems, judgeRoots } from './problem.ts';
import { isWithin, readTemplates } from './read.ts';
import { judgeSecrets } from './secret.ts';
import { placeholderFault, type TemplateDocument, templateFault } from './template.ts';

/** A document that another tool sealed or fills in, and that is left alone. */
export interface ForeignDocument {
  readonly tool: ForeignTool;
  readonly position: Position;
}

/** A text as far as it can be read, and what is wrong with it before any Secret is checked. */
export interface JudgedText {
  readonly source: string;
  readonly roots: readonly YamlNode[];
  readonly secrets: readonly JudgedSecret[];
  readonly faults: readonly Fault[];
  readonly foreign: readonly ForeignDocument[];
}

/**
 * Reads a text, or takes the reason why it could not be read. `typed` is how a command line calls
 * it, `namespace` that of the path's rule. Never throws for what the text holds.
 */
export function judgeText(
  content: Uint8Array | KsealError,
  path: string,
  typed: string,
  namespace: string | undefined,
): JudgedText {
  const source = decode(content, path);
  if (source instanceof KsealError) {
    const faults = [unreadable(source)];
    return { source: '', roots: [], secrets: [], faults, foreign: [] };
  }
  const { manifest, templates } = readTemplates(source, typed);
  const { roots } = manifest;
  const isTemplate = isWithin(templates);
  const secrets = judgeSecrets(manifest, namespace, isTemplate);
  const faults = textFaults(manifest, secrets, templates, isTemplate);
  const foreign = located(manifest, foreignTool).map(({ found, position }) => ({
    tool: found,
    position,
  }));
  return { source, roots, secrets, faults, foreign };
}

function decode(content: Uint8Array | KsealError, path: string): string | KsealError {
  if (content instanceof KsealError) return content;
  try {
    return decodeManifest(content, path);
  } catch (error) {
    if (error instanceof KsealError) return error;
    throw error;
  }
}

/** The path stands in front of each finding anyway. */
function unreadable({ problem, hint }: KsealError): Fault {
  return { rule: 'unreadable', position: { line: 1, column: 1 }, message: problem, hint };
}

function textFaults(
  manifest: Manifest,
  secrets: readonly JudgedSecret[],
  templates: readonly TemplateDocument[],
  inTemplate: (position: Position) => boolean,
): readonly Fault[] {
  const problems = judgeProblems(manifest).flatMap((fault) => {
    if (!inTemplate(fault.position)) return [fault];
    if (!isLasting(fault)) return [];
    return [fault.rule === 'plaintext-value' ? { ...fault, hint: sealInTemplate } : fault];
  });
  const placeholders: Fault[] = [];
  for (const { label: secret, values, template } of secrets)
    for (const { placeholder, key, position } of values)
      if (placeholder && !template) placeholders.push(placeholderFault({ key, position, secret }));
  return [
    ...problems.filter(({ rule }) => rule !== 'template'),
    ...templates.flatMap(({ position, hidden }) =>
      position === undefined ? [] : [templateFault(position, hidden)],
    ),
    ...firstInEach(manifest, [
      ...problems.filter(({ rule }) => rule === 'template'),
      ...placeholders,
    ]),
    ...judgeRoots(manifest),
    ...misspelt(manifest),
  ];
}

/** The first fault of each document. */
function firstInEach({ roots, source }: Manifest, faults: readonly Fault[]): readonly Fault[] {
  if (faults.length < 2) return faults;
  const position = positionsIn(source);
  const starts = roots.map(({ start }) => position(start).line);
  const first = new Map<number, Fault>();
  for (const fault of [...faults].sort(byPosition)) {
    const document = lastAtMost(starts, fault.position.line);
    if (!first.has(document)) first.set(document, fault);
  }
  return [...first.values()];
}

function byPosition({ position: a }: Fault, { position: b }: Fault): number {
  return a.line - b.line || a.column - b.column;
}

function misspelt({ roots, secrets, source }: Manifest): readonly Fault[] {
  const known = new Set<YamlNode>(secrets.map(({ node }) => node));
  const found = roots.flatMap((root) => misspeltKinds(root, known));
  if (found.length === 0) return [];
  const position = positionsIn(source);
  return found.map(({ start }) => ({
    rule: 'misspelt-kind',
    position: position(start),
    message: 'an object that looks like a Secret, but is none to Kubernetes',
    hint: 'write exactly: kind: Secret',
  }));
}

/** The documents in which `search` finds something, and where they begin. */
function located<T>(
  { roots, source }: Manifest,
  search: (root: YamlNode) => T | undefined,
): readonly { found: T; position: Position }[] {
  const position = positionsIn(source);
  const results: { found: T; position: Position }[] = [];
  for (const root of roots) {
    const found = search(root);
    if (found !== undefined) results.push({ found, position: position(root.start) });
  }
  return results;
}
