import type { Rule } from '../rules/rule.ts';

/** A rule as SARIF describes it (§3.49). */
export function descriptorOf({ id, severity, summary, why, wrong, right }: Rule) {
  return {
    id,
    shortDescription: { text: summary },
    fullDescription: { text: why },
    help: {
      text: `${why}\n\nWrong:\n\n${wrong}\n\nRight:\n\n${right}\n`,
      markdown: `${why}\n\n**Wrong**\n\n${fenced(wrong)}\n\n**Right**\n\n${fenced(right)}\n`,
    },
    defaultConfiguration: { level: severity },
    properties: { tags: ['security', 'kubernetes'] },
  };
}

/** A fence is longer than any run of backticks within it (CommonMark §4.5). */
function fenced(yaml: string): string {
  const longest = Math.max(0, ...(yaml.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}yaml\n${yaml}\n${fence}`;
}

/**
 * A message of a result (§3.11). `{0}` would be a placeholder, so braces are doubled (§3.11.5), and
 * `[text](destination)` a link (§3.11.6), which a name from a file must not set; it has no escape.
 */
export function messageOf(text: string): { readonly text: string } {
  return {
    text: text.replaceAll('](', '] (').replaceAll('{', '{{').replaceAll('}', '}}'),
  };
}
