import type { YamlEntry, YamlMap } from '../yaml-node.ts';
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
 * Removes entries of a block mapping, each with the comment behind it.
 *
 * @param parent the entry whose value `map` is; it becomes `{}` if `emptied`
 */
export function removeFromBlock(
  source: string,
  removed: readonly YamlEntry[],
  parent: YamlEntry,
  emptied: boolean,
): readonly Splice[] {
  const lines = removed.map((entry) => linesOf(source, entry));
  if (!emptied || parent.colon === undefined) return lines;
  return [{ start: parent.colon + 1, end: parent.colon + 1, text: ' {}' }, ...lines];
}

function linesOf(source: string, { start, value }: YamlEntry): Splice {
  if (!isFirstOnLine(source, start)) {
    // Behind a `?` or `:`, which stays where it is, and so does the line break.
    const broken = source.slice(start, value.end).endsWith('\n');
    return {
      start,
      end: broken ? source.slice(0, value.end).trimEnd().length : value.end,
      text: '',
    };
  }
  const end = lineEnd(source, value.end);
  const first = lineStart(source, start);
  // A file without a final line break is to have none without its last line, either.
  const before = isUnended(source, end) ? match(/\r?\n/y, source, first - 2).length || 1 : 0;
  return { start: first - before, end, text: '' };
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
