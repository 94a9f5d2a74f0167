import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { actionIn, maskedIn } from '../../src/verify/templates.ts';

const pieces = [
  ...['kind: Secret', 'stringData:', '  a: ', '- ', '---', '#', '|', '"', "'", '`', '\\', 'x'],
  ...[
    '{{',
    '}}',
    '{{- ',
    ' -}}',
    '/*',
    '*/',
    '{',
    '}',
    ' ',
    '\n',
    '\r\n',
    '\r',
    '\uFEFF',
    '\uE000',
  ],
];
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((all) => all.join(''));

const notLineBreak = /[^\r\n]|\r(?!\n)/g;

test('a masked text keeps its length and lines, and has actions only outside of templates', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const { text: source, parts } = maskedIn(text);
      expect(source.replace(notLineBreak, ' ')).toBe(text.replace(notLineBreak, ' '));
      for (const { start, end } of parts) expect(source.slice(start, end)).not.toContain('{{');
      const others = parts.reduceRight(
        (rest, { start, end }) => rest.slice(0, start) + rest.slice(end),
        text,
      );
      const kept = parts.reduceRight(
        (rest, { start, end }) => rest.slice(0, start) + rest.slice(end),
        source,
      );
      expect(kept).toBe(others);
    }),
  );
});

describe('the first action outside of comments', () => {
  test.each([
    ['', undefined],
    ['# {{ a }}', undefined],
    ['  # {{ a }}\n# {{ b }}', undefined],
    ['# {{ a }}\n{{ b }}', 10],
    ['a: {{ b }} # c', 3],
    ['a: b # {{ c }}', 7],
  ])('%j', (text, offset) => {
    expect(actionIn(text)).toBe(offset);
  });
});
