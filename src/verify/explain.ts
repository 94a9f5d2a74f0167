import { KsealError } from '../errors.ts';
import { suggest } from '../text.ts';
import type { Rule } from './rule.ts';
import { rules } from './rules/index.ts';

const WIDTH = 80;

/** The rule of that id. Throws USAGE for another word, with the rule that may have been meant. */
export function ruleNamed(id: string): Rule {
  const rule = rules.find((candidate) => candidate.id === id);
  if (rule !== undefined) return rule;
  const ids = rules.map((candidate) => candidate.id);
  const meant = suggest(id, ids);
  throw new KsealError('USAGE', `there is no rule "${id}"`, {
    hint: meant === undefined ? `the rules: ${ids.join(', ')}` : `did you mean ${meant}?`,
  });
}

/** What `kseal verify --explain` says about a rule, its last line ended. Throws USAGE. */
export function explainRule(id: string): string {
  const { severity, summary, why, wrong, right, always } = ruleNamed(id);
  const silence = always
    ? ['Nothing silences it.']
    : [
        'To silence one finding, with the reason for it, on its line or the one above:',
        `  # kseal-ignore ${id}: REASON`,
        'To change it everywhere, in .kseal.yaml:',
        `  verify: { rules: { ${id}: off } }     # or warning, or error`,
      ];
  const parts = [
    [`${id} (${severity}): ${summary}`],
    wrapped(why),
    ['Wrong:', ...indented(wrong)],
    ['Right:', ...indented(right)],
    silence,
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

const indented = (text: string) => text.split('\n').map((line) => `  ${line}`);

function wrapped(text: string): readonly string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trim();
    if (line.length > WIDTH && lines.at(-1) !== '') lines.push(word);
    else lines[lines.length - 1] = line;
  }
  return lines;
}
