import { createHash } from 'node:crypto';
import type { Diagnostic, Position } from '../diagnostic.ts';
import type { Manifest, NestedString } from '../manifest/types.ts';
import { suggest } from '../text.ts';
import {
  type Content,
  childrenOf,
  contentsOf,
  offsetsIn,
  positionsIn,
  type Range,
  rangesAt,
  type YamlNode,
} from '../yaml/node.ts';

/** A comment `# kseal-ignore RULE: reason`. */
export interface Suppression {
  readonly rule: string;
  readonly reason: string;
  /** The line it applies to: its own, or if that has only comments, the next other line. */
  readonly line: number;
}

/** A comment that suppresses nothing. */
export interface BadSuppression {
  readonly position: Position;
  readonly problem: 'no-reason' | 'unknown-rule';
  /** The rule with a similar name. */
  readonly meant: string | undefined;
}

interface Suppressions {
  readonly suppressions: readonly Suppression[];
  readonly badSuppressions: readonly BadSuppression[];
}

const comment = /(?<=^|[ \t])#[ \t]*kseal-ignore\b[ \t]*([^\r\n]*)/gm;

/** A text, and its nodes. */
type ManifestText = Pick<Manifest, 'source' | 'roots' | 'strings'>;

/**
 * Returns the suppressions in a text. A value may contain text that looks like a comment.
 *
 * @param known the ids of the rules that can be suppressed
 */
export function suppressionsIn(manifest: ManifestText, known: readonly string[]): Suppressions {
  const { source } = manifest;
  // Searching for a character is faster than for a word, and many texts have no comment.
  if (!source.includes('#') || !source.includes('kseal-ignore'))
    return { suppressions: [], badSuppressions: [] };
  const positionOf = positionsIn(source);
  const valueAt = rangesAt(contentsIn(manifest));
  const targets = targetLines(source.split('\n'));
  const found = [...source.matchAll(comment)]
    .filter(({ index }) => valueAt(index) === undefined)
    .map(({ index, 1: words = '' }) => parse(words, positionOf(index), targets, known));
  return {
    suppressions: found.flatMap(({ suppressions }) => suppressions),
    badSuppressions: found.flatMap(({ badSuppressions }) => badSuppressions),
  };
}

function parse(
  words: string,
  position: Position,
  targets: readonly number[],
  known: readonly string[],
): Suppressions {
  const [names = '', ...rest] = words.split(':');
  const reason = rest.join(':').trim();
  const rules = names.split(',').map((name) => name.trim());
  const bad = rules
    .filter((rule) => !known.includes(rule))
    .map((rule): BadSuppression => {
      // Only a known name is shown, because the comment may contain a value.
      return {
        position,
        problem: 'unknown-rule',
        meant: suggest(rule.split(/\s/)[0] ?? '', known),
      };
    });
  if (reason === '') {
    const noReason = { position, problem: 'no-reason', meant: undefined } as const;
    return { suppressions: [], badSuppressions: [...bad, noReason] };
  }
  const line = targets[position.line] ?? position.line;
  const good = rules.filter((rule) => known.includes(rule));
  return { suppressions: good.map((rule) => ({ rule, reason, line })), badSuppressions: bad };
}

/** Returns for each line, counted from 1, the line that a comment in it applies to. */
function targetLines(lines: readonly string[]): readonly number[] {
  const targets = [0, ...lines.map((_, index) => index + 1)];
  for (let line = lines.length; line > 0; line--)
    if (/^\uFEFF?\s*#/.test(lines[line - 1] ?? '')) targets[line] = targets[line + 1] ?? line + 1;
  return targets;
}

/** Returns the contents of scalars. A string that is a manifest itself may have comments. */
function contentsIn({ source, roots, strings }: ManifestText): readonly Range[] {
  const manifests = literalStrings(strings);
  const placed = (contents: readonly Content[], at: OffsetOf): readonly Range[] =>
    contents.flatMap(({ node, start, end }) => {
      const string = manifests.get(node);
      if (string === undefined) return [{ start: at(start), end: at(end) }];
      return placed(contentsOf(string.roots, string.source.text), offsetsOf(string, source));
    });
  return placed(contentsOf(roots, source), (offset) => offset);
}

type OffsetOf = (offset: number) => number;

/** Returns the literal block scalars that are manifests, by node. */
function literalStrings(strings: readonly NestedString[]): Map<YamlNode, NestedString> {
  const found = new Map<YamlNode, NestedString>();
  for (const string of strings) {
    if (string.literal && string.roots.length > 0) found.set(string.node, string);
    for (const [node, inner] of literalStrings(string.strings)) found.set(node, inner);
  }
  return found;
}

/** Returns a function from the offsets in a string to those in the text. */
function offsetsOf({ source: { position } }: NestedString, source: string): OffsetOf {
  const offsetOf = offsetsIn(source);
  return (offset) => offsetOf(position(offset));
}

/** Hashes a finding and the text that a suppression of it covers. */
type CoverOf = (finding: Diagnostic, covers: 'line' | 'text' | undefined) => string;

/**
 * Returns the covers of findings in a text. A suppression on a protected branch counts only for
 * the same cover: it suppresses one test password, but not another one in its place.
 */
export function coversIn({ source, roots, strings }: ManifestText): CoverOf {
  // Computed once, because there may be many findings.
  const offsetOf = offsetsIn(source);
  const lines = source.split('\n');
  const whole = hashOf(source);
  const extents = new Map<number, Extent>();
  for (const root of roots) addExtents(root, extents, (offset) => offset);
  for (const string of literalStrings(strings).values())
    for (const root of string.roots) addExtents(root, extents, offsetsOf(string, source));
  return ({ code, secret, key, position }, covers) => {
    const text = () => {
      if (covers === 'line') return lines[position.line - 1]?.trim();
      const extent = covers === 'text' ? undefined : extents.get(offsetOf(position));
      return extent === undefined ? whole : source.slice(...extent);
    };
    return hashOf(JSON.stringify([code, secret, key, text()]));
  };
}

type Extent = readonly [start: number, end: number];

/** Maps each offset to the extent of the largest entry or object that begins there. */
function addExtents(node: YamlNode, extents: Map<number, Extent>, offsetOf: OffsetOf): void {
  const add = (at: number, start: number, end: number) => {
    const offset = offsetOf(at);
    if (!extents.has(offset)) extents.set(offset, [offsetOf(start), offsetOf(end)]);
  };
  add(node.start, node.start, node.end);
  if (node.kind === 'alias') return;
  if (node.kind === 'map') {
    for (const { start, key, value } of node.entries)
      for (const at of [key.start, value.start]) add(at, start, value.end);
  }
  for (const child of childrenOf(node)) addExtents(child, extents, offsetOf);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
