import { composeYaml, type ParsedYaml, type YamlError, yamlError } from './compose.ts';
import type { YamlEntry, YamlMap, YamlNode, YamlScalar, YamlSeq } from './node.ts';

/**
 * Parses a YAML 1.2 or JSON text of any number of documents, or JSON objects without anything
 * between them. Never throws for any text, never expands an alias and never resolves a scalar:
 * `0123` and `true` are strings.
 */
export function parseYaml(source: string): ParsedYaml {
  const obstacle = obstacleIn(source);
  if (obstacle !== undefined) return { roots: [], errors: [obstacle] };
  const roots = scanBlocks(source);
  return roots === undefined ? composeYaml(source) : { roots, errors: [] };
}

// Narrower than the limits of `composeYaml`, which therefore decides about larger texts.
const MAX_ROOTS = 10_000;
const MAX_BLOCKS = 40;
const MAX_KEY = 1000;

interface Scan {
  readonly source: string;
  readonly roots: YamlNode[];
  /** The collections that the next line may continue, from the outermost one. */
  readonly blocks: Block[];
  /** The last key, if its value begins in a later line. */
  pending: Omit<YamlEntry, 'value'> | undefined;
}

interface Block {
  readonly node: (YamlMap | YamlSeq) & { end: number };
  /** The column of its keys or dashes, counted from 0. */
  readonly indent: number;
  readonly entries: YamlEntry[];
  readonly items: YamlNode[];
  readonly names: Set<string>;
}

/**
 * Scans a text of the plainest YAML, which most manifests are: block mappings and sequences of
 * scalars on one line, without escapes, anchors and tags. Returns the nodes that `composeYaml`
 * returns, but many times faster; undefined if there is anything else in the text.
 */
export function scanBlocks(source: string): readonly YamlNode[] | undefined {
  if (source.includes('\t') || source.includes('\r') || source[0] === '\uFEFF') return undefined;
  const scan: Scan = { source, roots: [], blocks: [], pending: undefined };
  let isFirst = true;
  for (let start = 0, end = 0; start < source.length; start = end + 1) {
    const lineBreak = source.indexOf('\n', start);
    end = lineBreak < 0 ? source.length : lineBreak;
    if (end - start === 3 && source.startsWith('---', start)) {
      // Only comments may come before the first mark.
      const isPrelude = isFirst && scan.blocks.length === 0;
      if (!isPrelude && !endDocument(scan)) return undefined;
      isFirst = false;
    } else if (!addLine(scan, start, end)) return undefined;
  }
  return endDocument(scan) && scan.roots.length <= MAX_ROOTS ? scan.roots : undefined;
}

/** Ends the collections of a document; false if it has none, or if its last key has no value. */
function endDocument({ blocks, pending }: Scan): boolean {
  if (blocks.length === 0 || pending !== undefined) return false;
  while (blocks.length > 0) endBlock(blocks);
  return true;
}

function endBlock(blocks: Block[]): void {
  const block = blocks.pop();
  if (block === undefined) return;
  const last = block.node.kind === 'map' ? block.entries.at(-1)?.value : block.items.at(-1);
  block.node.end = last?.end ?? block.node.start;
}

// A key is a word before a colon, which a space or the end of the line follows.
const lineStart = /( *)(- +)?(?:([\w./][-\w./]*):(?=[ \n]|$))?/y;

/** Adds the nodes of a line; false if the line is not plain enough. */
function addLine(scan: Scan, start: number, end: number): boolean {
  const { source } = scan;
  lineStart.lastIndex = start;
  const [, spaces = '', dash, name] = lineStart.exec(source) ?? [];
  const indent = spaces.length;
  const at = start + indent;
  if (at === end || source[at] === '#') return true;
  const block = blockAt(scan, dash === undefined ? 'map' : 'seq', indent, at);
  if (block === undefined) return false;
  if (dash === undefined) return addEntry(scan, block, name, at, end);
  const content = at + dash.length;
  if (name !== undefined) {
    const map = openBlock(scan, 'map', indent + dash.length, content);
    return addEntry(scan, map, name, content, end);
  }
  const item = scalarIn(source, content, end);
  if (item !== undefined) block.items.push(item);
  return item !== undefined;
}

/** Finds or opens the collection that a line with a key or a dash belongs to. */
function blockAt(
  scan: Scan,
  kind: Block['node']['kind'],
  indent: number,
  at: number,
): Block | undefined {
  const { blocks, pending } = scan;
  const top = blocks.at(-1);
  if (top === undefined) return openBlock(scan, kind, indent, at);
  if (pending !== undefined) {
    // The dashes of a sequence may be below its key.
    const isInside = indent > top.indent || (kind === 'seq' && indent === top.indent);
    return isInside && blocks.length < MAX_BLOCKS ? openBlock(scan, kind, indent, at) : undefined;
  }
  let block: Block | undefined = top;
  while (
    block !== undefined &&
    (block.indent > indent || (block.indent === indent && block.node.kind !== kind))
  ) {
    endBlock(blocks);
    block = blocks.at(-1);
  }
  return block?.indent === indent ? block : undefined;
}

