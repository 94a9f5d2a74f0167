import * as v from 'valibot';
import type { Location, Words } from '../diagnostic.ts';
import { KsealError, throwAll } from '../errors.ts';
import { printable, suggest } from '../text.ts';
import { positionsIn, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';

type Schema<T> = v.GenericSchema<unknown, T>;

/** The first field of a secret request, which neither a configuration nor a Kubernetes object has. */
export const REQUEST_MARKER = 'ksealRequest';

/** Nobody reads more errors than this at once. */
const MAX_ERRORS = 20;
/** Finding the place of an issue takes time in proportion to the text. */
const MAX_ISSUES = 200;

/** A problem in a YAML text, by its offset. */
interface YamlProblem {
  readonly offset: number;
  readonly text: string;
}

/**
 * Reads a YAML text of one document. `schemaFor` returns the schema for its data, in which each
 * mapping is a Map and each scalar a string. Throws up to 20 errors, each as CONFIG_INVALID with
 * path, line and column.
 */
export function readYaml<T>(
  source: string,
  path: string,
  schemaFor: (data: unknown) => Schema<T>,
): T {
  const { output, problems } = checkYaml(source, schemaFor);
  throwAll(
    problems.map(({ position: { line, column }, message, hint }) => {
      const thing = `${path}:${line}:${column}`;
      return new KsealError('CONFIG_INVALID', message, { thing, hint });
    }),
  );
  if (output !== undefined) return output;
  const hint = 'begin it with: version: 1';
  throw new KsealError('CONFIG_INVALID', 'is empty', { thing: path, hint });
}

/** The same, but returns the problems. An empty text has neither data nor problems. */
export function checkYaml<T>(
  source: string,
  schemaFor: (data: unknown) => Schema<T>,
): { readonly output: T | undefined; readonly problems: readonly (Words & Location)[] } {
  const { roots, errors } = parseYaml(source);
  const found: YamlProblem[] = errors.map(({ offset, message }) => ({
    offset,
    text: words(message, 'fix the YAML syntax'),
  }));
  const report: Report = ({ start }, text) => found.push({ offset: start, text });
  const [root, second] = roots;
  if (second !== undefined)
    report(second, words('second YAML document', 'keep one document in this file'));
  const output = root && (checked(root, schemaFor, report) as T);
  const position = positionsIn(source);
  const first = found.sort((a, b) => a.offset - b.offset).slice(0, MAX_ERRORS);
  const problems = first.map(({ offset, text }) => ({
    position: position(offset),
    ...parseWords(text),
  }));
  return { output: problems.length === 0 ? output : undefined, problems };
}

type Report = (node: YamlNode, text: string) => void;

/** valibot keeps one text for each issue, so the hint is its second line. */
export function words(problem: string, hint: string): string {
  return `${printable(problem)}\n${hint}`;
}

/** Splits a text that `words` made. */
export function parseWords(text: string): Words {
  const [message = '', hint] = text.split('\n');
  return { message, hint };
}

function checked<T>(root: YamlNode, schemaFor: (data: unknown) => Schema<T>, report: Report) {
  const data = plainData(root, report);
  const { output, issues = [] } = v.safeParse(schemaFor(data), data, { abortPipeEarly: true });
  for (const { input, path, message } of issues.slice(0, MAX_ISSUES))
    if (input !== REPORTED) report(nodeAt(root, path), message);
  return output;
}

/** Replaces a node that has been reported. */
const REPORTED = Symbol('reported');

function plainData(node: YamlNode, report: Report): unknown {
  if (!isPlain(node, report)) return REPORTED;
  if (node.kind === 'scalar') return node.text;
  if (node.kind === 'seq') return node.items.map((item) => plainData(item, report));
  const data = new Map<string, unknown>();
  for (const { key, value } of node.kind === 'map' ? node.entries : []) {
    if (!isPlain(key, report)) continue;
    if (key.kind === 'scalar') data.set(key.text, plainData(value, report));
    else report(key, words('a field name must be a string', 'write KEY: VALUE lines'));
  }
  return data;
}

/** Reports an alias, an anchor and a tag: each could make a text mean what it does not show. */
function isPlain(node: YamlNode, report: Report): boolean {
  const uses = { aliases: node.kind === 'alias', anchors: node.anchor, tags: node.tag };
  const [used] = Object.entries(uses).find(([, present]) => present) ?? [];
  if (used !== undefined) report(node, words(`${used} are not allowed`, 'write out the value'));
  return used === undefined;
}

/** The node that a path leads to; for a missing field, the mapping without it. */
function nodeAt(root: YamlNode, path: readonly v.IssuePathItem[] = []): YamlNode {
  return path.reduce((node, { key, origin }) => {
    if (node.kind === 'seq') return node.items[Number(key)] ?? node;
    if (node.kind !== 'map') return node;
    const entry = node.entries.findLast((one) => one.key.kind === 'scalar' && one.key.text === key);
    return (origin === 'key' ? entry?.key : entry?.value) ?? node;
  }, root);
}

const notText = words('must be a string on one line', 'write it in quotes');

/** A string on one line. */
export const text = v.pipe(v.string(notText), v.regex(/^\P{Cc}+$/u, notText));

/** One of `choices`; `what` names their kind. */
export function oneOf<T extends string>(choices: readonly T[], what = 'value') {
  return v.pipe(text, v.picklist(choices, unknown(what, choices)));
}

export function listOf<T>(item: Schema<T>) {
  return v.array(item, words('must be a list', 'begin each item with "- "'));
}

const notMapping = words('must be a mapping', 'write KEY: VALUE lines');

/** A mapping from any names that `isName` allows. */
export function mapOf<T>(value: Schema<T>, isName: (name: string) => boolean, what: string) {
  const name = v.pipe(
    v.string(),
    v.check(isName, ({ input }) =>
      words(`"${input}" is not a valid ${what}`, 'use letters, digits, "-" and "_"'),
    ),
  );
  return v.map(name, value, notMapping);
}

/**
 * A mapping of these fields and no others. Fields in `refused` are unknown, too, but people try them;
 * each has its own words.
 */
export function fields<E extends v.ObjectEntries>(
  entries: E,
  refused: ReadonlyMap<string, string> = new Map(),
) {
  const names = Object.keys(entries);
  const anyMap = v.map(v.string(), v.unknown(), notMapping);
  const unknownField = unknown('field', names);
  const knownNames = v.map(
    v.picklist(names, (issue) => refused.get(String(issue.input)) ?? unknownField(issue)),
    v.unknown(),
  );
  const object = v.object(entries, ({ expected }) =>
    words(`missing field ${expected}`, `add the field ${expected}`),
  );
  // Two checks side by side, so that an unknown field hides no problem of another field.
  const both = v.intersect([
    v.pipe(
      knownNames,
      v.transform(() => ({})),
    ),
    v.pipe(
      anyMap,
      v.transform((map) => Object.fromEntries(map)),
      object,
    ),
  ]);
  return v.pipe(anyMap, both) as Schema<v.InferOutput<typeof object>>;
}

function unknown(what: string, choices: readonly string[]) {
  return ({ input }: v.BaseIssue<unknown>) => {
    const meant = suggest(String(input), choices);
    const list =
      choices.length > 0 ? `use one of ${choices.join(', ')}` : 'omit it, or configure it first';
    return words(
      `unknown ${what} "${input}"`,
      meant === undefined ? list : `did you mean ${meant}?`,
    );
  };
}
