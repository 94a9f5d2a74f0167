import { KsealError } from '../errors.ts';
import { looksSealed } from '../jwe/detect.ts';
import { decodeManifest } from '../manifest/read.ts';
import type { Manifest, Problem } from '../manifest/types.ts';
import { lastAtMost, type Position, positionsIn, type YamlNode } from '../yaml/node.ts';
import { type Fault, type JudgedSecret, sealCommand, sealInTemplate } from './rule.ts';
import { rules } from './rules/index.ts';
import {
  type ForeignTool,
  foreignTool,
  isSops,
  isSopsText,
  judgeSecrets,
  misspeltKinds,
} from './secrets.ts';
import {
  holdsAction,
  isBraces,
  isPlaceholder,
  isWithin,
  mayBeSecret,
  placeholderFault,
  readTemplates,
  type TemplateDocument,
  templateFault,
} from './templates.ts';

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

/** What the reader found, with the rule that it breaks. */
interface ProblemFault extends Fault, Pick<Problem, 'id'> {}

/** What the reader could not make sense of, each with the one rule that it breaks. */
function judgeProblems({ path, source, roots, problems }: Manifest): readonly ProblemFault[] {
  if (problems.length === 0) return [];
  const nodeAt = nodesIn(source, roots);
  const sops = roots.some((root) => root.kind === 'map' && isSops(root));
  // Without roots the text is no YAML, and all but the first error follow from that one.
  const told = roots.length === 0 ? problems.slice(0, 1) : problems;
  return told.flatMap((problem): readonly ProblemFault[] => {
    if (isUnparsable(problem.id)) return [unparsable(problem, source)];
    const { text, made, under } = nodeAt(problem.position);
    if (sops && isSopsText(text)) return [];
    // What another tool makes of a key is no matter, but what stands under it is.
    if (problem.id === 'invalid-data-key' && (made || holdsAction(text)))
      return [{ ...underMadeKey(problem, under, path), id: problem.id }];
    if (made || isPlaceholder(Buffer.from(text)))
      return [{ ...placeholderFault(problem), id: problem.id }];
    return [problem.key === undefined ? otherFault(problem) : valueFault(problem, text, path)];
  });
}

function underMadeKey(problem: Problem, value: PlacedNode | undefined, path: string): Fault {
  const bytes = Buffer.from(value?.text ?? '');
  const isSealed = looksSealed(bytes) || looksSealed(Buffer.from(bytes.toString(), 'base64'));
  if (value === undefined || value.made || isSealed || isPlaceholder(bytes))
    return placeholderFault(problem);
  const hint = `seal it: ${sealCommand(path)}`;
  return { ...problem, rule: 'plaintext-value', message: 'the value is not sealed', hint };
}

function unparsable(problem: Problem, source: string): ProblemFault {
  return {
    ...problem,
    rule: 'unparsable',
    hint: problem.id === 'duplicate-key' ? 'remove one of them' : correctIt,
    severity: mayBeSecret(source) ? 'error' : 'warning',
  };
}

function isUnparsable(id: Problem['id']): boolean {
  return id === 'unparsable' || id === 'duplicate-key';
}

const correctIt = 'correct the YAML there, or leave the file out: verify.ignore in .kseal.yaml';

/**
 * Documents that are no objects and name a Secret all the same. What is one plain text to YAML may
 * be JSON to kubectl, which looks for its `{` behind any kind of space.
 */
function judgeRoots({ source, roots }: Manifest): readonly Fault[] {
  const odd = roots.filter((root) => !isObject(root, source));
  if (odd.length === 0) return [];
  const position = positionsIn(source);
  return odd
    .filter(({ start, end }) => mayBeSecret(source.slice(start, end)))
    .map(({ start }) => ({
      rule: 'unparsable',
      position: position(start),
      message: 'no object, though it names a Secret',
      hint: correctIt,
    }));
}

function isObject(root: YamlNode, source: string): boolean {
  if (root.kind !== 'map') return root.kind !== 'scalar';
  return root.entries.every(({ key }) => key.kind !== 'map' || isBraces(key, source));
}

/** Whether what is wrong with a template stays wrong, whatever it is rendered to. */
function isLasting({ rule, key, id }: ProblemFault): boolean {
  // Of two branches of a template only one is rendered.
  if (rule === 'unparsable') return id !== 'duplicate-key';
  if (rule === 'invalid-value') return key !== undefined && id !== 'null-value';
  return lastingRules.has(rule);
}

const lastingRules = new Set(rules.filter(({ inTemplates }) => inTemplates).map(({ id }) => id));

interface PlacedNode {
  /** On all its lines; never shown. */
  readonly text: string;
  /** Whether an action makes it, in whole or in part. */
  readonly made: boolean;
  /** The value, where the node is a key. */
  readonly under: PlacedNode | undefined;
}

/** Whether a part of a scalar was an action that is no more in its text. */
function isTakenOut(node: YamlNode, shown: string): boolean {
  const isLine = node.kind === 'scalar' && node.style !== 'block';
  return isLine && shown.includes('{{') && !node.text.includes('{{');
}

/** What stands at a position. */
function nodesIn(source: string, roots: readonly YamlNode[]): (position: Position) => PlacedNode {
  const position = positionsIn(source);
  const name = ({ line, column }: Position) => `${line}:${column}`;
  const nodes = new Map<string, PlacedNode>();
  const add = (node: YamlNode, inAction: boolean, under?: PlacedNode): PlacedNode => {
    const shown = source.slice(node.start, node.end);
    const text = node.kind === 'scalar' ? node.text : shown;
    const made = inAction || isBraces(node, source) || isTakenOut(node, shown);
    const placed = { text, made, under };
    // A collection begins where the first thing in it does, and that is what is meant.
    if (node.kind === 'map')
      for (const entry of node.entries) add(entry.key, made, add(entry.value, made));
    if (node.kind === 'seq') for (const item of node.items) add(item, made);
    const at = name(position(node.start));
    if (node.kind === 'scalar' || !nodes.has(at)) nodes.set(at, placed);
    return placed;
  };
  for (const root of roots) add(root, false);
  return (at) => nodes.get(name(at)) ?? { text: '', made: false, under: undefined };
}

const otherRules: Readonly<Partial<Record<Problem['id'], string>>> = {
  unsupported: 'unsupported-yaml',
  'wrong-type': 'invalid-value',
  'wrong-version': 'invalid-value',
  'null-value': 'invalid-value',
  'not-a-scalar': 'invalid-value',
  'ambiguous-scalar': 'invalid-value',
  'not-base64': 'invalid-value',
};

function otherFault(problem: Problem): ProblemFault {
  return { ...problem, rule: otherRules[problem.id] ?? problem.id };
}

/** A value that is not even read may be a plaintext all the same, and that weighs more. */
function valueFault(problem: Problem, text: string, path: string): ProblemFault {
  const { id, message, hint } = problem;
  if (id !== 'ambiguous-scalar' && id !== 'not-base64') return otherFault(problem);
  if (looksSealed(Buffer.from(text)) || looksSealed(Buffer.from(text.slice(0, 64), 'base64'))) {
    const again = 'it may have been cut or changed while copying; seal the value again';
    const said = `looks like a sealed value, but ${message}`;
    return { ...problem, rule: 'malformed-jwe', message: said, hint: again };
  }
  return {
    ...problem,
    rule: 'plaintext-value',
    message: `the value is not sealed; besides, ${message}`,
    hint: `${hint ?? 'correct it'}; then: ${sealCommand(path)}`,
  };
}
