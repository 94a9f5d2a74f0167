import type { Position } from '../diagnostic.ts';

// The nodes of a YAML text. They know their offsets in the source, so that callers edit the source
// itself and never print a parsed document.

/** Offsets into a text in UTF-16 code units, or lines; `end` is exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The range of a node excludes its tag, anchor and comments. */
export interface NodeBase extends Range {
  readonly anchor: string | undefined;
  readonly tag: string | undefined;
}

export interface YamlScalar extends NodeBase {
  readonly kind: 'scalar';
  /** The content as a string, never resolved to a number, boolean or null. */
  readonly text: string;
  readonly style: 'plain' | 'single' | 'double' | 'block';
}

export interface YamlMap extends NodeBase {
  readonly kind: 'map';
  readonly flow: boolean;
  readonly entries: readonly YamlEntry[];
}

export interface YamlSeq extends NodeBase {
  readonly kind: 'seq';
  readonly flow: boolean;
  readonly items: readonly YamlNode[];
}

interface YamlAlias extends NodeBase {
  readonly kind: 'alias';
  readonly target: YamlNode;
}

export type YamlNode = YamlScalar | YamlMap | YamlSeq | YamlAlias;

export interface YamlEntry {
  /** The offset of its `?`, tag, anchor or key, whichever is first. */
  readonly start: number;
  readonly key: YamlNode;
  /** The offset of `:`, if the entry has one. */
  readonly colon: number | undefined;
  readonly value: YamlNode;
}

/** The nodes directly in a node; for an alias, its target. */
export function childrenOf(node: YamlNode): readonly YamlNode[] {
  if (node.kind === 'map') return node.entries.flatMap(({ key, value }) => [key, value]);
  if (node.kind === 'seq') return node.items;
  return node.kind === 'alias' ? [node.target] : [];
}

/** A range of a text that is the content of a scalar, so that a # in it begins no comment. */
export interface Content extends Range {
  readonly node: YamlScalar;
}

/** Returns the contents of all scalars, in order. A comment may follow the header of a block scalar. */
export function contentsOf(roots: readonly YamlNode[], source: string): readonly Content[] {
  const contents: Content[] = [];
  const add = (node: YamlNode): void => {
    if (node.kind === 'scalar') {
      const start = node.style === 'block' ? source.indexOf('\n', node.start) : node.start;
      contents.push({ start, end: node.end, node });
    } else if (node.kind !== 'alias') for (const child of childrenOf(node)) add(child);
  };
  for (const root of roots) add(root);
  return contents;
}

/** The merge key of YAML 1.1, which kubectl still expands: `<<`, plain or tagged. */
export function isMergeKey(key: YamlNode): boolean {
  return (
    key.kind === 'scalar' && key.text === '<<' && (key.style === 'plain' || key.tag !== undefined)
  );
}

/** Returns a function from offsets in `source` to positions; it finds the lines on its first call. */
export function positionsIn(source: string): (offset: number) => Position {
  let starts: readonly number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(source);
    const line = Math.max(lastAtMost(starts, offset), 0);
    return { line: line + 1, column: Math.max(offset - (starts[line] ?? 0), 0) + 1 };
  };
}

/** Returns a function from positions in `source` to offsets. */
export function offsetsIn(source: string): (position: Position) => number {
  const starts = lineStarts(source);
  return ({ line, column }) => (starts[line - 1] ?? 0) + column - 1;
}

function lineStarts(source: string): readonly number[] {
  const starts = [source.startsWith('\uFEFF') ? 1 : 0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1))
    starts.push(at + 1);
  return starts;
}

/** Returns a function that finds the one of `ranges`, which are in order, that contains a number. */
export function rangesAt<T extends Range>(ranges: readonly T[]): (at: number) => T | undefined {
  const starts = ranges.map(({ start }) => start);
  return (at) => {
    const found = ranges[lastAtMost(starts, at)];
    return found !== undefined && at < found.end ? found : undefined;
  };
}

/** The index of the last of `ascending` numbers that is at most `limit`, or -1. */
export function lastAtMost(ascending: readonly number[], limit: number): number {
  let [low, high] = [-1, ascending.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle;
    else high = middle;
  }
  return low;
}
