import { describe, expect, test } from 'vitest';
import { type VerifySettings, verifyText } from '../../src/verify/verify.ts';
import { defaults, openAllowance } from './fixtures.ts';
import { manifest, sealedValue, strict } from './values.ts';

function verify(text: string, settings: VerifySettings = defaults) {
  return verifyText({ path: 'db.yaml', content: Buffer.from(text) }, openAllowance, settings);
}

/** Each finding as `LINE rule`, and behind a suppressed one its reason. */
function judge(text: string, settings?: VerifySettings): string[] {
  const { findings, suppressed } = verify(text, settings);
  return [
    ...findings.map(({ position, code }) => `${position.line} ${code}`),
    ...suppressed.map(({ position, code, reason }) => `${position.line} ${code} (${reason})`),
  ];
}

const lines = (...rest: string[]) => manifest(['stringData:', ...rest].join('\n'));

describe('a suppression with a reason', () => {
  test.each([
    ['on the line', ['  a: x # kseal-ignore plaintext-value: test data'], '5'],
    ['on the line above', ['  # kseal-ignore plaintext-value: test data', '  a: x'], '6'],
    ['above, at the margin', ['#kseal-ignore plaintext-value:test data', '  a: x'], '6'],
    [
      'above another comment',
      ['  # kseal-ignore plaintext-value: test data', '  # b', '  a: x'],
      '7',
    ],
    ['in a list of rules', ['  a: x # kseal-ignore weak-key, plaintext-value: test data'], '5'],
    ['with Windows line ends', ['  # kseal-ignore plaintext-value: test data\r', '  a: x\r'], '6'],
    [
      'on the line of a block scalar',
      ['  a: | # kseal-ignore plaintext-value: test data', '    x'],
      '5',
    ],
  ])('%s', (_, rest, line) => {
    expect(judge(lines(...rest))).toEqual([`${line} plaintext-value (test data)`]);
  });

  test('keeps the colons in its reason', () => {
    const rest = '  a: x # kseal-ignore plaintext-value: see https://example.com/1: it is a test';
    expect(judge(lines(rest))).toEqual([
      '5 plaintext-value (see https://example.com/1: it is a test)',
    ]);
  });

  test('is for its rule and its line alone', () => {
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

  test('works where the text cannot be parsed', () => {
    expect(judge('# kseal-ignore unparsable: a file of another tool\na: b: c\n')).toEqual([
      '2 unparsable (a file of another tool)',
    ]);
  });

  test('leaves a finding with its own severity, position and words', () => {
    const [plain] = verify(lines('  a: x')).findings;
    const [silenced] = verify(lines('  a: x # kseal-ignore plaintext-value: r')).suppressed;
    expect(silenced).toEqual({ ...plain, reason: 'r' });
  });
});

describe('a suppression that suppresses nothing is told, at its place', () => {
  test.each([
    [
      'without a reason',
      '# kseal-ignore plaintext-value',
      'gives no reason',
      'add it after a colon',
    ],
    [
      'with an empty reason',
      '# kseal-ignore plaintext-value:  ',
      'gives no reason',
      'add it after a colon',
    ],
    [
      'of an unknown rule',
      '# kseal-ignore plaintext: r',
      'names no rule',
      'use the name of the rule that reports the finding',
    ],
    [
      'with a slip',
      '# kseal-ignore plain-text-value: r',
      'names no rule',
      'did you mean plaintext-value?',
    ],
    ['of a rule that nothing silences', '# kseal-ignore refused-key: r', 'names no rule', ''],
    ['of itself', '# kseal-ignore bad-suppression: r', 'names no rule', ''],
    ['of nothing', '# kseal-ignore: r', 'names no rule', ''],
  ])('%s', (_, comment, said, hint) => {
    const { findings, suppressed } = verify(lines(`  a: x ${comment}`));
    expect(findings.map(({ code }) => code)).toEqual(['plaintext-value', 'bad-suppression']);
    expect(findings[1]).toMatchObject({ position: { line: 5, column: 8 }, secret: undefined });
    expect(findings[1]?.message).toContain(said);
    expect(findings[1]?.hint).toContain(hint);
    expect(suppressed).toEqual([]);
  });

  test('without a rule and a reason, both are told', () => {
    expect(judge(lines('  a: x # kseal-ignore'))).toEqual([
      '5 plaintext-value',
      '5 bad-suppression',
      '5 bad-suppression',
    ]);
  });
});

test('what looks like a comment within a value is none', () => {
  const block = [
    '  a: |',
    '    # kseal-ignore plaintext-value: r',
    '    # kseal-ignore nonsense',
    '  b: "x # kseal-ignore y"',
  ];
  expect(judge(lines(...block))).toEqual(['5 plaintext-value', '8 plaintext-value']);
});

// Looking through all values, lines or suppressions for each of them would take minutes.
test('many suppressions are each looked at once', () => {
  const many = Array.from(
    { length: 30_000 },
    (_, at) => `  a${at}: x # kseal-ignore plaintext-value: r`,
  );
  expect(verify(lines(...many)).suppressed).toHaveLength(30_000);
  const above = Array.from({ length: 60_000 }, () => '  # kseal-ignore plaintext-value: r');
  expect(judge(lines(...above, '  a: x'))).toEqual(['60005 plaintext-value (r)']);
});

describe('with a protected branch', () => {
  const silenced = lines('  a: x # kseal-ignore plaintext-value: r');

  /** What is left of `text` where the branch has `other`: each finding as `LINE rule`. */
  const judgeBeside = (other: string, text: string) =>
    judge(text, { ...defaults, suppressible: verify(other).covered });

  test('what it silences is silenced, wherever the line went', () => {
    expect(judgeBeside(silenced, `# a new first line\n${silenced}`)).toEqual([
      '6 plaintext-value (r)',
    ]);
    expect(judgeBeside(silenced, `${silenced}  b: y\n`)).toEqual([
      '6 plaintext-value',
      '5 plaintext-value (r)',
    ]);
  });

  test.each([
    ['another value', silenced, silenced.replace('a: x', 'a: z')],
    ['a new data key', silenced, lines('  b: x # kseal-ignore plaintext-value: r')],
    ['another Secret', silenced, silenced.replace('name: db', 'name: mail')],
    ['what it does not silence', lines('  a: x'), silenced],
    ['all where the file is not there', '', silenced],
    [
      'another line of a block scalar',
      lines('  # kseal-ignore plaintext-value: r', '  a: |', '    x', '    y'),
      lines('  # kseal-ignore plaintext-value: r', '  a: |', '    x', '    z'),
    ],
    [
      'another value in JSON',
      '# kseal-ignore plaintext-value: r\n{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"stringData":{"a":"x"}}',
      '# kseal-ignore plaintext-value: r\n{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"stringData":{"a":"y"}}',
    ],
  ])('%s is not', (_, other, text) => {
    const { findings, suppressed } = verify(text, {
      ...defaults,
      suppressible: verify(other).covered,
    });
    expect(findings.map(({ code }) => code)).toEqual(['plaintext-value']);
    expect(findings[0]?.hint).toContain('counts once the branch that the rules come from has it');
    expect(suppressed).toEqual([]);
  });

  // What may hide a value is covered with all that it may hide; what says nothing of values, by its line.
  test.each([
    [
      'the entry of a field that does not exist',
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
    ['a text that is no YAML', 'unparsable', '# kseal-ignore unparsable: r\na: b: x\n', 'b: x'],
    [
      'what an alias stands for',
      'unsupported-yaml',
      `x: &x y1\n---\n# kseal-ignore unsupported-yaml: r\n${manifest('# kseal-ignore unsupported-yaml: r\nstringData: { a: !!str x }')}`,
      'y1',
    ],
    [
      'an object that is no Secret',
      'misspelt-kind',
      'apiVersion: v1\n# kseal-ignore misspelt-kind: r\nKind: Secret\nstringData: { a: x }\n',
      'a: x',
    ],
  ])('%s counts with its content', (_, rule, text, part) => {
    expect(verify(text).findings.map(({ code: found }) => found)).not.toContain(rule);
    expect(judgeBeside(text, text).join()).toContain(`${rule} (r)`);
    const changed = judgeBeside(text, text.replace(part, part.replace(/\w(?=\W*$)/, 'z')));
    expect(changed.join()).toContain(rule);
    expect(changed.join()).not.toContain(`${rule} (r)`);
  });

  test('what says nothing of values goes by its line', () => {
    const text = (value: string) =>
      manifest(`# kseal-ignore string-data: r\nstringData:\n  a: ${value}`);
    const sealedAnew = () => text(sealedValue({ kseal: { ...strict, key: 'a' } }));
    expect(judgeBeside(sealedAnew(), sealedAnew())).toEqual(['5 string-data (r)']);
  });
});
