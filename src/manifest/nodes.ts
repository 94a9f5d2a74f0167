// Looks at single YAML nodes: their names, and whether every YAML reader agrees on them.

import type { Diagnostic, Words } from '../diagnostic.ts';
import {
  isMergeKey,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from '../yaml/node.ts';
import { ambiguityOf, isPlainNull, plainScalarTrap } from './scalars.ts';
import type { ReaderCode, Source } from './types.ts';

type Problem = Diagnostic<ReaderCode>;

/** Returns the problem `code` at the beginning of a node. */
export function problemAt(
  { start }: { readonly start: number },
  { position }: Source,
  code: ReaderCode,
  message: string,
  hint?: string,
): Problem {
  return { code, position: position(start), message, hint };
}

/** Returns the first entry of `map` with the literal key `name`. */
export function entryNamed(map: YamlMap, name: string): YamlEntry | undefined {
  return map.entries.find(({ key }) => key.kind === 'scalar' && key.text === name);
}

/** Returns the text of a scalar; undefined for any other node. */
export function nameOf(node: YamlNode): string | undefined {
  return node.kind === 'scalar' ? node.text : undefined;
}

/** A plain scalar that is not a string in JSON. */
const unquoted = /^(?:~|null|true|false|[-+]?\d+)$/i;

/**
 * Returns the size of a node in bytes as JSON without spaces, as Go prints it: with escapes for
 * the characters that HTML reserves. Aliases count for nothing, because they could be endless.
 */
export function jsonSize(node: YamlNode): number {
  if (node.kind === 'map') {
    const sizes = node.entries.map(({ key, value }) => jsonSize(key) + 1 + jsonSize(value));
    return sizes.reduce((sum, size) => sum + size + 1, 1);
  }
  if (node.kind === 'seq') return node.items.reduce((sum, item) => sum + jsonSize(item) + 1, 1);
  if (node.kind === 'alias') return 0;
  const { text, style } = node;
  return style === 'plain' && unquoted.test(text) ? text.length : jsonTextSize(text);
}

/** Returns the size of a string, likewise. */
export function jsonTextSize(text: string): number {
  const escaped = text.match(/[<>&]/g)?.length ?? 0;
  return Buffer.byteLength(JSON.stringify(text)) + 5 * escaped;
}

// In Kubernetes, only the core group, whose name is empty, has a kind Secret. The group of any
// other project has a dot (apiextensions.k8s.io, validation of spec.group).
const foreignVersion =
  /^(?!(?:.+\.)?(?:k8s|kubernetes)\.io\/)(?:[a-z\d-]+\.)+[a-z\d-]+\/[a-z\d]+$/i;

/** Whether an apiVersion is that of another project, some of which have a kind Secret. */
export function isForeignVersion(version: string): boolean {
  return foreignVersion.test(version);
}

/** Whether a kind is `Secret`, perhaps in another case, or as a plural. */
export function isKindOfSecret(kind: string): boolean {
  return /^\s*secrets?\s*$/i.test(kind);
}

/** A value that some YAML reader parses as the field `name` of an object. */
export interface FoundField {
  readonly name: string;
  readonly value: YamlNode;
  /** The key in the object; its name, unless the object has the field by a merge key. */
  readonly key: YamlNode;
  /** Set if only some readers do, because the key is such a construct. */
  readonly construct: string | undefined;
}

/** Returns the fields of an object to any YAML reader, merged ones included. */
export function fieldsIn(map: YamlMap): readonly FoundField[] {
  const fields: FoundField[] = [];
  for (const { key, value } of map.entries) {
    if (isMergeKey(key))
      for (const base of basesOf(value))
        for (const field of fieldsIn(base)) fields.push({ ...field, key, construct: 'merge key' });
    else
      for (const name of textsOf(key))
        fields.push({ name, value, key, construct: constructOf(key) });
  }
  return fields;
}

/** Returns the mappings that a merge key adds, in order of precedence. */
export function basesOf(value: YamlNode): readonly YamlMap[] {
  const base = value.kind === 'alias' ? value.target : value;
  if (base.kind === 'seq') return base.items.flatMap(basesOf);
  return base.kind === 'map' ? [base] : [];
}

function constructOf(key: YamlNode): string | undefined {
  if (key.kind === 'alias') return 'alias as a key';
  return key.tag === undefined ? undefined : 'tag on a key';
}

/** Returns the texts that a scalar is to some YAML reader: `!!binary` encodes one in base64. */
export function textsOf(node: YamlNode): readonly string[] {
  if (node.kind === 'alias') return textsOf(node.target);
  if (node.kind !== 'scalar') return [];
  if (node.tag === undefined) return [node.text];
  return [node.text, Buffer.from(node.text, 'base64').toString('utf8')];
}

/** Whether every YAML reader parses the node as null. */
export function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.style === 'plain' && isPlainNull(node.text);
}

