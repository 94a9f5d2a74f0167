import { KsealError } from './errors.ts';
import { nearest } from './nearest.ts';
import { parseYaml } from './yaml.ts';
import { positionsIn, type YamlMap, type YamlNode } from './yaml-node.ts';

/** Reports what is wrong with `node`; the caller goes on, so that all is found in one run. */
type Fail = (node: YamlNode, message: string, hint?: string) => undefined;

/** Reads a located node as plain data; undefined when it has reported why it cannot. */
export type Reader<T> = (node: YamlNode, fail: Fail) => T | undefined;

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
  };
  const { roots, errors: yamlErrors } = parseYaml(source);
  for (const { offset, message } of yamlErrors) report(offset, message, 'correct the YAML there');
  const [root, second] = roots;
  if (second !== undefined)
    report(second.start, 'a second document', 'keep one document in the file');
  const value = root && reader(root, (node, ...rest) => void report(node.start, ...rest));
  const [first] = errors;
  if (first !== undefined) throw errors.length === 1 ? first : new AggregateError(errors);
  if (value === undefined)
    throw new KsealError('CONFIG_INVALID', `${path}: is empty`, {
      hint: 'begin it with: version: 1',
    });
  return value;
}

/** A string of one line. */
export const text: Reader<string> = (node, fail) => {
  if (
    node.kind === 'scalar' &&
    node.tag === undefined &&
    node.anchor === undefined &&
    node.text !== ''
  )
    return node.text;
  return fail(node, 'a text belongs here', 'write it in quotes');
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
    return fail(
      node,
      `"${written}" is not one of ${choices.join(', ')}`,
      didYouMean(written, choices),
    );
  };
}

export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (node, fail) => {
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
  if (node.kind !== 'map') {
    fail(node, 'a mapping belongs here', 'write KEY: VALUE lines');
    return [];
  }
  return namedEntries(node, fail);
}

function namedEntries(map: YamlMap, fail: Fail) {
  return map.entries.flatMap(({ key, value }) => {
    if (key.kind === 'scalar' && key.anchor === undefined) return [{ key, name: key.text, value }];
    fail(key, 'a plain key belongs here', 'write it out');
    return [];
  });
}

function didYouMean(word: string, candidates: readonly string[]): string {
  const meant = nearest(word, candidates);
  return meant === undefined ? `use one of ${candidates.join(', ')}` : `did you mean ${meant}?`;
}
