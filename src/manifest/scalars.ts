import type { Words } from '../diagnostic.ts';
import type { YamlScalar } from '../yaml/node.ts';
import { match, type Splice } from './splice.ts';

// Plain scalars that are not strings to a YAML 1.1 reader (kubectl: go-yaml 2 in sigs.k8s.io/yaml)
// or to a YAML 1.2 reader (yaml.org/type; go-yaml resolve.go; YAML 1.2 §10.3).
const plainNull = /^(?:~|null|Null|NULL)?$/;
const traps: readonly { what: string; pattern: RegExp }[] = [
  { what: 'null', pattern: plainNull },
  { what: 'a boolean', pattern: /^(?:y|n|yes|no|on|off|true|false)$/i },
  { what: 'an integer', pattern: /^(?:[-+]_*)?(?:0b[01_]+|0o[0-7_]+|0x[\da-f_]+|\d[\d_]*)$/i },
  { what: 'a base 60 number', pattern: /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/ },
  {
    what: 'a number',
    pattern: /^(?:[-+]_*)?(?:\d[\d_]*(?:\.[\d_]*)?|\._*\d[\d_.]*)(?:e_*[-+]?[\d_]+)?$/i,
  },
  { what: 'a number', pattern: /^(?:[-+]?\.inf|\.nan)$/i },
  {
    what: 'a timestamp',
    pattern: /^\d{4}-\d\d?-\d\d?(?:(?:t|[ \t]+)[\d:.]+(?:[ \t]*(?:z|[-+][\d:]+))?)?$/i,
  },
  { what: 'a merge key', pattern: /^<<$/ },
  { what: 'a default value', pattern: /^=$/ },
];

/** Matches whatever any of them matches, so that most scalars take a single test. */
const anyTrap = new RegExp(traps.map(({ pattern }) => pattern.source).join('|'), 'i');

/** The type of the plain scalar `text` to some YAML reader; undefined if all read a string. */
export function plainScalarTrap(text: string): string | undefined {
  return anyTrap.test(text) ? traps.find(({ pattern }) => pattern.test(text))?.what : undefined;
}

/** Whether every YAML reader reads null from the plain scalar `text`. */
export function isPlainNull(text: string): boolean {
  return plainNull.test(text);
}

/** Whether some YAML reader reads true from the plain scalar `text`. */
export function isPlainTrue(text: string): boolean {
  return /^(?:y|yes|on|true)$/i.test(text);
}

/** Whether a comment without a space after its # follows, so it may be the rest of the value. */
export function isCutAtHash(source: string, end: number): boolean {
  return match(/[ \t]+#[^\s#]/y, source, end) !== '';
}

type Quotes = 'plain' | 'single' | 'double';

/**
 * Writes a scalar that every reader, in block and flow context, reads as the string `text`. It is
 * in double quotes if it cannot have the given ones.
 */
export function scalarSource(text: string, quotes: Quotes): string {
  const isString = plainScalarTrap(text) === undefined && !emptyNumber.test(text);
  if (quotes === 'plain' && safePlain.test(text) && isString) return text;
  if (quotes === 'single' && safeSingle.test(text)) return `'${text.replaceAll("'", "''")}'`;
  return doubleQuoted(text);
}

// Without a digit in front, kubectl reads a string, but the package yaml reads NaN in YAML 1.1.
// Such scalars are accepted as strings, but written in quotes.
const emptyNumber = /^[-+]?(?:\.[\d_]*)?(?:e[-+]?\d+)?$/i;

// Narrower than the YAML grammar, but wide enough for names, base64 and JWEs.
const safePlain = /^(?:[A-Za-z0-9_+/]|\.[A-Za-z0-9_])[-A-Za-z0-9_+/=.@]*$/;
const safeSingle = /^[\x20-\x7E]*$/;

/** A JSON string that is a YAML string, too: it escapes the line breaks of YAML 1.1. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

interface Ambiguity extends Words {
  readonly concerns: (node: YamlScalar, source: string) => boolean;
}

// Found by comparing yaml 2.9.1 with PyYAML 6.0.3 and kubectl 1.32 on random scalars.
const ambiguities: readonly Ambiguity[] = [
  {
    message: 'ends the file without a line break, which YAML readers read differently',
    hint: 'end the file with a line break, or write |- instead of |',
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      end === source.length &&
      !source.endsWith('\n') &&
      !blockHeader(source, start).includes('-'),
  },
  {
    message: 'ends with lines of spaces, which YAML readers read differently',
    hint: 'remove the spaces',
    concerns: (node, source) =>
      node.style === 'block' &&
      (/\d/.test(blockHeader(source, node.start)) || node.text.trim() === '') &&
      /\n[ \t]+(?:\r?\n|$)/.test(emptyLinesAtEnd(node, source)),
  },
  {
    message: 'ends the file with a line of spaces, which YAML readers read differently',
    hint: 'remove the spaces',
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      blockHeader(source, start).includes('+') &&
      /^(?:[ \t]*\r?\n)*[ \t]+$/.test(source.slice(end)),
  },
  {
    message: 'has an empty line after a \\, which YAML readers read differently',
    hint: 'write \\n for the line break',
    concerns: ({ style, start, end }, source) =>
      style === 'double' && /\\\r?\n[ \t]*\r?\n/.test(source.slice(start, end)),
  },
];

/** The words about a scalar that YAML readers do not all read as the same string. */
export function ambiguityOf(node: YamlScalar, source: string): Words | undefined {
  return ambiguities.find(({ concerns }) => concerns(node, source));
}

/** The header of a block scalar: `|`, `>-`, `|2+` and the like. */
function blockHeader(source: string, start: number): string {
  return match(/[|>][-+0-9]*/y, source, start);
}

/** The white space at the end of a block scalar and in the empty lines after it. */
function emptyLinesAtEnd({ start, end }: YamlScalar, source: string): string {
  const lines = source.slice(start, end) + match(/(?:[ \t]*\r?\n)*(?:[ \t]+$)?/y, source, end);
  return lines.slice(lines.trimEnd().length);
}

/** Replaces a scalar by the string `text`, in the same quotes if possible. */
export function scalarSplices(source: string, node: YamlScalar, text: string): readonly Splice[] {
  const { start, end, style } = node;
  if (style !== 'block') return [{ start, end, text: scalarSource(text, style) }];
  // A comment after the header comes after the value.
  const headerEnd = start + blockHeader(source, start).length;
  const lineEnd = headerEnd + match(/[^\n]*?(?=\r?\n|$)/y, source, headerEnd).length;
  const bodyStart = lineEnd + match(/\r?\n/y, source, lineEnd).length;
  const cutShort = end === source.length && !source.endsWith('\n');
  return [
    { start, end: headerEnd, text: scalarSource(text, 'plain') },
    { start: cutShort ? lineEnd : Math.min(bodyStart, end), end, text: '' },
  ];
}
