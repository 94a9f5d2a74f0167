import type { Position } from '../diagnostic.ts';
// What a YAML text is read into: plain nodes that know where they stand in the source, so
// that callers edit the source by offset and never print a document anew.

/** Offsets into the source in UTF-16 code units, `end` exclusive; tags, anchors and comments lie outside. */
export interface Located {
  readonly start: number;
  readonly end: number;
  readonly anchor: string | undefined;
  readonly tag: string | undefined;
}

export interface YamlScalar extends Located {
  readonly kind: 'scalar';
  /** The content as a string, before any resolution to numbers, booleans or null. */
  readonly text: string;
  readonly style: 'plain' | 'single' | 'double' | 'block';
}

export interface YamlMap extends Located {
  readonly kind: 'map';
  readonly flow: boolean;
  readonly entries: readonly YamlEntry[];
}

export interface YamlSeq extends Located {
  readonly kind: 'seq';
  readonly flow: boolean;
  readonly items: readonly YamlNode[];
}

interface YamlAlias extends Located {
  readonly kind: 'alias';
  readonly target: YamlNode;
}

export type YamlNode = YamlScalar | YamlMap | YamlSeq | YamlAlias;

export interface YamlEntry {
  /** Where the entry begins: its `?`, tag, anchor or key, whichever is first. */
  readonly start: number;
  readonly key: YamlNode;
  /** The offset of `:`, unless the entry has none. */
  readonly colon: number | undefined;
  readonly value: YamlNode;
}

/** The merge key of YAML 1.1, which kubectl still expands: `<<`, plain or tagged. */
export function isMergeKey(key: YamlNode): boolean {
  return (
    key.kind === 'scalar' && key.text === '<<' && (key.style === 'plain' || key.tag !== undefined)
  );
}

/**
 * Whether a quoted scalar ends with its quote. The package yaml takes an escaped quote for it, as in
 * `'it''`, where the next line is indented too little to go on.
 */
export function isClosed(style: YamlScalar['style'], source: string): boolean {
  const escapes = { single: "'", double: '\\', plain: undefined, block: undefined }[style];
  if (escapes === undefined) return true;
  let last = source.length - 2;
  while (last > 0 && source.charAt(last) === escapes) last--;
  return (source.length - last) % 2 === 0;
}

/** How many nodes aliases stand for; infinite where one stands in the node that it names. */
export function aliasedNodes(root: YamlNode): number {
  const sizes = new Map<YamlNode, number>();
  return sizeOf(root, sizes) - sizes.size;
}

/** The number of nodes with aliases expanded. */
function sizeOf(node: YamlNode, sizes: Map<YamlNode, number>): number {
  const known = sizes.get(node);
  if (known !== undefined) return known;
  sizes.set(node, Number.POSITIVE_INFINITY);
  const size = childrenOf(node).reduce((sum, child) => sum + sizeOf(child, sizes), 1);
  sizes.set(node, size);
  return size;
}

/** What stands in a node, or what an alias stands for. */
export function childrenOf(node: YamlNode): readonly YamlNode[] {
  if (node.kind === 'map') return node.entries.flatMap(({ key, value }) => [key, value]);
  if (node.kind === 'seq') return node.items;
  return node.kind === 'alias' ? [node.target] : [];
}

/** The line and column within `source` as an offset. */
export function offsetsIn(source: string): (position: Position) => number {
  const starts = lineStarts(source);
  return ({ line, column }) => (starts[line - 1] ?? 0) + column - 1;
}

/** The offset within `source` as line and column; lines are looked for at the first call. */
export function positionsIn(source: string): (offset: number) => Position {
  let starts: readonly number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(source);
    const line = Math.max(lastAtMost(starts, offset), 0);
    return { line: line + 1, column: Math.max(offset - (starts[line] ?? 0), 0) + 1 };
  };
}

function lineStarts(source: string): readonly number[] {
  const starts = [source.startsWith('\uFEFF') ? 1 : 0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1))
    starts.push(at + 1);
  return starts;
}

// What is not printable. YAML 1.1 readers (kubectl) break lines at U+0085, U+2028, U+2029 and a
// lone CR, readers of YAML 1.2 do not: what is a comment to the one would be a key to the other.
const unprintable = /[^\t\n\r\x20-\x7E\xA0-\u2027\u202A-\uFEFE\uFF00-\uFFFD]/;
const loneReturn = /\r(?!\n)/;

/** The offset of the first character that no YAML text may hold; a byte order mark may stand first. */
export function forbiddenCharacter(source: string): number | undefined {
  const mark = source.startsWith('\uFEFF') ? 1 : 0;
  const text = source.slice(mark);
  // One pattern for both would take half as long again.
  const found = [text.search(unprintable), text.includes('\r') ? text.search(loneReturn) : -1];
  const [first] = found.filter((offset) => offset >= 0).sort((a, b) => a - b);
  return first === undefined ? undefined : mark + first;
}

// Where in a text something is, found by halving: a text may have a great many of all things.

/** Offsets or lines, `end` exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The index of the last of ascending numbers that is at most `limit`; -1 if none is. */
export function lastAtMost(ascending: readonly number[], limit: number): number {
  let [low, high] = [-1, ascending.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle;
    else high = middle;
  }
  return low;
}

/** Finds among ranges in order the one that holds a place. */
export function rangesAt<T extends Range>(ranges: readonly T[]): (at: number) => T | undefined {
  const starts = ranges.map(({ start }) => start);
  return (at) => {
    const found = ranges[lastAtMost(starts, at)];
    return found !== undefined && at < found.end ? found : undefined;
  };
}
