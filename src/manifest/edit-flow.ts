import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { type Addition, flowEntries, flowMap, type Style } from './edit-style.ts';
import { indentation, isFirstOnLine, lineStart, match, type Splice } from './splice.ts';

/** Removes and adds entries of a flow mapping, and the commas that this takes. */
export function changeFlow(
  source: string,
  map: YamlMap,
  removed: ReadonlySet<YamlEntry>,
  additions: readonly Addition[],
  style: Style,
): readonly Splice[] {
  const last = map.entries.findLast((entry) => !removed.has(entry));
  if (last === undefined) return [refill(source, map, additions, style)];
  const removals = [...removed].map((entry) => removal(source, entry));
  const trailing = commaBehind(source, map.entries.at(-1) ?? last) !== undefined;
  const comma = commaBehind(source, last);
  const wanted = trailing || additions.length > 0;
  const punctuation =
    wanted && comma === undefined
      ? [{ start: endOf(last), end: endOf(last), text: ',' }]
      : !wanted && comma !== undefined
        ? [{ start: comma, end: comma + 1, text: '' }]
        : [];
  return [...removals, ...punctuation, ...addition(source, last, additions, trailing, style)];
}

function addition(
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
function removal(source: string, entry: YamlEntry): Splice {
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
