import { isDeepStrictEqual } from 'node:util';
import { expectedErrors, KsealError } from '../errors.ts';
import { positionsIn, type YamlMap, type YamlSeq } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';
import { printYaml } from '../yaml/print.ts';
import { type Config, type ConfiguredKey, type PathRule, parseConfig } from './config.ts';

/** Additions to a configuration: a key under its name, and path rules. */
interface ConfigAdditions {
  readonly key?: readonly [name: string, key: ConfiguredKey] | undefined;
  readonly rules?: readonly PathRule[];
  /** The path of the JSON Schema that a new configuration names for editors. */
  readonly schema?: string | undefined;
}

/** The JSON Schema of configurations in a folder whose program depends on kseal. */
export const SCHEMA_PATH = 'node_modules/kseal/docs/config.schema.json';

const HEAD = '# The keys that seal the Secrets of this repository, for kseal.\nversion: 1\n';

/** Explains the fields in a new file; short, because a kid takes most of a line of 80 characters. */
const comments: Readonly<Record<string, string>> = {
  title: 'shown to people',
  file: 'the public key, which seals',
  source: 'the origin of the public key',
  private: 'opens values; never commit it',
  kid: 'the pin: no other key',
  rules: 'the first one that matches a file applies to it',
};

/**
 * Returns the text of a configuration with a further key and further rules; without `text`, a new
 * one with comments. All existing bytes stay. The result has been read back with `parseConfig`, as
 * the file `path` in `folder`: throws its errors, and CONFIG_INVALID if the text cannot be edited,
 * for instance because its keys are in flow style.
 */
export function configWith(
  text: string | undefined,
  { key, rules = [], schema }: ConfigAdditions,
  path: string,
  folder: string,
): string {
  const before = text === undefined ? undefined : parse(text, path, folder);
  const commentOf = (field: string) =>
    text === undefined && comments[field] !== undefined ? `  # ${comments[field]}` : '';
  const entries: (readonly [section: string, lines: readonly string[]])[] = rules.map((rule) => {
    const fields = entriesOf(rule).map(([field, value]) => `${field}: ${flowScalar(value)}`);
    return ['rules', [`- { ${fields.join(', ')} }`]];
  });
  if (key !== undefined) {
    const [name, fields] = key;
    const lines = entriesOf(fields).map(
      ([field, value]) => `  ${field}: ${scalar(value)}${commentOf(field)}`,
    );
    entries.unshift(['keys', [`${scalar(name)}:${lines.length > 0 ? '' : ' {}'}`, ...lines]]);
  }
  const modeline = schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`;
  let result: string | undefined = text ?? modeline + HEAD;
  for (const [section, lines] of entries)
    result = result && withEntry(result, section, lines, commentOf(section));
  const after = result && parse(result, path, folder);
  const expected = {
    keys: new Map([...(before?.keys ?? []), ...(key === undefined ? [] : [key])]),
    rules: [...(before?.rules ?? []), ...rules],
    verify: before?.verify ?? {},
  };
  if (result && isDeepStrictEqual(after, { path, folder, ...expected })) return result;
  throw new KsealError('CONFIG_INVALID', 'cannot be extended automatically', {
    thing: path,
    hint: 'add the key and its rules by hand, or write keys: and rules: in block style first',
  });
}

/** Returns why a configuration cannot have these additions; undefined if it can. */
export function problemWith(additions: ConfigAdditions): KsealError | undefined {
  try {
    configWith(undefined, additions, '', '');
    return undefined;
  } catch (thrown) {
    const [{ code, problem, hint } = new KsealError('CONFIG_INVALID', '')] = expectedErrors(thrown);
    return new KsealError(code, problem, { hint });
  }
}

function parse(text: string, path: string, folder: string): Config {
  return parseConfig(Buffer.from(text), path, folder);
}

/** The fields of a key or rule; none has the value undefined. */
function entriesOf(fields: ConfiguredKey | PathRule): readonly [field: string, value: string][] {
  return Object.entries(fields as Readonly<Record<string, string>>);
}

/** Writes a string on one line, so that every reader of YAML reads it as this string. */
function scalar(text: string): string {
  const source = printYaml({ text }).slice('text: '.length, -1);
  // The package does not escape these characters, which our reader refuses.
  const odd = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu;
  return odd.test(text) ? JSON.stringify(text).replace(odd, escaped) : source;
}

/** The same within braces, where plain scalars are restricted further. */
function flowScalar(text: string): string {
  const source = scalar(text);
  return /^[\w-]+$|^["']/.test(source) ? source : `'${text.replaceAll("'", "''")}'`;
}

function escaped(character: string): string {
  const hex = character.codePointAt(0)?.toString(16) ?? '';
  return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
}

/**
 * Adds one entry, given as its lines, to the end of a block mapping or sequence at the top level of
 * a YAML text, which may be missing, and changes no other byte. Undefined if that is not possible.
 */
export function withEntry(
  source: string,
  section: string,
  lines: readonly string[],
  comment = '',
): string | undefined {
  const value = sectionOf(source, section);
  if (value === 'unknown') return undefined;
  const eol = /\r?\n/.exec(source)?.[0] ?? '\n';
  const indent = value && indentOf(value, source);
  const entry = lines.map((line) => (indent ?? '  ') + line);
  const added = value === undefined ? [`${section}:${comment}`, ...entry] : entry;
  const at = value === undefined ? source.length : nextLine(source, value.end);
  const start = source.slice(0, at);
  const join = start === '' || start.endsWith('\n') ? '' : eol;
  const result = `${start}${join}${added.join(eol)}${eol}${source.slice(at)}`;
  const now = sectionOf(result, section);
  return typeof now === 'object' && sizeOf(now) === sizeOf(value) + 1 ? result : undefined;
}

/** The section in a text; undefined if it is missing. */
function sectionOf(source: string, section: string): YamlMap | YamlSeq | undefined | 'unknown' {
  const { roots, errors } = parseYaml(source);
  const [root] = roots;
  if (errors.length > 0 || roots.length > 1 || root?.kind !== 'map' || root.flow) return 'unknown';
  const entry = root.entries.find(({ key }) => key.kind === 'scalar' && key.text === section);
  if (entry === undefined) return undefined;
  const { value } = entry;
  const isBlock = (value.kind === 'map' || value.kind === 'seq') && !value.flow;
  return isBlock ? value : 'unknown';
}

function sizeOf(section: YamlMap | YamlSeq | undefined): number {
  if (section === undefined) return 0;
  return section.kind === 'map' ? section.entries.length : section.items.length;
}

/** The white space before the first entry, or before the dash of the first item. */
function indentOf(section: YamlMap | YamlSeq, source: string): string {
  const { line } = positionsIn(source)(section.start);
  return /^[ \t]*/.exec(source.split('\n')[line - 1] ?? '')?.[0] ?? '';
}

/** The offset of the line after `end`, which a block scalar has reached already. */
function nextLine(source: string, end: number): number {
  if (source.charAt(end - 1) === '\n') return end;
  const at = source.indexOf('\n', end);
  return at < 0 ? source.length : at + 1;
}
