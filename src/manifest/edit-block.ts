import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { type Addition, blockIndent, blockLines, type Style } from './edit-style.ts';
import { isFirstOnLine, lineStart, match, type Splice } from './splice.ts';

/** Adds entries behind the last one of a block mapping. */
export function addToBlock(
  source: string,
  map: YamlMap,
  additions: readonly Addition[],
  style: Style,
): Splice {
  return addLines(source, map.end, blockLines(additions, blockIndent(source, map), style), style);
}

/** Adds lines behind the line in which the content before `offset` ends. */
export function addLines(
  source: string,
  offset: number,
  lines: readonly string[],
  style: Style,
): Splice {
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
export function removeFromBlock(
  source: string,
  map: YamlMap,
  removed: ReadonlySet<YamlEntry>,
  parent: YamlEntry,
  emptied: boolean,
): readonly Splice[] {
  let before: YamlEntry | undefined;
  const lines = map.entries.flatMap((entry) => {
    if (removed.has(entry)) return removal(source, entry, before);
    before = entry;
    return [];
  });
  if (!emptied || parent.colon === undefined) return lines;
  return [{ start: parent.colon + 1, end: parent.colon + 1, text: ' {}' }, ...lines];
}

/** @param before the nearest entry before it that stays */
function removal(
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