/** Reports an alias or an explicit tag, on whose meaning YAML readers differ. */
export function indirection(node: YamlNode, source: Source, what: string): Problem | undefined {
  if (node.kind === 'alias') return unsupported(node, source, `alias as ${what}`, 'write it out');
  if (node.tag !== undefined) return unsupported(node, source, `tag on ${what}`, 'remove the tag');
  return undefined;
}

/** Reports an indirection, or an anchor: an edit of this node would also change its aliases. */
export function notEditable(node: YamlNode, source: Source, what: string): Problem | undefined {
  if (node.kind === 'alias' || node.anchor === undefined) return indirection(node, source, what);
  const hint = 'remove the anchor, and write out its aliases';
  return unsupported(node, source, `anchor on ${what}`, hint);
}

function unsupported(node: YamlNode, source: Source, message: string, hint: string): Problem {
  return problemAt(node, source, 'unsupported-yaml', message, hint);
}

/** Reports merge keys, and keys that are aliased, anchored or tagged, in a mapping. */
export function indirectKeys(map: YamlMap, source: Source, what: string): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { key } of map.entries) {
    const problem = isMergeKey(key)
      ? unsupported(key, source, `merge key in ${what}`, 'write out the merged entries')
      : notEditable(key, source, `a key of ${what}`);
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}

/** Reports these, and keys that are not strings, in a mapping whose keys are field names. */
export function oddKeys(map: YamlMap, source: Source, what: string): readonly Problem[] {
  const problems = [...indirectKeys(map, source, what)];
  for (const { key } of map.entries) {
    if ((key.kind !== 'scalar' && key.kind !== 'alias') || isNull(key))
      problems.push(unsupported(key, source, `key of ${what} is not a string`, 'remove it'));
  }
  return problems;
}

/** Reports a node that YAML readers do not all parse as the same string. */
export function notAString(node: YamlNode, source: Source, what: string): Problem | undefined {
  if (node.kind === 'alias') return indirection(node, source, what);
  if (node.kind !== 'scalar') {
    const message = `${what} is a ${node.kind === 'map' ? 'mapping' : 'sequence'}, not a string`;
    const hint = 'check the indentation, or put it in quotes';
    return problemAt(node, source, 'not-a-scalar', message, hint);
  }
  const trap = node.style === 'plain' ? plainScalarTrap(node.text) : undefined;
  if (trap === 'null') {
    const hint = 'write a value, or "" for an empty one';
    return problemAt(node, source, 'null-value', `${what} is null`, hint);
  }
  const doubt = trap === undefined ? doubtAbout(node, source) : trapped(trap);
  return (
    doubt && problemAt(node, source, 'ambiguous-scalar', `${what} ${doubt.message}`, doubt.hint)
  );
}

function trapped(trap: string): Words {
  const message = `is not a string: without quotes, YAML readers parse it as ${trap}`;
  return { message, hint: 'quote it' };
}

function doubtAbout(node: YamlScalar, { text }: Source): Words | undefined {
  if (!node.text.isWellFormed())
    return { message: 'contains half a surrogate pair', hint: 'write the whole character' };
  return ambiguityOf(node, text);
}
