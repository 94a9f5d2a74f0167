import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { addLines, addToBlock, removeFromBlock } from './edit-block.ts';
import { changeFlow } from './edit-flow.ts';
import { scalarSplices } from './edit-scalar.ts';
import {
  type Addition,
  blockIndent,
  blockLines,
  flowEntries,
  flowMap,
  type Style,
} from './edit-style.ts';
import { indentation, isFirstOnLine, type Splice } from './splice.ts';

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
