import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explainRule, listRules, ruleNamed } from '../../src/verify/explain.ts';
import { rules } from '../../src/verify/rules/index.ts';
import { thrownBy } from '../jwe/thrown.ts';

const ids = rules.map(({ id }) => id);

test('each rule has a file, and is in the list once', () => {
  const files = readdirSync(join(import.meta.dirname, '../../src/verify/rules'));
  expect([...ids, 'index'].map((name) => `${name}.ts`).sort()).toEqual(files.sort());
});

test.each(rules.map((rule) => [rule.id, rule] as const))(
  'the texts of %s are complete',
  (id, rule) => {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(rule.summary).toMatch(/^(a|an|something|values|sealed) [^.]*$/);
    expect(rule.summary.length).toBeLessThan(90);
    expect(rule.why).toMatch(/^[A-Zk][\s\S]*\.$/);
    for (const example of [rule.wrong, rule.right]) expect(example).toMatch(/^\S[\s\S]*\S$/);
    expect(rule.wrong).not.toBe(rule.right);
  },
);

test('the list has every rule with its severity and summary, in lines of 80 characters', () => {
  const list = listRules();
  const text = list.replace(/\n +/g, ' ');
  for (const { id, severity, summary } of rules)
    expect(text).toMatch(new RegExp(`^${id} +${severity} +${summary}$`, 'm'));
  expect(list.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

describe('explainRule', () => {
  test.each(ids)('prints the summary, the examples and the suppression of %s', (id) => {
    const text = explainRule(id);
    const { summary, wrong, right, always } = ruleNamed(id);
    expect(text.startsWith(`${id} (`)).toBe(true);
    for (const part of [summary, ...wrong.split('\n'), ...right.split('\n')])
      expect(text).toContain(part);
    expect(text.includes(`# kseal-ignore ${id}: REASON`)).toBe(!always);
    expect(text).toMatch(/[^\n]\n$/);
  });

  test('wraps the reason, but not the examples', () => {
    const lines = explainRule('missing-name').split('\n');
    expect(lines).toEqual([
      'missing-name (error): a Secret without a name',
      '',
      'Kubernetes refuses a Secret that has neither a name nor a generateName, and a',
      'value with scope strict is bound to the name.',
      '',
      'Wrong:',
      '  kind: Secret',
      '  metadata:',
      '    namespace: hr',
      '',
      'Right:',
      '  kind: Secret',
      '  metadata:',
      '    name: db',
      '    namespace: hr',
      '',
      'To suppress one finding, add a comment to its line or the line above:',
      '  # kseal-ignore missing-name: REASON',
      'To change the severity everywhere, in .kseal.yaml:',
      '  verify: { rules: { missing-name: off } }     # or warning, or error',
      '',
    ]);
  });

  test.each([
    [
      'plaintext-valeu',
      'did you mean plaintext-value? To explain it: kseal verify --explain plaintext-value',
    ],
    ['wrongkey', 'did you mean wrong-key? To explain it: kseal verify --explain wrong-key'],
    ['nonsense-altogether', 'to list the rules: kseal verify --explain'],
  ])('rejects the unknown rule %s', (word, hint) => {
    expect(thrownBy(() => explainRule(word))).toMatchObject({
      code: 'USAGE',
      message: `unknown rule "${word}"`,
      hint,
    });
  });
});
