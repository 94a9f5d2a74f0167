import { describe, expect, test } from 'vitest';
import type { VerifySettings } from '../../src/verify/verify.ts';
import { defaults } from './fixtures.ts';
import { manifest, sealedValue, strict, verify } from './values.ts';

/** Returns each finding as `LINE rule`, a suppressed one as `LINE rule (reason)`. */
function judge(text: string, settings?: VerifySettings): string[] {
  const { findings, suppressed } = verify(text, {}, settings);
  return [
    ...findings.map(({ position, code }) => `${position.line} ${code}`),
    ...suppressed.map(({ position, code, reason }) => `${position.line} ${code} (${reason})`),
  ];
}

const lines = (...rest: string[]) => manifest(['stringData:', ...rest].join('\n'));

describe('a comment with a reason', () => {
  test.each([
    ['on its line', ['  a: x # kseal-ignore plaintext-value: test data'], '5'],
    ['on the line above', ['  # kseal-ignore plaintext-value: test data', '  a: x'], '6'],
    ['above, not indented', ['#kseal-ignore plaintext-value:test data', '  a: x'], '6'],
    [
      'above another comment',
      ['  # kseal-ignore plaintext-value: test data', '  # b', '  a: x'],
      '7',
    ],
    ['in a list of rules', ['  a: x # kseal-ignore weak-key, plaintext-value: test data'], '5'],
    [
      'with Windows line endings',
      ['  # kseal-ignore plaintext-value: test data\r', '  a: x\r'],
      '6',
    ],
    [
      'on the line of a block scalar',
      ['  a: | # kseal-ignore plaintext-value: test data', '    x'],
      '5',
    ],
  ])('suppresses a finding: %s', (_, rest, line) => {
    expect(judge(lines(...rest))).toEqual([`${line} plaintext-value (test data)`]);
  });

  test('may have colons in its reason', () => {
    const rest = '  a: x # kseal-ignore plaintext-value: see https://example.com/1: it is a test';
    expect(judge(lines(rest))).toEqual([
      '5 plaintext-value (see https://example.com/1: it is a test)',
    ]);
  });

  test('suppresses only its rule, and only in its line', () => {
    const rest = [
      '  a: x # kseal-ignore weak-key: r',
      '  b: x # kseal-ignore plaintext-value: r',
      '  c: x',
    ];
    expect(judge(lines(...rest))).toEqual([
      '5 plaintext-value',
      '7 plaintext-value',
      '6 plaintext-value (r)',
    ]);
  });

  test('suppresses a finding in a text that is not YAML', () => {
    expect(judge('# kseal-ignore unparsable: a file of another tool\na: b: c\n')).toEqual([
      '2 unparsable (a file of another tool)',
    ]);
  });

  test('keeps the severity, position and message of the finding', () => {
    const [reported] = verify(lines('  a: x')).findings;
    const [suppressed] = verify(lines('  a: x # kseal-ignore plaintext-value: r')).suppressed;
    expect(suppressed).toEqual({ ...reported, reason: 'r' });
  });
});

describe('a comment that suppresses nothing', () => {
  test.each([
    [
      'without a reason',
      '# kseal-ignore plaintext-value',
      'without a reason',
      'add it after a colon',
    ],
    [
      'with an empty reason',
      '# kseal-ignore plaintext-value:  ',
      'without a reason',
      'add it after a colon',
    ],
    [
      'with an unknown rule',
      '# kseal-ignore plaintext: r',
      'without a rule that can be suppressed',
      'use the rule id that kseal verify prints',
    ],
    [
      'with a misspelt rule',
      '# kseal-ignore plain-text-value: r',
      'without a rule that can be suppressed',
      'did you mean plaintext-value?',
    ],
    [
      'with a rule that cannot be suppressed',
      '# kseal-ignore refused-key: r',
      'without a rule that can be suppressed',
      '',
    ],
    [
      'with the rule for such comments',
      '# kseal-ignore bad-suppression: r',
      'without a rule that can be suppressed',
      '',
    ],
    ['without a rule', '# kseal-ignore: r', 'without a rule that can be suppressed', ''],
  ])('is reported: %s', (_, comment, message, hint) => {
    const { findings, suppressed } = verify(lines(`  a: x ${comment}`));
    expect(findings.map(({ code }) => code)).toEqual(['plaintext-value', 'bad-suppression']);
    expect(findings[1]).toMatchObject({ position: { line: 5, column: 8 }, secret: undefined });
    expect(findings[1]?.message).toContain(message);
    expect(findings[1]?.hint).toContain(hint);
    expect(suppressed).toEqual([]);
  });

  test('is reported twice if it has neither a rule nor a reason', () => {
    expect(judge(lines('  a: x # kseal-ignore'))).toEqual([
      '5 plaintext-value',
      '5 bad-suppression',
      '5 bad-suppression',
    ]);
  });
});

test('text in a value is not a comment', () => {
  const block = [
    '  a: |',
    '    # kseal-ignore plaintext-value: r',
    '    # kseal-ignore nonsense',
    '  b: "x # kseal-ignore y"',
  ];
  expect(judge(lines(...block))).toEqual(['5 plaintext-value', '8 plaintext-value']);
});

