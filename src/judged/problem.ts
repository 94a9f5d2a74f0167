import { looksSealed } from '../jwe/detect.ts';
import type { Manifest, Problem } from '../manifest/types.ts';
import { sealCommand } from '../rules/hints.ts';
import { rules } from '../rules/index.ts';
import type { Fault } from '../rules/rule.ts';
import { type Position, positionsIn, type YamlNode } from '../yaml/node.ts';
import { isSops, isSopsText } from './foreign.ts';
import { holdsAction, isBraces, isPlaceholder, mayBeSecret, placeholderFault } from './template.ts';

/** What the reader found, with the rule that it breaks. */
export interface ProblemFault extends Fault, Pick<Problem, 'id'> {}

/** What the reader could not make sense of, each with the one rule that it breaks. */
export function judgeProblems({
  path,
  source,
  roots,
  problems,
}: Manifest): readonly ProblemFault[] {
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
  const octets = Buffer.from(value?.text ?? '');
  const isSealed = looksSealed(octets) || looksSealed(Buffer.from(octets.toString(), 'base64'));
  if (value === undefined || value.made || isSealed || isPlaceholder(octets))
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
export function judgeRoots({ source, roots }: Manifest): readonly Fault[] {
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
export function isLasting({ rule, key, id }: ProblemFault): boolean {
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
