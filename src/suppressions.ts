import { nearest } from './nearest.ts';
import type { Fault } from './rules/rule.ts';
import { type Position, positionsIn, type YamlNode, type YamlScalar } from './yaml-node.ts';

/** A comment `# kseal-ignore RULE: reason`. */
export interface Suppression {
  readonly rule: string;
  readonly reason: string;
  /** The line that it is about: its own, or if it stands alone, the next that is no comment. */
  readonly line: number;
}

export interface Suppressions {
  readonly sound: readonly Suppression[];
  /** Those that suppress nothing, since they lack a reason or name no rule. */
  readonly faults: readonly Fault[];
}

const comment = /(?<=^|[ \t])#[ \t]*kseal-ignore\b[ \t]*([^\r\n]*)/gm;

/**
 * The suppressions in a text.
 *
 * @param roots the YAML in it: what looks like a comment within a value is none
 * @param known the ids of the rules that can be suppressed
 */
export function suppressionsIn(
  source: string,
  roots: readonly YamlNode[],
  known: readonly string[],
): Suppressions {
  // To look for the one character first is quicker, and many texts have no comment.
  if (!source.includes('#') || !source.includes('kseal-ignore')) return { sound: [], faults: [] };
  const positionOf = positionsIn(source);
  const lines = source.split('\n');
  const values = roots.flatMap(scalarsIn);
  const inValue = (offset: number) =>
    values.some((value) => contentStart(value, source) <= offset && offset < value.end);
  const found = [...source.matchAll(comment)]
    .filter(({ index }) => !inValue(index))
    .map(({ index, 1: words = '' }) => read(words, positionOf(index), lines, known));
  return {
    sound: found.flatMap(({ sound }) => sound),
    faults: found.flatMap(({ faults }) => faults),
  };
}

function read(
  words: string,
  position: Position,
  lines: readonly string[],
  known: readonly string[],
): Suppressions {
  const [names = '', ...rest] = words.split(':');
  const reason = rest.join(':').trim();
  const rules = names.split(',').map((name) => name.trim());
  const faults = rules
    .filter((rule) => !known.includes(rule))
    .map((rule) => fault(position, 'names no rule that can be suppressed', hintFor(rule, known)));
  if (reason === '') {
    const hint = 'write it behind a colon: # kseal-ignore RULE: reason';
    return { sound: [], faults: [...faults, fault(position, 'gives no reason', hint)] };
  }
  const line = lineMeant(position, lines);
  const sound = rules.map((rule) => ({ rule, reason, line }));
  return { sound: sound.filter(({ rule }) => known.includes(rule)), faults };
}

/** The name itself is not shown: it may be any text. */
function hintFor(rule: string, known: readonly string[]): string {
  const meant = nearest(rule.split(/\s/)[0] ?? '', known);
  return meant === undefined ? 'write the rule that the finding names' : `did you mean ${meant}?`;
}

function fault(position: Position, said: string, hint: string): Fault {
  const message = `this kseal-ignore ${said}, so it suppresses nothing`;
  return { rule: 'bad-suppression', position, message, hint };
}

function lineMeant({ line }: Position, lines: readonly string[]): number {
  const isComment = (number: number) => /^\uFEFF?\s*#/.test(lines[number - 1] ?? '');
  if (!isComment(line)) return line;
  let meant = line + 1;
  while (isComment(meant)) meant++;
  return meant;
}

/** Behind the header of a block scalar there may be a comment. */
function contentStart({ style, start }: YamlScalar, source: string): number {
  return style === 'block' ? source.indexOf('\n', start) : start;
}

function scalarsIn(node: YamlNode): readonly YamlScalar[] {
  if (node.kind === 'scalar') return [node];
  if (node.kind === 'seq') return node.items.flatMap(scalarsIn);
  return node.kind === 'map'
    ? node.entries.flatMap(({ key, value }) => [...scalarsIn(key), ...scalarsIn(value)])
    : [];
}
