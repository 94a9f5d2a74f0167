import type { YamlEntry, YamlMap } from '../yaml/node.ts';
import { entryNamed, nameOf } from './literal.ts';

/**
 * The entries of an object that are a Secret's. In a template an object may have a kind for each
 * of its branches, and what stands below one is of that kind.
 */
export function entriesOfSecret(map: YamlMap): readonly YamlEntry[] {
  const first = entryNamed(map, 'kind');
  if (map.entries.findLast(({ key }) => nameOf(key) === 'kind') === first) return map.entries;
  let kinds: (string | undefined)[] = [];
  let inBody = false;
  return map.entries.filter(({ key, value }) => {
    const name = nameOf(key);
    if (name === 'kind') {
      // Kinds one behind the other share what stands below them.
      kinds = inBody ? [nameOf(value)] : [...kinds, nameOf(value)];
      inBody = false;
    } else if (name !== 'apiVersion') inBody = true;
    return kinds.length === 0 || kinds.includes('Secret');
  });
}

/** Those of one name: all of them, for a field that is there twice is wrong, but hides none. */
export function fieldsOfSecret(map: YamlMap, name: string): readonly YamlEntry[] {
  return entriesOfSecret(map).filter(({ key }) => key.kind === 'scalar' && key.text === name);
}
