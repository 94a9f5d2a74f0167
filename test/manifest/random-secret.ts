import fc from 'fast-check';
import type { Field } from '../../src/manifest/types.ts';

// Secrets with random values in random styles; each line knows the data key that it belongs to.

export interface Value {
  readonly field: Field;
  readonly key: string;
  readonly text: string;
  readonly form: string;
  readonly comment: string;
}

export interface Layout {
  readonly indent: number;
  readonly eol: string;
  readonly style: 'block' | 'flow' | 'lines' | 'json' | 'compact';
  readonly list: boolean;
  readonly mark: string;
  readonly end: boolean;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** A line without its line break, and the data key whose value it is part of. */
export interface Line {
  readonly text: string;
  readonly key?: string;
}

/** Words that are strings to every YAML reader. */
const word = fc.stringMatching(/^[a-z][a-z0-9]{1,6}$/).map((text) => `w${text}`);
const fields: readonly Field[] = ['data', 'stringData'];

export const values: fc.Arbitrary<Value[]> = fc.uniqueArray(
  fc.record({
    field: fc.constantFrom(...fields),
    key: word,
    text: fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join('\n')),
    form: fc.constantFrom(
      'plain',
      'single',
      'double',
      'literal',
      'strip',
      'keep',
      'folded',
      'next',
    ),
    comment: fc.constantFrom('', ' # why', '   # 🙂 "x": {y}'),
  }),
  { selector: ({ key }) => key, minLength: 1, maxLength: 6 },
);

export const layouts: fc.Arbitrary<Layout> = fc.record({
  indent: fc.constantFrom(2, 3, 4),
  eol: fc.constantFrom('\n', '\r\n'),
  style: fc.constantFrom('block', 'block', 'flow', 'lines', 'json', 'compact'),
  list: fc.boolean(),
  mark: fc.constantFrom('', '\uFEFF'),
  end: fc.boolean(),
  before: fc.constantFrom(
    [],
    ['# head', '---'],
    ['kind: Other', 'data: &d {a: 1}', 'b: *d', '---'],
  ),
  after: fc.constantFrom([], ['# foot'], ['', ''], ['---', 'kind: Other # last'], ['...']),
});

/** The string that a YAML reader reads from `value`. */
export function contentOf({ field, text, form }: Value, { style }: Layout): string {
  if (style !== 'block' || field === 'data') return text;
  if (form === 'strip') return text;
  const folded = form === 'literal' || form === 'keep' ? text : text.replaceAll('\n', ' ');
  return ['literal', 'keep', 'folded'].includes(form) ? `${folded}\n` : folded;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const headers = new Map([
  ['literal', '|'],
  ['strip', '|-'],
  ['keep', '|+'],
  ['folded', '>'],
]);

function blockLines(value: Value, layout: Layout): string[] {
  const { field, key, form, comment } = value;
  const text = field === 'data' ? base64(contentOf(value, layout)) : value.text;
  const indent = ' '.repeat(layout.indent);
  const header = headers.get(form);
  if (header)
    return [`${key}: ${header}${comment}`, ...text.split('\n').map((line) => indent + line)];
  const plain = text.replaceAll('\n', ' ');
  if (form === 'single') return [`${key}: '${plain}'${comment}`];
  if (form === 'next') return [`${key}:${comment}`, `${indent}"${plain}"`];
  return form === 'double' || field === 'data'
    ? [`"${key}": "${plain}"${comment}`]
    : [`${key}: ${plain}${comment}`];
}

function blockSecret(all: readonly Value[], layout: Layout): Line[] {
  const indent = ' '.repeat(layout.indent);
  const body = fields.flatMap((field): Line[] => {
    const own = all.filter((value) => value.field === field);
    const lines = own.flatMap((value) =>
      blockLines(value, layout).map((line) => ({ text: indent + line, key: value.key })),
    );
    const foot = { text: `${indent}# end of ${field}` };
    // The line of the field gets {} when the field is emptied, so it can change.
    return own.length === 0 ? [] : [{ text: `${field}: # ${field}`, key: '' }, ...lines, foot];
  });
  const head = ['apiVersion: v1', 'kind: Secret', 'metadata:', `${indent}name: db # n`];
  return [...head.map((text) => ({ text })), ...body, { text: 'type: Opaque' }];
}

function flowSecret(all: readonly Value[], layout: Layout): Line[] {
  const secret: Record<string, unknown> = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'db' },
  };
  for (const field of fields) {
    const own = all.filter((value) => value.field === field);
    const encoding = field === 'data' ? base64 : (text: string) => text;
    const entries = own.map((value) => [value.key, encoding(contentOf(value, layout))]);
    if (own.length > 0) secret[field] = Object.fromEntries(entries);
  }
  const pretty = layout.style === 'lines' || layout.style === 'json';
  const json = JSON.stringify(secret, null, pretty ? layout.indent : 0);
  const bare = json.replace(/"(\w+)":/g, '$1: ').replace(/,(?=\S)/g, ', ');
  const text = layout.style === 'json' || layout.style === 'compact' ? json : bare;
  // Commas come and go, so in flow style every line can change.
  return text.split('\n').map((line) => ({ text: line, key: '' }));
}

/** The lines of a manifest with one Secret, which has the values `all`. */
export function linesOf(all: readonly Value[], layout: Layout): Line[] {
  const secret = layout.style === 'block' ? blockSecret(all, layout) : flowSecret(all, layout);
  const plain = (lines: readonly string[]) => lines.map((text) => ({ text }));
  const items = secret.map((line, at) => ({ ...line, text: (at === 0 ? '- ' : '  ') + line.text }));
  const list = [...plain(['apiVersion: v1', 'kind: List', 'items:']), ...items];
  return [...plain(layout.before), ...(layout.list ? list : secret), ...plain(layout.after)];
}

export function textOf(lines: readonly Line[], { eol, end, mark }: Layout): string {
  return mark + lines.map(({ text }) => text).join(eol) + (end ? eol : '');
}
