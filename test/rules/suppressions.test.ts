import { describe, expect, test } from 'vitest';
import { type VerifySettings, verifyText } from '../../src/verify.ts';
import { defaults, openAllowance } from './fixtures.ts';
import { manifest } from './values.ts';

function verify(text: string, settings: VerifySettings = defaults) {
  return verifyText({ path: 'db.yaml', content: Buffer.from(text) }, openAllowance, settings);
}

/** Each finding as `LINE rule`, and behind a suppressed one its reason. */
function judge(text: string, settings?: VerifySettings): string[] {
  const { findings, suppressed } = verify(text, settings);
  return [
    ...findings.map(({ position, rule }) => `${position.line} ${rule}`),
    ...suppressed.map(({ position, rule, reason }) => `${position.line} ${rule} (${reason})`),
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
      'write it behind a colon',
    ],
    [
      'with an empty reason',
      '# kseal-ignore plaintext-value:  ',
      'gives no reason',
      'write it behind a colon',
    ],
    [
      'of an unknown rule',
      '# kseal-ignore plaintext: r',
      'names no rule',
      'write the rule that the finding names',
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
    expect(findings.map(({ rule }) => rule)).toEqual(['plaintext-value', 'bad-suppression']);
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

describe('with a protected branch', () => {
  const silenced = lines('  a: x # kseal-ignore plaintext-value: r');
  const { suppressed } = verify(silenced);

  test('what it silences is silenced, wherever the line went', () => {
    const text = `# a new first line\n${silenced}`;
    expect(judge(text, { ...defaults, suppressible: suppressed })).toEqual([
      '6 plaintext-value (r)',
    ]);
  });

  test.each([
    ['a new data key', lines('  b: x # kseal-ignore plaintext-value: r'), suppressed],
    ['another Secret', silenced.replace('name: db', 'name: mail'), suppressed],
    ['what it does not silence', silenced, []],
  ])('%s is not', (_, text, suppressible) => {
    const { findings } = verify(text, { ...defaults, suppressible });
    expect(findings.map(({ rule }) => rule)).toEqual(['plaintext-value']);
    expect(findings[0]?.hint).toContain('counts once the branch that the rules come from has it');
  });
});
