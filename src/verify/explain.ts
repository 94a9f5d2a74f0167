import { KsealError } from '../errors.ts';
import { suggest, wrapped } from '../text.ts';
import type { Rule } from './rule.ts';
import { rules } from './rules/index.ts';

const WIDTH = 80;

/** Returns the rule with that id. Throws USAGE, with a suggestion, for an unknown id. */
export function ruleNamed(id: string): Rule {
  const rule = rules.find((candidate) => candidate.id === id);
  if (rule === undefined) throw unknownRule(id);
  return rule;
}

/** Returns the error for an unknown id, with a suggestion; undefined for a known one. */
export function unknownRule(id: string): KsealError | undefined {
  const ids = rules.map((rule) => rule.id);
  if (ids.includes(id)) return undefined;
  const meant = suggest(id, ids);
  return new KsealError('USAGE', `unknown rule "${id}"`, {
    hint:
      meant === undefined
        ? 'to list the rules: kseal verify --explain'
        : `did you mean ${meant}? To explain it: kseal verify --explain ${meant}`,
  });
}

/** Returns the list of all rules, in lines of at most 80 characters, with a final newline. */
export function listRules(): string {
  const idWidth = Math.max(...rules.map(({ id }) => id.length)) + 2;
  const before = idWidth + 'warning  '.length;
  const rows = rules.map(({ id, severity, summary }) => {
    const start = id.padEnd(idWidth) + severity.padEnd(before - idWidth);
    return start + wrapped(summary, WIDTH - before).join(`\n${' '.repeat(before)}`);
  });
  return `${rows.join('\n')}\n\nTo explain one: kseal verify --explain ${rules[0]?.id}\n`;
}

/** Returns the text of `kseal verify --explain RULE`, with a final newline. Throws USAGE. */
export function explainRule(id: string): string {
  const { severity, summary, why, wrong, right, always } = ruleNamed(id);
  const suppress = always
    ? ['This rule cannot be suppressed.']
    : [
        'To suppress one finding, add a comment to its line or the line above:',
        `  # kseal-ignore ${id}: REASON`,
        'To change the severity everywhere, in .kseal.yaml:',
        `  verify: { rules: { ${id}: off } }     # or warning, or error`,
      ];
  const parts = [
    [`${id} (${severity}): ${summary}`],
    wrapped(why, WIDTH),
    ['Wrong:', ...indented(wrong)],
    ['Right:', ...indented(right)],
    suppress,
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

const indented = (text: string) => text.split('\n').map((line) => `  ${line}`);
