import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { isNull, nameOf } from './nodes.ts';
import { scalarSource, scalarSplices } from './scalars.ts';
import { indentation, isFirstOnLine, lineStart, match, type Splice } from './splice.ts';
import {
  type Addition,
  additionsOf,
  blockIndent,
  blockLines,
  flowEntries,
  flowMap,
  type Style,
} from './style.ts';

/** Changes to the entries of one mapping, by key; all other entries stay. */
export interface Change {
  /** The new strings of keys; keys that are not in the mapping are added last, in this order. */
  readonly set: ReadonlyMap<string, string>;
  readonly remove: ReadonlySet<string>;
}

/** Changes the mapping that is the value of `field`, an entry of `parent`. */
export function changeField(
  parent: YamlMap,
  field: YamlEntry,
  change: Change,
  style: Style,
): readonly Splice[] {
  const map = field.value;
  const entries = map.kind === 'map' ? map.entries : [];
  const replaced: Splice[] = [];
  const removed = new Set<YamlEntry>();
  const added = new Map(change.set);
  for (const entry of entries) {
    const key = nameOf(entry.key) ?? '';
    const text = change.set.get(key);
    if (text !== undefined) replaced.push(...valueSplices(entry, text, style));
    if (change.remove.has(key)) removed.add(entry);
    added.delete(key);
  }
  const additions = additionsOf(added);
  if (map.kind !== 'map' || entries.length === 0) return fill(parent, field, additions, style);
  const resized = map.flow
    ? resizeFlow(map, removed, additions, style)
    : resizeBlock(map, field, removed, additions, style);
  return [...replaced, ...resized];
}

function valueSplices({ colon, value }: YamlEntry, text: string, style: Style): readonly Splice[] {
  if (value.kind !== 'scalar') return [];
  if (!isNull(value)) return scalarSplices(style.source, value, text);
  const written = scalarSource(text, style.json ? 'double' : 'plain');
  if (value.end > value.start) return [{ start: value.start, end: value.end, text: written }];
  const start = (colon ?? value.start) + 1;
  return [{ start, end: start, text: ` ${written}` }];
}

/** Adds entries after the last one of a mapping that is not empty. */
export function addEntries(
  map: YamlMap,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  if (map.flow) return resizeFlow(map, new Set(), additions, style);
  if (additions.length === 0) return [];
  return [addLines(map.end, blockLines(additions, blockIndent(style.source, map), style), style)];
}

