import { entryNamed, nameOf } from '../../manifest/nodes.ts';
import { positionsIn, type YamlNode } from '../../yaml/node.ts';
import { none, type Rule } from '../rule.ts';

export const misspeltKind: Rule = {
  id: 'misspelt-kind',
  severity: 'error',
  summary: 'a document that looks like a Secret, but has a misspelt kind',
  why: 'Kubernetes and kseal recognise a Secret by kind: Secret, with exactly this spelling. This document spells it differently, so it is neither applied nor sealed, and its values are not judged.',
  wrong: 'apiVersion: v1\nKind: secret',
  right: 'apiVersion: v1\nkind: Secret',
  covers: 'text',
  checkText: ({ roots, secrets, source }) => {
    const position = positionsIn(source);
    // A Secret has the position of its mapping, so positions identify it.
    const known = new Set(secrets.map(({ position: { line, column } }) => `${line}:${column}`));
    const isKnown = ({ start }: YamlNode) => {
      const { line, column } = position(start);
      return known.has(`${line}:${column}`);
    };
    const found = roots.flatMap((root) => misspeltKinds(root, isKnown));
    if (found.length === 0) return none;
    return found.map(({ start }) => ({
      position: position(start),
      message: 'looks like a Secret, but Kubernetes does not recognise it as one',
      hint: 'write exactly: kind: Secret',
    }));
  },
};

/** Searches a document and, at any depth, its `items`, which kubectl applies one by one. */
function misspeltKinds(root: YamlNode, isKnown: (node: YamlNode) => boolean): readonly YamlNode[] {
  if (root.kind !== 'map' || isKnown(root)) return [];
  const found = misspeltKindOf(root);
  if (found !== undefined) return [found];
  const items = entryNamed(root, 'items')?.value;
  return items?.kind === 'seq' ? items.items.flatMap((item) => misspeltKinds(item, isKnown)) : [];
}

/** Returns the key of the field `kind` if it is misspelt: `Kind: Secret`, `kind: secret`. */
function misspeltKindOf(root: YamlNode & { kind: 'map' }): YamlNode | undefined {
  const named = (name: string) =>
    root.entries.find(({ key }) => nameOf(key)?.toLowerCase() === name);
  const kind = named('kind');
  const text = kind && nameOf(kind.value);
  if (kind === undefined || !/^\s*secrets?\s*$/i.test(text ?? '')) return undefined;
  if (nameOf(kind.key) === 'kind' && text === 'Secret') return undefined;
  const version = named('apiversion');
  const isCore = version !== undefined && nameOf(version.value)?.toLowerCase() === 'v1';
  const holdsValues = named('data') !== undefined || named('stringdata') !== undefined;
  return isCore || (version === undefined && holdsValues) ? kind.key : undefined;
}
