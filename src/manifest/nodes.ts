import {
  isMergeKey,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from '../yaml/node.ts';
import { ambiguityOf, isPlainNull, plainScalarTrap } from './scalars.ts';
import type { ProblemId } from './types.ts';

/** A problem at an offset of the source, before it is assigned to a Secret. */
export interface Fault {
  readonly id: ProblemId;
  readonly message: string;
  readonly hint?: string;
  readonly offset: number;
  readonly key?: string | undefined;
}

export type Report = (fault: Fault | undefined) => void;

/** The first entry of `map` with the key `name`. */
export function entryNamed(map: YamlMap, name: string): YamlEntry | undefined {
  return map.entries.find(({ key }) => key.kind === 'scalar' && key.text === name);
}

/** All entries with the key `name`: a duplicate is an error, but must not hide the other. */
export function entriesNamed(map: YamlMap, name: string): readonly YamlEntry[] {
  return map.entries.filter(({ key }) => key.kind === 'scalar' && key.text === name);
}

export function nameOf(node: YamlNode): string | undefined {
  return node.kind === 'scalar' ? node.text : undefined;
}

export function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.style === 'plain' && isPlainNull(node.text);
}

/** The problem of an alias or a tag, which YAML readers read differently, in a place that matters. */
export function indirection(node: YamlNode, what: string): Fault | undefined {
  if (node.kind === 'alias') return unsupported(`an alias as ${what}`, 'write it out', node);
  if (node.tag !== undefined) return unsupported(`a tag on ${what}`, 'remove the tag', node);
  return undefined;
}

/** The same, and the problem of an anchor: an edit would change every alias of it, too. */
export function notEditable(node: YamlNode, what: string): Fault | undefined {
  if (node.kind === 'alias' || node.anchor === undefined) return indirection(node, what);
  return unsupported(`an anchor on ${what}`, 'remove the anchor, and write its aliases out', node);
}

function unsupported(message: string, hint: string, { start }: YamlNode): Fault {
  return { id: 'unsupported', message, hint, offset: start };
}

/** The problems of merge keys, and of keys with an alias, anchor or tag. */
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

/** The same, and the problems of keys that are not strings, for a mapping whose keys are fields. */
export function oddKeys(map: YamlMap, what: string): readonly Fault[] {
  const faults = [...indirectKeys(map, what)];
  for (const { key } of map.entries) {
    if ((key.kind !== 'scalar' && key.kind !== 'alias') || isNull(key))
      faults.push(unsupported(`a key of ${what} that is not a name`, 'remove it', key));
  }
  return faults;
}

/**
 * The problem of a node that YAML readers do not all read as the same string.
 *
 * @param source the text that `node` is from
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

// A constant, because the build turns the literal into a constructor call.
const loneSurrogate = /\p{Cs}/u;

const nouns = { map: 'mapping', seq: 'sequence' };
