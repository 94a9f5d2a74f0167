import { expect, test } from 'vitest';
import { manifest, verify } from './values.ts';

// With quadratic time, each of these would take much longer than its limit.

/** Returns a Secret with the lines below `stringData`; they begin in line 5. */
const secretWith = (lines: readonly string[]) => manifest(`stringData:\n${lines.join('\n')}`);

test('a Secret may have more findings than a function takes arguments', () => {
  const values = Array.from({ length: 130_000 }, (_, at) => `  k${at}: v`);
  const { findings } = verify(secretWith(values));
  expect(findings.filter(({ code }) => code === 'plaintext-value')).toHaveLength(130_000);
});

test('many templates in one text are read in linear time', () => {
  const { findings } = verify('---\nkind: Secret\na: {{ .x }}\n'.repeat(30_000));
  // Only the first 6,400 actions are masked. The other documents are errors, because they may hide plaintext.
  expect(findings).toHaveLength(2 * 6_400 + 23_600);
});

test('a template comment with many ends is read in linear time', () => {
  const { findings } = verify(`kind: Secret\na: {{/*${'*/'.repeat(500_000)}`);
  expect(findings.map(({ severity }) => severity)).toContain('error');
});

test('many values with a comment are read in linear time', () => {
  const values = Array.from(
    { length: 60_000 },
    (_, at) => `  a${at}: x # kseal-ignore plaintext-value: r`,
  );
  expect(verify(secretWith(values)).suppressed).toHaveLength(60_000);
});

test('many comments above a value are read in linear time', () => {
  const comments = Array.from({ length: 120_000 }, () => '  # kseal-ignore plaintext-value: r');
  const { findings, suppressed } = verify(secretWith([...comments, '  a: x']));
  expect(findings).toEqual([]);
  expect(suppressed).toMatchObject([
    { code: 'plaintext-value', reason: 'r', position: { line: 120_005 } },
  ]);
});
