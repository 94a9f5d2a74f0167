import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainScalarTrap, scalarSource } from '../../src/manifest/scalars.ts';
import { readsScalarBack, scalarText } from './scalar-text.ts';

describe('plainScalarTrap', () => {
  it.each([
    ['null', ['', '~', 'null', 'Null', 'NULL']],
    ['a boolean', ['y', 'N', 'yes', 'No', 'ON', 'off', 'true', 'False']],
    ['an integer', ['0', '0123', '+1', '-1', '1_000', '0b1', '0o17', '0x1F', '-0x1f', '089']],
    ['an integer', ['12345678901234567890', '-_1']],
    ['a base 60 number', ['190:20:30', '1:30', '-1:30.5']],
    ['a number', ['1.', '.5', '1e3', '1E+3', '-1.5e-3', '1_0.5', '.inf', '-.INF', '.NaN', '1e1_0']],
    ['a timestamp', ['2024-01-01', '2001-12-14t21:59:43.10-05:00', '2001-12-14 21:59:43 Z']],
    ['a merge key', ['<<']],
    ['a default value', ['=']],
  ])('finds %s in each of %j', (what, texts) => {
    expect(texts.map(plainScalarTrap)).toEqual(texts.map(() => what));
  });

  it.each([
    'a',
    '~a',
    'nullable',
    'yes!',
    '1a',
    '0b2',
    '1.2.3',
    '1:60',
    '2024-01',
    '===',
    '.',
    'e0',
    '-',
  ])('accepts the string %j', (text) => {
    expect(plainScalarTrap(text)).toBeUndefined();
  });

  it.each([
    '1'.repeat(1e6),
    '1_'.repeat(5e5),
    '1:'.repeat(5e5),
    `.${'.1'.repeat(5e5)}`,
    ' '.repeat(1e6),
  ])('takes linear time for a long text (%#)', (text) => {
    expect(plainScalarTrap(`${text}!`)).toBeUndefined();
  });
});

describe('scalarSource', () => {
  it.each([
    ['QUJD', 'plain', 'QUJD'],
    ['eyJ.a-b_c.d', 'plain', 'eyJ.a-b_c.d'],
    ['1234', 'plain', '"1234"'],
    ['+.', 'plain', '"+."'],
    ['._', 'plain', '"._"'],
    ['e0', 'plain', '"e0"'],
    ['E1234x', 'plain', 'E1234x'],
    ['true', 'plain', '"true"'],
    ['', 'plain', '""'],
    ['a b', 'plain', '"a b"'],
    ["it's", 'single', "'it''s'"],
    ['true', 'single', "'true'"],
    ['a\nb', 'single', '"a\\nb"'],
    ['a"b\\', 'double', '"a\\"b\\\\"'],
    [
      '\u0085\u2028\u2029\uFEFF\uFFFE\x7F\0',
      'double',
      '"\\u0085\\u2028\\u2029\\ufeff\\ufffe\\u007f\\u0000"',
    ],
    ['é😀', 'double', '"é😀"'],
  ] as const)('writes %j, %s, as %s', (text, quotes, expected) => {
    expect(scalarSource(text, quotes)).toBe(expected);
  });

  it('is read as the same string in YAML 1.1 and 1.2, in block and in flow style', () => {
    fc.assert(readsScalarBack, { numRuns: 200 });
  });

  it('writes JSON in double quotes', () => {
    fc.assert(
      fc.property(scalarText, (value) => {
        expect(JSON.parse(scalarSource(value, 'double'))).toBe(value);
      }),
    );
  });
});
