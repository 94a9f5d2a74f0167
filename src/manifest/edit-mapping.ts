import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { scalarSplices } from './scalars.ts';
import { indentation, isFirstOnLine, lineStart, match, type Splice } from './splice.ts';
import {
  type Addition,
  blockIndent,
  blockLines,
  flowEntries,
  flowMap,
  type Style,
} from './style.ts';

/** What is to become of the entries of one mapping, by key; those not named stay. */
export interface Change {
  /** Strings, for keys that are there and for new ones, which come last in this order. */
  readonly set: ReadonlyMap<string, string>;
  readonly remove: ReadonlySet<string>;
}

/** Changes the mapping that is the value of `field`, an entry of `parent`. */
export function changeField(
  source: string,
  parent: YamlMap,
  field: YamlEntry,
  change: Change,
  style: Style,
): readonly Splice[] {
  const map = field.value;
  if (map.kind !== 'map' || map.entries.length === 0) {
    return fill(source, parent, field, additionsOf(change, new Set()), style);
  }
  const keyed = map.entries.map((entry) => ({
    entry,
    key: entry.key.kind === 'scalar' ? entry.key.text : '',
  }));
  const replaced = keyed.flatMap(({ entry, key }) => {
    const text = change.set.get(key);
    return text === undefined || entry.value.kind !== 'scalar'
      ? []
      : scalarSplices(source, entry.value, text);
  });
  const removed = keyed.filter(({ key }) => change.remove.has(key)).map(({ entry }) => entry);
  const additions = additionsOf(change, new Set(keyed.map(({ key }) => key)));
  return [...replaced, ...resize(source, map, field, removed, additions, style)];
}

/** Adds entries behind the last one of a mapping that is not empty. */
export function addEntries(
  source: string,
  map: YamlMap,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  if (additions.length === 0) return [];
  if (map.flow) return changeFlow(source, map, new Set(), additions, style);
  return [addToBlock(source, map, additions, style)];
}

function additionsOf({ set }: Change, present: ReadonlySet<string>): readonly Addition[] {
  return [...set].filter(([key]) => !present.has(key)).map(([key, value]) => ({ key, value }));
}

function resize(
  source: string,
  map: YamlMap,
  field: YamlEntry,
  removed: readonly YamlEntry[],
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  if (removed.length + additions.length === 0) return [];
  if (map.flow) return changeFlow(source, map, new Set(removed), additions, style);
  const emptied = removed.length === map.entries.length && additions.length === 0;
  return [
    ...removeFromBlock(source, map, new Set(removed), field, emptied),
    ...addEntries(source, map, additions, style),
  ];
}

