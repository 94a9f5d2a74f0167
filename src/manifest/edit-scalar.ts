import type { YamlScalar } from '../yaml/node.ts';
import { blockHeader } from './disputed.ts';
import { scalarSource } from './scalar-text.ts';
import { match, type Splice } from './splice.ts';

/** Puts the string `text` in the place of a scalar, in its quotes if it has any. */
export function scalarSplices(source: string, node: YamlScalar, text: string): readonly Splice[] {
  const { start, end, style } = node;
  if (style !== 'block') return [{ start, end, text: scalarSource(text, style) }];
  // What stands behind the header, perhaps a comment, now stands behind the value.
  const headerEnd = start + blockHeader(source, start).length;
  const lineEnd = headerEnd + match(/[^\n]*?(?=\r?\n|$)/y, source, headerEnd).length;
  const bodyStart = lineEnd + match(/\r?\n/y, source, lineEnd).length;
  const cutShort = end === source.length && !source.endsWith('\n');
  return [
    { start, end: headerEnd, text: scalarSource(text, 'plain') },
    { start: cutShort ? lineEnd : Math.min(bodyStart, end), end, text: '' },
  ];
}
