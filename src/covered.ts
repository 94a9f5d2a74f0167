import { createHash } from 'node:crypto';
import type { Fault, Rule } from './rules/rule.ts';
import { childrenOf, offsetsIn, type YamlNode } from './yaml/node.ts';

/** What a suppression of a fault covers, as a hash. */
export type CoverOf = (fault: Fault, covers: Rule['covers']) => string;

/**
 * What suppressions in a text cover: the finding itself, and the text that it is about. A
 * protected branch that silences a test password must not silence another password in its place.
 */
export function coversIn(source: string, roots: readonly YamlNode[]): CoverOf {
  // There may be many findings, so nothing is looked for, or hashed, once for each of them.
  const offsetOf = offsetsIn(source);
  const lines = source.split('\n');
  const whole = hashOf(source);
  const extents = new Map<number, Extent>();
  for (const root of roots) addExtents(root, extents);
  return ({ rule, secret, key, position }, covers) => {
    const text = () => {
      if (covers === 'line') return lines[position.line - 1]?.trim();
      const extent = covers === 'text' ? undefined : extents.get(offsetOf(position));
      return extent === undefined ? whole : source.slice(...extent);
    };
    return hashOf(JSON.stringify([rule, secret, key, text()]));
  };
}

type Extent = readonly [start: number, end: number];

/** From where to where the largest thing goes that begins at an offset: an entry, or an object. */
function addExtents(node: YamlNode, extents: Map<number, Extent>): void {
  const add = (at: number, extent: Extent) => extents.has(at) || extents.set(at, extent);
  add(node.start, [node.start, node.end]);
  if (node.kind === 'alias') return;
  if (node.kind === 'map') {
    for (const { start, key, value } of node.entries)
      for (const at of [key.start, value.start]) add(at, [start, value.end]);
  }
  for (const child of childrenOf(node)) addExtents(child, extents);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