/** Opens a collection: the value of the pending key, an item of a sequence, or a root. */
function openBlock(scan: Scan, kind: Block['node']['kind'], indent: number, start: number): Block {
  const { roots, blocks, pending } = scan;
  const [entries, items]: [YamlEntry[], YamlNode[]] = [[], []];
  const [end, anchor, tag, flow] = [start, undefined, undefined, false];
  const node =
    kind === 'map'
      ? { kind, start, end, anchor, tag, flow, entries }
      : { kind, start, end, anchor, tag, flow, items };
  const parent = blocks.at(-1);
  if (parent === undefined) roots.push(node);
  else if (pending === undefined) parent.items.push(node);
  else {
    const { start, key, colon } = pending;
    parent.entries.push({ start, key, colon, value: node });
  }
  scan.pending = undefined;
  const block = { node, indent, entries, items, names: new Set<string>() };
  blocks.push(block);
  return block;
}

/** Adds the entry of a mapping that begins at `start`. */
function addEntry(
  scan: Scan,
  { entries, names }: Block,
  name: string | undefined,
  start: number,
  end: number,
): boolean {
  const { source } = scan;
  if (name === undefined || name.length > MAX_KEY || names.size === names.add(name).size)
    return false;
  const colon = start + name.length;
  const key = scalarOf(name, 'plain', start, colon);
  let at = colon + 1;
  while (source[at] === ' ') at++;
  if (at === end || source[at] === '#') {
    scan.pending = { start, key, colon };
    return true;
  }
  const value = scalarIn(source, at, end);
  if (value !== undefined) entries.push({ start, key, colon, value });
  return value !== undefined;
}

const plainStart = /[^\s\-?:,[\]{}#&*!|>'"%@`]/;

/** Returns the scalar between two offsets, after which a comment may follow. */
function scalarIn(source: string, start: number, end: number): YamlScalar | undefined {
  const line = source.slice(start, end);
  const quote = line.charAt(0);
  if (quote === '"' || quote === "'") {
    const length = line.indexOf(quote, 1) + 1;
    const text = line.slice(1, length - 1);
    if (length === 0 || !/^(?: +(?:#.*)?)?$/.test(line.slice(length))) return undefined;
    if (quote === '"' && text.includes('\\')) return undefined;
    return scalarOf(text, quote === '"' ? 'double' : 'single', start, start + length);
  }
  const comment = line.indexOf(' #');
  let length = comment < 0 ? line.length : comment;
  while (line[length - 1] === ' ') length--;
  const text = line.slice(0, length);
  if (!plainStart.test(quote) || text.includes(': ') || text.endsWith(':')) return undefined;
  return scalarOf(text, 'plain', start, start + length);
}

function scalarOf(
  text: string,
  style: YamlScalar['style'],
  start: number,
  end: number,
): YamlScalar {
  return { kind: 'scalar', start, end, anchor: undefined, tag: undefined, text, style };
}

/** Finds a character or line that YAML readers disagree on, before the text is split into tokens. */
function obstacleIn(source: string): YamlError | undefined {
  const offset = forbiddenCharacter(source);
  if (offset !== undefined)
    return yamlError(characters[source.charAt(offset)] ?? 'CONTROL_CHARACTER', offset);
  // The fast checks come first, because hardly any text has these characters.
  const conflict = source.includes('<<<<<<<') ? conflictIn(source) : undefined;
  if (conflict !== undefined) return yamlError('MERGE_CONFLICT', conflict);
  const separator = source.includes('---') ? source.search(oddSeparator) : -1;
  if (separator < 0) return undefined;
  return yamlError(source[separator + 3] === '#' ? 'SEPARATOR' : 'SEPARATOR_SPACE', separator);
}

// A line of = alone is also an underline in Markdown, so all three markers must be there.
const conflictMarkers = [/^<{7,}(?: .*)?\r?$/gm, /^={7,}\r?$/gm, /^>{7,}(?: .*)?\r?$/gm];

/** Returns the offset of the first marker of a merge conflict. */
function conflictIn(source: string): number | undefined {
  const offsets: number[] = [];
  for (const marker of conflictMarkers) {
    marker.lastIndex = offsets.at(-1) ?? 0;
    const found = marker.exec(source);
    if (found === null) return undefined;
    offsets.push(found.index);
  }
  return offsets[0];
}

// kubectl starts a document at --- if Go's unicode.IsSpace, or #, comes next.
const oddSeparator = /^---[#\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/m;

/**
 * Any character that is not printable. YAML 1.1 readers (kubectl) break lines at U+0085, U+2028,
 * U+2029 and a lone CR but readers of YAML 1.2 do not, so one's comment would be the other's key.
 */
const unprintable = /[^\t\n\r\x20-\x7E\xA0-\u2027\u202A-\uFEFE\uFF00-\uFFFD]/;
const loneReturn = /\r(?!\n)/;
const ascii = /[\t\n\x20-\x7E]*/y;

const characters: Readonly<Record<string, string>> = {
  '\r': 'CARRIAGE_RETURN',
  '\u0085': 'NEXT_LINE',
  '\u2028': 'LINE_SEPARATOR',
  '\u2029': 'PARAGRAPH_SEPARATOR',
  '\uFEFF': 'BYTE_ORDER_MARK',
};

/** The offset of the first character that is not allowed; a byte order mark may come first. */
function forbiddenCharacter(source: string): number | undefined {
  // Takes half the time of a search, and most texts are ASCII.
  ascii.lastIndex = 0;
  ascii.test(source);
  if (ascii.lastIndex === source.length) return undefined;
  const mark = source.startsWith('\uFEFF') ? 1 : 0;
  const text = source.slice(mark);
  // A single pattern for both would take 1.5 times as long.
  const found = [text.search(unprintable), text.includes('\r') ? text.search(loneReturn) : -1];
  const [first] = found.filter((offset) => offset >= 0).sort((a, b) => a - b);
  return first === undefined ? undefined : mark + first;
}