describe('with suppressions from a protected branch', () => {
  const suppressing = lines('  a: x # kseal-ignore plaintext-value: r');

  /** Returns the settings if the branch has `other` at the same path. */
  const protectedBy = (other: string): VerifySettings => ({
    ...defaults,
    suppressible: verify(other).covered,
  });
  const patch = (...values: readonly string[]) =>
    [
      ...['patches:', '- patch: |', '    apiVersion: v1', '    kind: Secret'],
      ...[
        '    metadata: { name: db }',
        '    stringData:',
        ...values.map((line) => `      ${line}`),
      ],
    ].join('\n');
  const judgeBeside = (other: string, text: string) => judge(text, protectedBy(other));

  test('a finding stays suppressed if other lines change', () => {
    expect(judgeBeside(suppressing, `# a new first line\n${suppressing}`)).toEqual([
      '6 plaintext-value (r)',
    ]);
    expect(judgeBeside(suppressing, `${suppressing}  b: y\n`)).toEqual([
      '6 plaintext-value',
      '5 plaintext-value (r)',
    ]);
    const own = 'a: x # kseal-ignore plaintext-value: r';
    expect(judgeBeside(patch(own), patch(own, 'b: y'))).toEqual([
      '8 plaintext-value',
      '7 plaintext-value (r)',
    ]);
  });

  test.each([
    ['another value is in its place', suppressing, suppressing.replace('a: x', 'a: z')],
    ['it has another data key', suppressing, lines('  b: x # kseal-ignore plaintext-value: r')],
    ['it is in another Secret', suppressing, suppressing.replace('name: db', 'name: mail')],
    ['the branch does not suppress it', lines('  a: x'), suppressing],
    ['the branch lacks the file', '', suppressing],
    [
      'a line of its block scalar changes',
      lines('  # kseal-ignore plaintext-value: r', '  a: |', '    x', '    y'),
      lines('  # kseal-ignore plaintext-value: r', '  a: |', '    x', '    z'),
    ],
    [
      'another value is in its place in an inline patch',
      patch('a: x # kseal-ignore plaintext-value: r'),
      patch('a: z # kseal-ignore plaintext-value: r'),
    ],
    [
      'another value is in its place in a string of JSON',
      'a: \'{"kind":"Secret","stringData":{"a":"x"}}\' # kseal-ignore plaintext-value: r',
      'a: \'{"kind":"Secret","stringData":{"a":"z"}}\' # kseal-ignore plaintext-value: r',
    ],
    [
      'another value is in its place in JSON',
      '# kseal-ignore plaintext-value: r\n{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"stringData":{"a":"x"}}',
      '# kseal-ignore plaintext-value: r\n{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"stringData":{"a":"y"}}',
    ],
  ])('a finding is reported if %s', (_, other, text) => {
    const { findings, suppressed } = verify(text, {}, protectedBy(other));
    expect(findings.map(({ code }) => code)).toEqual(['plaintext-value']);
    expect(findings[0]?.hint).toContain('into the protected branch first');
    expect(suppressed).toEqual([]);
  });

  // Otherwise, the suppression would also cover a plaintext that is put there later.
  test.each([
    [
      'an unknown field',
      'unknown-field',
      manifest('# kseal-ignore unknown-field: r\nData: { a: x }'),
      'a: x',
    ],
    [
      'an annotation',
      'plaintext-annotation',
      manifest(
        '',
        `\n  name: db\n  namespace: hr\n  annotations:\n    # kseal-ignore plaintext-annotation: r\n    kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"x"}}'`,
      ),
      '"x"',
    ],
    ['a text that is not YAML', 'unparsable', '# kseal-ignore unparsable: r\na: b: x\n', 'b: x'],
    [
      'an alias',
      'unsupported-yaml',
      `x: &x y1\n---\n# kseal-ignore unsupported-yaml: r\n${manifest('# kseal-ignore unsupported-yaml: r\nstringData: { a: !!str x }')}`,
      'y1',
    ],
    [
      'an object of a misspelt kind',
      'misspelt-kind',
      'apiVersion: v1\n# kseal-ignore misspelt-kind: r\nKind: Secret\nstringData: { a: x }\n',
      'a: x',
    ],
  ])('the finding in %s stays suppressed until the content changes', (_, rule, text, part) => {
    expect(verify(text).findings.map(({ code: found }) => found)).not.toContain(rule);
    expect(judgeBeside(text, text).join()).toContain(`${rule} (r)`);
    const changed = judgeBeside(text, text.replace(part, part.replace(/\w(?=\W*$)/, 'z')));
    expect(changed.join()).toContain(rule);
    expect(changed.join()).not.toContain(`${rule} (r)`);
  });

  test('a finding that is not about values stays suppressed if values change', () => {
    const text = (value: string) =>
      manifest(`# kseal-ignore string-data: r\nstringData:\n  a: ${value}`);
    const sealedAgain = () => text(sealedValue({ kseal: { ...strict, key: 'a' } }));
    expect(judgeBeside(sealedAgain(), sealedAgain())).toEqual(['5 string-data (r)']);
  });
});
