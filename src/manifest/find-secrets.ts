import { isMergeKey, type YamlMap, type YamlNode } from '../yaml/node.ts';
import {
  entriesNamed,
  entryNamed,
  type Fault,
  indirection,
  indirectKeys,
  isNull,
  nameOf,
} from './literal.ts';

/** A mapping that is a Secret, and what is wrong with how it says so. */
export interface FoundSecret {
  readonly node: YamlMap;
  readonly faults: readonly Fault[];
}

export interface Search {
  readonly secrets: readonly FoundSecret[];
  /** What may be a Secret, or hide one, and cannot be read as such. */
  readonly faults: readonly Fault[];
}

const nothing: Search = { secrets: [], faults: [] };

/**
 * The Secrets in a document: itself, or the items of a List or SecretList, at any depth.
 *
 * @param assumed the kind of an object that names none: the items of a SecretList need not
 */
export function findSecrets(node: YamlNode, assumed?: string): Search {
  if (node.kind === 'alias') return refused(findSecrets(node.target, assumed), node, 'an alias');
  if (node.kind !== 'map') return nothing;
  // Kinds of other API groups may be called Secret too. To kubectl `/v1` is of the same as `v1`.
  const versions = textsNamed(node, 'apiVersion');
  if (versions.length > 0 && versions.every((version) => /^[^/]+\//.test(version)))
    return hidden(node);
  const kind = kindOf(node, assumed);
  const faults = identityFaults(node, assumed);
  if (kind === 'Secret') {
    const self = { secrets: [{ node, faults }], faults: [] };
    return entriesNamed(node, 'kind').length > 1 ? together([self, hidden(node)]) : self;
  }
  if (kind !== 'List' && kind !== 'SecretList') return hidden(node);
  const inside = itemsOf(node, kind);
  if (isEmpty(inside)) return merged(node);
  return { ...inside, faults: [...faults, ...indirectKeys(node, `a ${kind}`), ...inside.faults] };
}

function together(searches: readonly Search[]): Search {
  return {
    secrets: searches.flatMap(({ secrets }) => secrets),
    faults: searches.flatMap(({ faults }) => faults),
  };
}

function itemsOf(list: YamlMap, kind: 'List' | 'SecretList'): Search {
  const all = entriesNamed(list, 'items').filter(({ value }) => !isNull(value));
  return together(
    all.map(({ value }) =>
      value.kind === 'alias'
        ? refused(itemsIn(value.target, kind), value, 'an alias')
        : itemsIn(value, kind),
    ),
  );
}

function itemsIn(items: YamlNode, kind: 'List' | 'SecretList'): Search {
  if (items.kind !== 'seq') return notAnObject(items, `the items of a ${kind} are not a sequence`);
  const assumed = kind === 'SecretList' ? 'Secret' : undefined;
  return together(
    items.items.map((item) => {
      if (item.kind === 'map' || item.kind === 'alias') return findSecrets(item, assumed);
      return notAnObject(item, `an item of a ${kind} is not an object`);
    }),
  );
}

function notAnObject({ start }: YamlNode, message: string): Search {
  const hint = 'write objects, each with a - before it';
  return { secrets: [], faults: [{ id: 'wrong-type', message, hint, offset: start }] };
}

/** An object of another kind: kubectl takes whatever has `items` for a list all the same. */
function hidden(node: YamlMap): Search {
  const inside = entriesNamed(node, 'items').map(({ value }) => {
    const list = value.kind === 'alias' ? value.target : value;
    const found = together(list.kind === 'seq' ? list.items.map((item) => findSecrets(item)) : []);
    return value.kind === 'alias' ? refused(found, value, 'an alias') : found;
  });
  return together([merged(node), ...inside]);
}

/** What a merge key brings in may make a Secret of an object that does not look like one. */
function merged(node: YamlMap): Search {
  const searches = node.entries
    .filter(({ key }) => isMergeKey(key))
    .map(({ key, value }) => {
      const source = value.kind === 'alias' ? value.target : value;
      const parts = source.kind === 'seq' ? source.items : [source];
      const inside = parts.map((part) => findSecrets(part)).find((search) => !isEmpty(search));
      return refused(inside ?? nothing, key, 'a merge key');
    });
  return { secrets: [], faults: searches.flatMap(({ faults }) => faults) };
}

function refused(search: Search, { start }: YamlNode, construct: string): Search {
  if (isEmpty(search)) return nothing;
  const message = `${construct} stands for a Secret or for a List of them`;
  return {
    secrets: [],
    faults: [{ id: 'unsupported', message, hint: 'write it out', offset: start }],
  };
}

const isEmpty = ({ secrets, faults }: Search) => secrets.length + faults.length === 0;

function identityFaults(node: YamlMap, assumed: string | undefined): readonly Fault[] {
  const faults = ['apiVersion', 'kind'].flatMap((name): readonly Fault[] => {
    const value = entryNamed(node, name)?.value;
    const fault = value && indirection(value, name);
    return fault === undefined ? [] : [fault];
  });
  const versions = textsNamed(node, 'apiVersion');
  if (versions.includes('v1') || (versions.length === 0 && assumed !== undefined)) return faults;
  const message = `kind ${kindOf(node, assumed)} without apiVersion v1`;
  return [
    ...faults,
    { id: 'wrong-version', message, hint: 'write apiVersion: v1', offset: node.start },
  ];
}

/** Of the branches of a template, each with its own kind, one may be a Secret. */
function kindOf(node: YamlMap, assumed: string | undefined): string | undefined {
  const kinds = textsNamed(node, 'kind');
  return kinds.find((kind) => searched.has(kind)) ?? kinds[0] ?? assumed;
}

const searched = new Set(['Secret', 'List', 'SecretList']);

/** The texts of a field, aliases followed; null, absence and an empty text are the same. */
function textsNamed(map: YamlMap, name: string): readonly string[] {
  const texts: string[] = [];
  for (const { key, value } of map.entries) {
    if (nameOf(key) !== name) continue;
    const node = value.kind === 'alias' ? value.target : value;
    if (node.kind === 'scalar' && !isNull(node) && node.text !== '') texts.push(node.text);
  }
  return texts;
}
