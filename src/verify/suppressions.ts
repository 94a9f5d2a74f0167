import { createHash } from 'node:crypto';
import { suggest } from '../text.ts';
import {
  childrenOf,
  offsetsIn,
  type Position,
  positionsIn,
  type Range,
  rangesAt,
  type YamlNode,
} from '../yaml/node.ts';
import type { Fault, Rule } from './rule.ts';

/** A comment `# kseal-ignore RULE: reason`. */
export interface Suppression {
  readonly rule: string;
  readonly reason: string;
  /** The line that it is about: its own, or if it stands alone, the next that is no comment. */
  readonly line: number;
}

interface Suppressions {
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
  const meant = suggest(rule.split(/\s/)[0] ?? '', known);
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

/** What a suppression of a fault covers, as a hash. */
type CoverOf = (fault: Fault, covers: Rule['covers']) => string;

/**
 * What suppressions in a text cover: the finding itself, and the text that it is about. A
 * protected branch that silences a test password must not silence another password in its place.
 */
export function coversIn(source: string, roots: readonly YamlNode[]): CoverOf {
  // There may be many findings, so nothing is looked for, or hashed, once for each of them.
  const offsetOf = offsetsIn(source);
  const lines = source.split('\n');
  const whole = hashOf(source);
  const extents = new Map<number, Extent>();
  for (const root of roots) addExtents(root, extents);
  return ({ rule, secret, key, position }, covers) => {
    const text = () => {
      if (covers === 'line') return lines[position.line - 1]?.trim();
      const extent = covers === 'text' ? undefined : extents.get(offsetOf(position));
      return extent === undefined ? whole : source.slice(...extent);
    };
    return hashOf(JSON.stringify([rule, secret, key, text()]));
  };
}

type Extent = readonly [start: number, end: number];

/** From where to where the largest thing goes that begins at an offset: an entry, or an object. */
function addExtents(node: YamlNode, extents: Map<number, Extent>): void {
  const add = (at: number, extent: Extent) => extents.has(at) || extents.set(at, extent);
  add(node.start, [node.start, node.end]);
  if (node.kind === 'alias') return;
  if (node.kind === 'map') {
    for (const { start, key, value } of node.entries)
      for (const at of [key.start, value.start]) add(at, [start, value.end]);
  }
  for (const child of childrenOf(node)) addExtents(child, extents);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
