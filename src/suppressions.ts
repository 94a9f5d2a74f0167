import type { Fault } from './rules/rule.ts';
import { nearest } from './text.ts';
import {
  childrenOf,
  type Position,
  positionsIn,
  type Range,
  rangesAt,
  type YamlNode,
} from './yaml/node.ts';

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
  const valueAt = rangesAt(contentsOf(roots, source));
  const meantBy = linesMeant(source.split('\n'));
  const found = [...source.matchAll(comment)]
    .filter(({ index }) => valueAt(index) === undefined)
    .map(({ index, 1: words = '' }) => read(words, positionOf(index), meantBy, known));
  return {
    sound: found.flatMap(({ sound }) => sound),
    faults: found.flatMap(({ faults }) => faults),
  };
}

function read(
  words: string,
  position: Position,
  meantBy: readonly number[],
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
  const line = meantBy[position.line] ?? position.line;
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

/** The line that a comment in each line is about; lines count from 1. */
function linesMeant(lines: readonly string[]): readonly number[] {
  const meant = [0, ...lines.map((_, index) => index + 1)];
  for (let line = lines.length; line > 0; line--)
    if (/^\uFEFF?\s*#/.test(lines[line - 1] ?? '')) meant[line] = meant[line + 1] ?? line + 1;
  return meant;
}

/** Where the texts of scalars stand; behind the header of a block scalar there may be a comment. */
function contentsOf(roots: readonly YamlNode[], source: string): readonly Range[] {
  const contents: Range[] = [];
  const add = (node: YamlNode): void => {
    if (node.kind === 'scalar') {
      const start = node.style === 'block' ? source.indexOf('\n', node.start) : node.start;
      contents.push({ start, end: node.end });
    } else if (node.kind !== 'alias') for (const child of childrenOf(node)) add(child);
  };
  for (const root of roots) add(root);
  return contents;
}
