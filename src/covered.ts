import { createHash } from 'node:crypto';
import type { Fault, Rule } from './rules/rule.ts';
import { childrenOf, offsetIn, type YamlNode } from './yaml-node.ts';

/**
 * What a suppression covers, as a hash: the finding itself, and the text that it is about. A
 * protected branch that silences a test password must not silence another password in its place.
 */
export function coveredBy(
  { rule, secret, key, position }: Fault,
  covers: Rule['covers'],
  source: string,
  roots: readonly YamlNode[],
): string {
  const text = () => {
    if (covers === 'text') return source;
    if (covers === 'line') return source.split('\n')[position.line - 1]?.trim();
    const offset = offsetIn(source, position);
    const [start, end] = roots.map((root) => extentAt(root, offset)).find(Boolean) ?? [0];
    return source.slice(start, end);
  };
  return createHash('sha256')
    .update(JSON.stringify([rule, secret, key, text()]))
    .digest('base64');
}

/** From where to where the largest thing goes that begins at an offset: an entry, or an object. */
function extentAt(node: YamlNode, offset: number): readonly [number, number] | undefined {
  if (offset < node.start || offset >= Math.max(node.end, node.start + 1)) return undefined;
  if (node.start === offset) return [node.start, node.end];
  const entry =
    node.kind === 'map' &&
    node.entries.find(({ key, value }) => [key.start, value.start].includes(offset));
  if (entry) return [entry.start, entry.value.end];
  if (node.kind === 'alias') return undefined;
  return childrenOf(node)
    .map((child) => extentAt(child, offset))
    .find(Boolean);
}
