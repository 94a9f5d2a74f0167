import type { YamlMap } from '../yaml/node.ts';
import { scalarSource } from './scalars.ts';
import { indentation, lineStart } from './splice.ts';

/** A new entry whose value is a string or a mapping. */
export interface Addition {
  readonly key: string;
  readonly value: string | readonly Addition[];
}

/** New entries from keys and strings. */
export function additionsOf(texts: ReadonlyMap<string, string>): readonly Addition[] {
  return [...texts].map(([key, value]) => ({ key, value }));
}

/** A text, and the style of new text in it. */
export interface Style {
  readonly source: string;
  readonly eol: string;
  /** Whether every string is in double quotes. */
  readonly json: boolean;
  /** The indentation of one level of nesting. */
  readonly unit: string;
  /** The separators of key and value, and of two entries on one line, in flow style. */
  readonly colon: string;
  readonly comma: string;
}

/** The first line break of a text, which new lines get. */
export function eolOf(source: string): string {
  return /\r?\n/.exec(source)?.[0] ?? '\n';
}

/** The style of the Secret whose mapping is `root`, in a text with the line breaks `eol`. */
export function styleOf(source: string, root: YamlMap, eol: string): Style {
  const json =
    root.flow && root.entries.every(({ key }) => key.kind === 'scalar' && key.style === 'double');
  const colon = root.entries[0]?.colon ?? 0;
  const tight = json && !/\s/.test(source.charAt(colon + 1));
  return {
    source,
    eol,
    json,
    unit: unitOf(source, root) || '  ',
    colon: tight ? ':' : ': ',
    comma: tight ? ',' : ', ',
  };
}

function unitOf(source: string, root: YamlMap): string {
  if (root.flow) {
    const first = root.entries[0]?.start ?? root.start;
    // One line may be the whole file, with thousands of Secrets: it is not searched for each of them.
    if (!source.slice(root.start, first).includes('\n')) return '';
    const inner = indentation(source, first);
    return inner.slice(indentation(source, root.start).length);
  }
  const nested = root.entries
    .map(({ value }) => value)
    .find((value): value is YamlMap => value.kind === 'map' && !value.flow);
  return nested ? blockIndent(source, nested).slice(blockIndent(source, root).length) : '';
}

/** The indentation of the entries of a block mapping. */
export function blockIndent(source: string, { start, entries }: YamlMap): string {
  const at = entries.at(-1)?.start ?? start;
  return ' '.repeat(source.slice(lineStart(source, at), at).replace('\uFEFF', '').length);
}

/** The lines of new entries of a block mapping, without line breaks. */
export function blockLines(
  additions: readonly Addition[],
  indent: string,
  style: Style,
): readonly string[] {
  return additions.flatMap(({ key, value }) => {
    const name = `${indent}${scalarSource(key, 'plain')}:`;
    if (typeof value === 'string') return [`${name} ${scalarSource(value, 'plain')}`];
    return [name, ...blockLines(value, indent + style.unit, style)];
  });
}

/**
 * New entries of a flow mapping, without the commas between them.
 *
 * @param indent their indentation, if each is on its own line
 */
export function flowEntries(
  additions: readonly Addition[],
  indent: string | undefined,
  style: Style,
): readonly string[] {
  const quotes = style.json ? 'double' : 'plain';
  return additions.map(({ key, value }) => {
    const text =
      typeof value === 'string' ? scalarSource(value, quotes) : flowMap(value, indent, style);
    return `${scalarSource(key, quotes)}${style.colon}${text}`;
  });
}

/**
 * A new flow mapping.
 *
 * @param indent the indentation of its first line, if it may take several lines
 */
export function flowMap(
  additions: readonly Addition[],
  indent: string | undefined,
  style: Style,
): string {
  if (additions.length === 0) return '{}';
  if (indent === undefined) return `{${flowEntries(additions, indent, style).join(style.comma)}}`;
  const newLine = style.eol + indent;
  const entries = flowEntries(additions, indent + style.unit, style);
  return `{${newLine}${style.unit}${entries.join(`,${newLine}${style.unit}`)}${newLine}}`;
}