/** Adds the first entries to an empty value: `data:`, `data: null` or `data: {}`. */
function fill(
  parent: YamlMap,
  field: YamlEntry,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  if (additions.length === 0) return [];
  const { source } = style;
  const { start, colon, value } = field;
  if (parent.flow) {
    const indent = isFirstOnLine(source, start) ? indentation(source, start) : undefined;
    return [fillFlow(field, additions, indent, style)];
  }
  const afterColon = (colon ?? value.start) + 1;
  const gap = source.slice(afterColon, value.start);
  const old = source.slice(value.start, value.end);
  if (/[#\n]/.test(gap + old)) return [fillFlow(field, additions, undefined, style)];
  const lines = blockLines(additions, blockIndent(source, parent) + style.unit, style);
  // White space before a comment has to stay: `data:# c` would be a key.
  const emptied = old === '' ? [] : [{ start: afterColon, end: value.end, text: '' }];
  return [...emptied, addLines(value.end, lines, style)];
}

function fillFlow(
  { colon, value: { start, end } }: YamlEntry,
  additions: readonly Addition[],
  indent: string | undefined,
  style: Style,
): Splice {
  const { source } = style;
  if (source.slice(start, end).includes('#')) {
    const text = `${flowEntries(additions, undefined, style).join(style.comma)},`;
    return { start: start + 1, end: start + 1, text };
  }
  const before = start - 1 === colon && !style.json ? ' ' : '';
  const after = source.charAt(end) === '#' ? ' ' : '';
  return { start, end, text: before + flowMap(additions, indent, style) + after };
}

/** Adds lines after the line in which the content before `offset` ends. */
function addLines(offset: number, lines: readonly string[], { source, eol }: Style): Splice {
  const at = lineEnd(source, offset);
  const text = isUnended(source, at) ? eol + lines.join(eol) : lines.join(eol) + eol;
  return { start: at, end: at, text };
}

/** Removes entries of a block mapping, the value of `field`, and adds new ones after the last. */
function resizeBlock(
  map: YamlMap,
  field: YamlEntry,
  removed: ReadonlySet<YamlEntry>,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  const splices = [...addEntries(map, additions, style)];
  let before: YamlEntry | undefined;
  for (const entry of map.entries) {
    if (removed.has(entry)) splices.push(...blockRemoval(entry, before, style));
    else before = entry;
  }
  const afterColon = (field.colon ?? -1) + 1;
  if (before === undefined && additions.length === 0 && afterColon > 0)
    splices.push({ start: afterColon, end: afterColon, text: ' {}' });
  return splices;
}

/**
 * Removes an entry and the comment after it.
 *
 * @param before the nearest entry before it that stays
 */
function blockRemoval(
  { start, value }: YamlEntry,
  before: YamlEntry | undefined,
  { source }: Style,
): readonly Splice[] {
  if (!isFirstOnLine(source, start)) {
    // A `?` or `:` before the entry stays, and so does the line break.
    const isBroken = source.slice(start, value.end).endsWith('\n');
    const end = isBroken ? source.slice(0, value.end).trimEnd().length : value.end;
    return [{ start, end, text: '' }];
  }
  const end = lineEnd(source, value.end);
  const first = lineStart(source, start);
  // A block scalar before the entry ends with its line break, and would continue in empty lines.
  const isAfterBlock = before !== undefined && source.charAt(before.value.end - 1) === '\n';
  const empty = isAfterBlock ? match(/(?:[ \t]*\r?\n)*/y, source, end).length : 0;
  // A file without a final line break must not get one when its last line is removed.
  const isLast = !isAfterBlock && isUnended(source, end);
  const lineBreak = isLast ? match(/\r?\n/y, source, first - 2).length || 1 : 0;
  return [
    { start: first - lineBreak, end, text: '' },
    { start: end, end: end + empty, text: '' },
  ];
}

/** The offset after the line in which the content before `offset` ends, with any comment. */
function lineEnd(source: string, offset: number): number {
  if (source.charAt(offset - 1) === '\n') return offset; // A block scalar ends with its line.
  const end = offset + restOfLine(source, offset).length;
  if (end === offset && end < source.length) throw new Error(`no line end at offset ${offset}`);
  return end;
}

/** White space, a comment and the line break after `offset`; empty if there is anything else. */
function restOfLine(source: string, offset: number): string {
  return match(/[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y, source, offset);
}

const isUnended = (source: string, offset: number) =>
  offset === source.length && !source.endsWith('\n');

/** Removes entries of a flow mapping, adds new ones after the last, and keeps the commas right. */
function resizeFlow(
  map: YamlMap,
  removed: ReadonlySet<YamlEntry>,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  const { source } = style;
  const last = map.entries.findLast((entry) => !removed.has(entry));
  if (last === undefined) return [refill(map, additions, style)];
  const removals = [...removed].map((entry) => flowRemoval(entry, style));
  const isTrailing = commaAfter(map.entries.at(-1) ?? last, source) !== undefined;
  const comma = commaAfter(last, source);
  const needsComma = isTrailing || additions.length > 0;
  const punctuation =
    needsComma && comma === undefined
      ? [{ start: endOf(last), end: endOf(last), text: ',' }]
      : !needsComma && comma !== undefined
        ? [{ start: comma, end: comma + 1, text: '' }]
        : [];
  return [...removals, ...punctuation, ...flowAddition(last, additions, isTrailing, style)];
}

function flowAddition(
  last: YamlEntry,
  additions: readonly Addition[],
  isTrailing: boolean,
  style: Style,
): readonly Splice[] {
  if (additions.length === 0) return [];
  const { source } = style;
  const after = endWithComma(last, source);
  const isOwnLine = isFirstOnLine(source, last.start);
  const indent = isOwnLine ? indentation(source, last.start) : undefined;
  const comment = isOwnLine ? match(/[ \t]*(?:#[^\n]*?)?(?=\r?\n)/y, source, after) : '';
  const start = after + comment.length;
  const gap = indent === undefined ? style.comma.slice(1) : style.eol + indent;
  const entries = flowEntries(additions, indent, style).join(`,${gap}`);
  return [{ start, end: start, text: gap + entries + (isTrailing ? ',' : '') }];
}

/** Removes an entry: its whole lines, or the entry and a comma on either side. */
function flowRemoval(entry: YamlEntry, { source }: Style): Splice {
  const end = endWithComma(entry, source);
  const rest = restOfLine(source, end);
  const first = lineStart(source, entry.start);
  if (rest !== '' && isFirstOnLine(source, entry.start)) {
    return { start: first, end: end + rest.length, text: '' };
  }
  if (end > endOf(entry) && rest === '') {
    return { start: entry.start, end: end + match(/[ \t]*/y, source, end).length, text: '' };
  }
  const before = source.slice(first, entry.start);
  return { start: first + before.trimEnd().length, end, text: '' };
}

/** Replaces all entries of a flow mapping. */
function refill(
  { start, end, entries }: YamlMap,
  additions: readonly Addition[],
  style: Style,
): Splice {
  const { source } = style;
  const isMultiline = source.slice(start, entries[0]?.start).includes('\n');
  const indent = isMultiline ? indentation(source, start) : undefined;
  return { start, end, text: flowMap(additions, indent, style) };
}

/** The offset after an entry and its comma, if it has one. */
function endWithComma(entry: YamlEntry, source: string): number {
  const comma = commaAfter(entry, source);
  return comma === undefined ? endOf(entry) : comma + 1;
}

function commaAfter(entry: YamlEntry, source: string): number | undefined {
  const upTo = match(/(?:[ \t\r\n]|#[^\n]*\n)*,/y, source, endOf(entry));
  return upTo === '' ? undefined : endOf(entry) + upTo.length - 1;
}

/** An empty value ends before the white space that must separate it from a comment. */
function endOf({ key, colon, value }: YamlEntry): number {
  if (value.end > value.start) return value.end;
  return colon === undefined ? key.end : colon + 1;
}