/** Puts the first entries where there are none: `data:`, `data: null` or `data: {}`. */
function fill(
  source: string,
  parent: YamlMap,
  field: YamlEntry,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  if (additions.length === 0) return [];
  const { start, colon, value } = field;
  if (parent.flow) {
    const line = isFirstOnLine(source, start) ? indentation(source, start) : undefined;
    return [fillFlow(source, field, additions, line, style)];
  }
  const indent = blockIndent(source, parent);
  const behindColon = (colon ?? value.start) + 1;
  const gap = source.slice(behindColon, value.start);
  const old = source.slice(value.start, value.end);
  if (/[#\n]/.test(gap + old)) return [fillFlow(source, field, additions, undefined, style)];
  const lines = blockLines(additions, indent + style.unit, style);
  // White space before a comment has to stay: `data:# c` would be a key.
  const empty = old === '' ? [] : [{ start: behindColon, end: value.end, text: '' }];
  return [...empty, addLines(source, value.end, lines, style)];
}

function fillFlow(
  source: string,
  { colon, value }: YamlEntry,
  additions: readonly Addition[],
  indent: string | undefined,
  style: Style,
): Splice {
  if (source.slice(value.start, value.end).includes('#')) {
    const text = `${flowEntries(additions, undefined, style).join(style.comma)},`;
    return { start: value.start + 1, end: value.start + 1, text };
  }
  const before = value.start - 1 === colon && !style.json ? ' ' : '';
  const after = source.charAt(value.end) === '#' ? ' ' : '';
  const text = before + flowMap(additions, indent, style) + after;
  return { start: value.start, end: value.end, text };
}

/** Adds entries behind the last one of a block mapping. */
function addToBlock(
  source: string,
  map: YamlMap,
  additions: readonly Addition[],
  style: Style,
): Splice {
  return addLines(source, map.end, blockLines(additions, blockIndent(source, map), style), style);
}

/** Adds lines behind the line in which the content before `offset` ends. */
function addLines(source: string, offset: number, lines: readonly string[], style: Style): Splice {
  const at = lineEnd(source, offset);
  const { eol } = style;
  const text = isUnended(source, at) ? eol + lines.join(eol) : lines.join(eol) + eol;
  return { start: at, end: at, text };
}

/**
 * Removes entries of the block mapping `map`, each with the comment behind it.
 *
 * @param parent the entry whose value `map` is; it becomes `{}` if `emptied`
 */
function removeFromBlock(
  source: string,
  map: YamlMap,
  removed: ReadonlySet<YamlEntry>,
  parent: YamlEntry,
  emptied: boolean,
): readonly Splice[] {
  let before: YamlEntry | undefined;
  const lines = map.entries.flatMap((entry) => {
    if (removed.has(entry)) return blockRemoval(source, entry, before);
    before = entry;
    return [];
  });
  if (!emptied || parent.colon === undefined) return lines;
  return [{ start: parent.colon + 1, end: parent.colon + 1, text: ' {}' }, ...lines];
}

/** @param before the nearest entry before it that stays */
function blockRemoval(
  source: string,
  { start, value }: YamlEntry,
  before: YamlEntry | undefined,
): readonly Splice[] {
  if (!isFirstOnLine(source, start)) {
    // Behind a `?` or `:`, which stays where it is, and so does the line break.
    const broken = source.slice(start, value.end).endsWith('\n');
    const end = broken ? source.slice(0, value.end).trimEnd().length : value.end;
    return [{ start, end, text: '' }];
  }
  const end = lineEnd(source, value.end);
  const first = lineStart(source, start);
  // A block scalar before it ends with its line break, and would go on in empty lines behind.
  const block = before !== undefined && source.charAt(before.value.end - 1) === '\n';
  const empty = block ? match(/(?:[ \t]*\r?\n)*/y, source, end).length : 0;
  // A file without a final line break is to have none without its last line, either.
  const unended = !block && isUnended(source, end);
  const lineBreak = unended ? match(/\r?\n/y, source, first - 2).length || 1 : 0;
  return [
    { start: first - lineBreak, end, text: '' },
    { start: end, end: end + empty, text: '' },
  ];
}

/** The offset behind the line, comment included, in which the content before `offset` ends. */
function lineEnd(source: string, offset: number): number {
  if (source.charAt(offset - 1) === '\n') return offset; // A block scalar ends with its line.
  const end = offset + match(/[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y, source, offset).length;
  if (end === offset && end < source.length) throw new Error(`no line end at offset ${offset}`);
  return end;
}

const isUnended = (source: string, offset: number) =>
  offset === source.length && !source.endsWith('\n');

/** Removes and adds entries of a flow mapping, and the commas that this takes. */
function changeFlow(
  source: string,
  map: YamlMap,
  removed: ReadonlySet<YamlEntry>,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  const last = map.entries.findLast((entry) => !removed.has(entry));
  if (last === undefined) return [refill(source, map, additions, style)];
  const removals = [...removed].map((entry) => flowRemoval(source, entry));
  const trailing = commaBehind(source, map.entries.at(-1) ?? last) !== undefined;
  const comma = commaBehind(source, last);
  const wanted = trailing || additions.length > 0;
  const punctuation =
    wanted && comma === undefined
      ? [{ start: endOf(last), end: endOf(last), text: ',' }]
      : !wanted && comma !== undefined
        ? [{ start: comma, end: comma + 1, text: '' }]
        : [];
  return [...removals, ...punctuation, ...flowAddition(source, last, additions, trailing, style)];
}

function flowAddition(
  source: string,
  last: YamlEntry,
  additions: readonly Addition[],
  trailing: boolean,
  style: Style,
): readonly Splice[] {
  if (additions.length === 0) return [];
  const comma = commaBehind(source, last);
  const behind = comma === undefined ? endOf(last) : comma + 1;
  const ownLine = isFirstOnLine(source, last.start);
  const indent = ownLine ? indentation(source, last.start) : undefined;
  const start = ownLine
    ? behind + match(/[ \t]*(?:#[^\n]*?)?(?=\r?\n)/y, source, behind).length
    : behind;
  const gap = indent === undefined ? style.comma.slice(1) : style.eol + indent;
  const text = gap + flowEntries(additions, indent, style).join(`,${gap}`) + (trailing ? ',' : '');
  return [{ start, end: start, text }];
}

/** The splice that removes an entry: its whole lines, or it and a comma on either side. */
function flowRemoval(source: string, entry: YamlEntry): Splice {
  const comma = commaBehind(source, entry);
  const end = comma === undefined ? endOf(entry) : comma + 1;
  const rest = match(/[ \t]*(?:#[^\n]*)?\r?\n/y, source, end);
  if (rest !== '' && isFirstOnLine(source, entry.start)) {
    return { start: lineStart(source, entry.start), end: end + rest.length, text: '' };
  }
  if (comma !== undefined && rest === '') {
    return { start: entry.start, end: end + match(/[ \t]*/y, source, end).length, text: '' };
  }
  const before = source.slice(lineStart(source, entry.start), entry.start);
  return { start: entry.start - (before.length - before.trimEnd().length), end, text: '' };
}

/** A flow mapping that none of its entries stay in. */
function refill(
  source: string,
  { start, end, entries }: YamlMap,
  additions: readonly Addition[],
  style: Style,
): Splice {
  const severalLines = source.slice(start, entries[0]?.start).includes('\n');
  const indent = severalLines ? indentation(source, start) : undefined;
  return { start, end, text: flowMap(additions, indent, style) };
}

function commaBehind(source: string, entry: YamlEntry): number | undefined {
  const upTo = match(/(?:[ \t\r\n]|#[^\n]*\n)*,/y, source, endOf(entry));
  return upTo === '' ? undefined : endOf(entry) + upTo.length - 1;
}

/** An empty value ends before the white space that has to stand between it and a comment. */
function endOf({ key, colon, value }: YamlEntry): number {
  if (value.end > value.start) return value.end;
  return colon === undefined ? key.end : colon + 1;
}
