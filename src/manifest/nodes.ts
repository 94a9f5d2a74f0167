import {
  isMergeKey,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from '../yaml/node.ts';
import { ambiguityOf, isPlainNull, plainScalarTrap } from './scalars.ts';
import type { ProblemId } from './types.ts';

/** A problem at an offset of the source, before it is known whose it is. */
export interface Fault {
  readonly id: ProblemId;
  readonly message: string;
  readonly hint?: string;
  readonly offset: number;
  readonly key?: string | undefined;
}

export type Report = (fault: Fault | undefined) => void;

/** The entry of `map` that is literally called `name`. */
export function entryNamed(map: YamlMap, name: string): YamlEntry | undefined {
  return map.entries.find(({ key }) => key.kind === 'scalar' && key.text === name);
}

/** All entries that are called so: a key that is there twice is wrong, but hides none. */
export function entriesNamed(map: YamlMap, name: string): readonly YamlEntry[] {
  return map.entries.filter(({ key }) => key.kind === 'scalar' && key.text === name);
}

export function nameOf(node: YamlNode): string | undefined {
  return node.kind === 'scalar' ? node.text : undefined;
}

export function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.style === 'plain' && isPlainNull(node.text);
}

/** An alias or an explicit tag at a place that kseal reads: readers differ on what is there. */
export function indirection(node: YamlNode, what: string): Fault | undefined {
  if (node.kind === 'alias') return unsupported(`an alias as ${what}`, 'write it out', node);
  if (node.tag !== undefined) return unsupported(`a tag on ${what}`, 'remove the tag', node);
  return undefined;
}

/** An indirection, or an anchor: what is edited here would change wherever its alias stands. */
export function notEditable(node: YamlNode, what: string): Fault | undefined {
  if (node.kind === 'alias' || node.anchor === undefined) return indirection(node, what);
  return unsupported(`an anchor on ${what}`, 'remove the anchor, and write its aliases out', node);
}

function unsupported(message: string, hint: string, { start }: YamlNode): Fault {
  return { id: 'unsupported', message, hint, offset: start };
}

/** Merge keys, and keys that are aliased, anchored or tagged, in a mapping that kseal reads. */
export function indirectKeys(map: YamlMap, what: string): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { key } of map.entries) {
    const fault = isMergeKey(key)
      ? unsupported(`a merge key in ${what}`, 'write the merged entries out', key)
      : notEditable(key, `a key of ${what}`);
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

/** Those, and keys that are no strings at all, in a mapping whose keys are fields. */
export function oddKeys(map: YamlMap, what: string): readonly Fault[] {
  const faults = [...indirectKeys(map, what)];
  for (const { key } of map.entries) {
    if ((key.kind !== 'scalar' && key.kind !== 'alias') || isNull(key))
      faults.push(unsupported(`a key of ${what} that is not a name`, 'remove it', key));
  }
  return faults;
}

/**
 * Reports why `node` is not read as the same string by every YAML reader.
 *
 * @param source the text that `node` was read from
 */
export function notAString(node: YamlNode, source: string, what: string): Fault | undefined {
  if (node.kind === 'alias') return indirection(node, what);
  const fault = (id: ProblemId, message: string, hint: string): Fault => {
    return { id, message: `${what} ${message}`, hint, offset: node.start };
  };
  if (node.kind !== 'scalar') {
    const message = `is a ${nouns[node.kind]}, not a string`;
    return fault('not-a-scalar', message, 'check the indentation, or quote it');
  }
  const trap = node.style === 'plain' ? plainScalarTrap(node.text) : undefined;
  if (trap === 'null')
    return fault('null-value', 'is null', 'give it a value, or write "" for an empty one');
  const doubt = trap === undefined ? doubtAbout(node, source) : trapped(trap);
  return doubt && fault('ambiguous-scalar', ...doubt);
}

type Doubt = readonly [message: string, hint: string];

function trapped(trap: string): Doubt {
  return [`is not a string: without quotes, YAML readers take it for ${trap}`, 'quote it'];
}

function doubtAbout(node: YamlScalar, source: string): Doubt | undefined {
  if (loneSurrogate.test(node.text))
    return ['holds half a surrogate pair', 'write the whole character'];
  return ambiguityOf(node, source);
}

// Made once: the build writes it as a call, which takes its time for each value.
const loneSurrogate = /\p{Cs}/u;

const nouns = { map: 'mapping', seq: 'sequence' };
