import { KsealError, throwAll } from '../errors.ts';
import { suggest } from '../text.ts';
import { positionsIn, type YamlMap, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';

/** Reports what is wrong with `node`; the caller goes on, so that all is found in one run. */
type Fail = (node: YamlNode, message: string, hint?: string) => undefined;

/** Reads a located node as plain data; undefined when it has reported why it cannot. */
export type Reader<T> = (node: YamlNode, fail: Fail) => T | undefined;

/** With so many errors nobody reads on. */
const MAX_ERRORS = 20;

/**
 * Reads a YAML text of one document with `reader`. Throws all that is wrong, each as
 * CONFIG_INVALID with path, line and column.
 */
export function readYaml<T>(source: string, path: string, reader: Reader<T>): T {
  const position = positionsIn(source);
  const errors: KsealError[] = [];
  const report = (offset: number, message: string, hint?: string) => {
    const { line, column } = position(offset);
    errors.push(
      new KsealError('CONFIG_INVALID', `${path}:${line}:${column}: ${message}`, { hint }),
    );
    if (errors.length === MAX_ERRORS) throwAll(errors);
  };
  const { roots, errors: yamlErrors } = parseYaml(source);
  for (const { offset, message } of yamlErrors) report(offset, message, 'correct the YAML there');
  const [root, second] = roots;
  if (second !== undefined)
    report(second.start, 'a second document', 'keep one document in the file');
  const value = root && reader(root, (node, ...rest) => void report(node.start, ...rest));
  throwAll(errors);
  if (value === undefined)
    throw new KsealError('CONFIG_INVALID', `${path}: is empty`, {
      hint: 'begin it with: version: 1',
    });
  return value;
}

/** Reports an alias, an anchor and a tag: each could make a text mean what it does not show. */
function isPlain(node: YamlNode, fail: Fail): boolean {
  const kinds = { 'an alias': node.kind === 'alias', 'an anchor': node.anchor, 'a tag': node.tag };
  const [used] = Object.entries(kinds).find(([, present]) => present) ?? [];
  if (used !== undefined) fail(node, `${used} does not belong here`, 'write the value itself');
  return used === undefined;
}

/** A string of one line. */
export const text: Reader<string> = (node, fail) => {
  if (!isPlain(node, fail)) return undefined;
  if (node.kind === 'scalar' && /^\P{Cc}+$/u.test(node.text)) return node.text;
  return fail(node, 'a text of one line belongs here', 'write it in quotes');
};

/** A text that `read` makes something of; undefined from it means that `what` was meant. */
export function textAs<T>(read: (text: string) => T | undefined, what: string): Reader<T> {
  return (node, fail) => {
    const written = text(node, fail);
    if (written === undefined) return undefined;
    return read(written) ?? fail(node, `not ${what}`, `write ${what}`);
  };
}

export function oneOf<T extends string>(choices: readonly T[]): Reader<T> {
  return (node, fail) => {
    const written = text(node, fail);
    const chosen = choices.find((choice) => choice === written);
    if (chosen !== undefined || written === undefined) return chosen;
    const among = choices.length === 0 ? 'and there are none' : `not ${choices.join(', ')}`;
    return fail(node, `unknown "${written}", ${among}`, didYouMean(written, choices));
  };
}

export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (node, fail) => {
    if (!isPlain(node, fail)) return undefined;
    if (node.kind !== 'seq')
      return fail(node, 'a list belongs here', 'write each item on a line that begins with "- "');
    return node.items.flatMap((item) => reader(item, fail) ?? []);
  };
}

/** A mapping whose keys are free, as far as `isKey` allows them. */
export function mapOf<T>(
  reader: Reader<T>,
  isKey: (key: string) => boolean,
  what: string,
): Reader<ReadonlyMap<string, T>> {
  return (node, fail) => {
    const result = new Map<string, T>();
    for (const { key, name, value } of entriesOf(node, fail)) {
      const read = reader(value, fail);
      if (!isKey(name)) fail(key, `"${name}" is no ${what}`, 'use letters, digits, "-" and "_"');
      else if (read !== undefined) result.set(name, read);
    }
    return result;
  };
}

type Shape<T> = { readonly [K in keyof T]-?: Reader<NonNullable<T[K]>> };

/** A mapping of known fields; another one is reported with the nearest that is known. */
export function objectOf<T extends object>(
  shape: Shape<T>,
  required: readonly (keyof T & string)[] = [],
): Reader<T> {
  const names = Object.keys(shape);
  return (node, fail) => {
    const fields = new Map<string, unknown>();
    for (const { key, name, value } of entriesOf(node, fail)) {
      const reader = names.includes(name) ? shape[name as keyof T] : undefined;
      if (reader === undefined) fail(key, `unknown field "${name}"`, didYouMean(name, names));
      else fields.set(name, reader(value, fail));
    }
    for (const name of required.filter((wanted) => !fields.has(wanted)))
      fail(node, `the field "${name}" is missing`, `add ${name}:`);
    return Object.fromEntries(fields) as T;
  };
}

function entriesOf(node: YamlNode, fail: Fail) {
  if (!isPlain(node, fail)) return [];
  if (node.kind !== 'map') {
    fail(node, 'a mapping belongs here', 'write KEY: VALUE lines');
    return [];
  }
  return namedEntries(node, fail);
}

function namedEntries(map: YamlMap, fail: Fail) {
  return map.entries.flatMap(({ key, value }) => {
    if (!isPlain(key, fail)) return [];
    if (key.kind === 'scalar') return [{ key, name: key.text, value }];
    fail(key, 'the name of a field belongs here', 'write KEY: VALUE lines');
    return [];
  });
}

function didYouMean(word: string, candidates: readonly string[]): string {
  if (candidates.length === 0) return 'leave it away, or add what it names';
  const meant = suggest(word, candidates);
  return meant === undefined ? `use one of ${candidates.join(', ')}` : `did you mean ${meant}?`;
}
