import type { YamlScalar } from '../yaml/node.ts';
import { match, type Splice } from './splice.ts';

// What a plain scalar would be to a YAML 1.1 reader (kubectl: go-yaml 2 in sigs.k8s.io/yaml)
// or to a YAML 1.2 reader, if not a string (yaml.org/type; go-yaml resolve.go; YAML 1.2 §10.3).
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

/** What some YAML reader takes the plain scalar `text` for; undefined if for a string all do. */
export function plainScalarTrap(text: string): string | undefined {
  return traps.find(({ pattern }) => pattern.test(text))?.what;
}

/** Whether null, to every YAML reader, is what the plain scalar `text` stands for. */
export function isPlainNull(text: string): boolean {
  return plainNull.test(text);
}

/** Whether true, to a YAML reader, is what the plain scalar `text` stands for. */
export function isPlainTrue(text: string): boolean {
  return /^(?:y|yes|on|true)$/i.test(text);
}

type Quotes = 'plain' | 'single' | 'double';

/**
 * The source of a scalar that every reader, in block and flow context, takes for the string
 * `text`. Where it cannot be plain or in single quotes, it stands in double quotes.
 */
export function scalarSource(text: string, quotes: Quotes): string {
  const isString = plainScalarTrap(text) === undefined && !emptyNumber.test(text);
  if (quotes === 'plain' && safePlain.test(text) && isString) return text;
  if (quotes === 'single' && safeSingle.test(text)) return `'${text.replaceAll("'", "''")}'`;
  return doubleQuoted(text);
}

// Where no digit stands in front, one reader of YAML 1.1 still finds a number (the package yaml:
// NaN). Who wrote it meant a string, as kubectl takes it for; here it costs but two quotes.
const emptyNumber = /^[-+]?(?:\.[\d_]*)?(?:e[-+]?\d+)?$/i;

// Narrower than the YAML grammar, and wide enough for names, base64 and JWEs.
const safePlain = /^(?:[A-Za-z0-9_+/]|\.[A-Za-z0-9_])[-A-Za-z0-9_+/=.@]*$/;
const safeSingle = /^[\x20-\x7E]*$/;

/** A JSON string that is a YAML string too: no raw line breaks of YAML 1.1, nothing unprintable. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

type Doubt = readonly [message: string, hint: string];

interface Dispute {
  readonly doubt: Doubt;
  readonly concerns: (node: YamlScalar, source: string) => boolean;
}

// Found by comparing yaml 2.9.1 with PyYAML 6.0.3 and kubectl 1.32 on random scalars.
const disputes: readonly Dispute[] = [
  {
    doubt: [
      'ends with the file, and YAML readers disagree on its last line break',
      'end the file with a line break, or write |- in place of |',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      end === source.length &&
      !source.endsWith('\n') &&
      !blockHeader(source, start).includes('-'),
  },
  {
    doubt: ['ends in lines of spaces, on which YAML readers disagree', 'remove the spaces'],
    concerns: (node, source) =>
      node.style === 'block' &&
      (/\d/.test(blockHeader(source, node.start)) || node.text.trim() === '') &&
      /\n[ \t]+(?:\r?\n|$)/.test(emptyLinesAtEnd(node, source)),
  },
  {
    doubt: [
      'ends with the file in a line of spaces, on which YAML readers disagree',
      'remove the spaces',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      blockHeader(source, start).includes('+') &&
      /^(?:[ \t]*\r?\n)*[ \t]+$/.test(source.slice(end)),
  },
  {
    doubt: [
      'has an empty line behind a \\, on which YAML readers disagree',
      'write \\n for the line break',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'double' && /\\\r?\n[ \t]*\r?\n/.test(source.slice(start, end)),
  },
];

/** Why YAML readers, the package yaml being one, disagree on the string that `node` stands for. */
export function ambiguityOf(node: YamlScalar, source: string): Doubt | undefined {
  return disputes.find(({ concerns }) => concerns(node, source))?.doubt;
}

/** The indicators of a block scalar: `|`, `>-`, `|2+` and the like. */
function blockHeader(source: string, start: number): string {
  return match(/[|>][-+0-9]*/y, source, start);
}

/** From the last line break before an empty line on, as far as empty lines go. */
function emptyLinesAtEnd({ start, end }: YamlScalar, source: string): string {
  const lines = source.slice(start, end) + match(/(?:[ \t]*\r?\n)*(?:[ \t]+$)?/y, source, end);
  return lines.slice(lines.trimEnd().length);
}

/** Puts the string `text` in the place of a scalar, in its quotes if it has any. */
export function scalarSplices(source: string, node: YamlScalar, text: string): readonly Splice[] {
  const { start, end, style } = node;
  if (style !== 'block') return [{ start, end, text: scalarSource(text, style) }];
  // What stands behind the header, perhaps a comment, now stands behind the value.
  const headerEnd = start + blockHeader(source, start).length;
  const lineEnd = headerEnd + match(/[^\n]*?(?=\r?\n|$)/y, source, headerEnd).length;
  const bodyStart = lineEnd + match(/\r?\n/y, source, lineEnd).length;
  const cutShort = end === source.length && !source.endsWith('\n');
  return [
    { start, end: headerEnd, text: scalarSource(text, 'plain') },
    { start: cutShort ? lineEnd : Math.min(bodyStart, end), end, text: '' },
  ];
}
