import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSelector } from '../../../src/webhook/install/selector.ts';

test.each([
  ['kseal=on', [{ key: 'kseal', operator: 'In', values: ['on'] }]],
  ['kseal == on', [{ key: 'kseal', operator: 'In', values: ['on'] }]],
  ['example.org/team!=a', [{ key: 'example.org/team', operator: 'NotIn', values: ['a'] }]],
  ['team in (a, b)', [{ key: 'team', operator: 'In', values: ['a', 'b'] }]],
  ['team notin(a)', [{ key: 'team', operator: 'NotIn', values: ['a'] }]],
  ['kseal', [{ key: 'kseal', operator: 'Exists' }]],
  ['!kseal', [{ key: 'kseal', operator: 'DoesNotExist' }]],
  ['empty=', [{ key: 'empty', operator: 'In', values: [''] }]],
  [
    'a=b, team in (a,b) ,!c',
    [
      { key: 'a', operator: 'In', values: ['b'] },
      { key: 'team', operator: 'In', values: ['a', 'b'] },
      { key: 'c', operator: 'DoesNotExist' },
    ],
  ],
])('%s is read as kubectl reads it', (text, requirements) => {
  expect(parseSelector(text)).toEqual(requirements);
});

test.each([
  ...['', ' ', ',', 'a,', 'a=b=c', 'a in', 'a in (b', 'a in (b))', 'a>1', 'a b', '-a', 'a-', '!'],
  ...['a=-b', 'a in (b c)', '/a', 'a/b/c', 'A.org/x', `a=${'b'.repeat(64)}`, `${'a'.repeat(64)}`],
])('%j is invalid', (text) => {
  expect(parseSelector(text)).toBeUndefined();
});

const label = fc.stringMatching(/^[a-z0-9]([-\w.]{0,8}[a-z0-9])?$/);
const requirement = fc.oneof(
  fc.record({
    key: label,
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.array(label, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ key: label, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);

test('any list of requirements can be written and is read again', () => {
  const written = (one: { key: string; operator: string; values?: string[] }) => {
    if (one.values) return `${one.key} ${one.operator.toLowerCase()} (${one.values.join(',')})`;
    return one.operator === 'Exists' ? one.key : `!${one.key}`;
  };
  fc.assert(
    fc.property(fc.array(requirement, { minLength: 1, maxLength: 4 }), (all) => {
      expect(parseSelector(all.map(written).join(','))).toEqual(all);
    }),
  );
});
