import { looksSealed } from '../jwe/looks-sealed.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Problem } from '../manifest/problem.ts';
import { sealCommand } from '../rules/hints.ts';
import type { Fault } from '../rules/rule.ts';
import { isSops, isSopsText } from './foreign.ts';
import { isPlaceholder, placeholderFault } from './template.ts';

/** What the reader could not make sense of, each with the one rule that it breaks. */
export function judgeProblems({ path, source, roots, problems }: Manifest): readonly Fault[] {
  if (problems.length === 0) return [];
  const lines = source.replace(/^\uFEFF/, '').split('\n');
  const sops = roots.some((root) => root.kind === 'map' && isSops(root));
  // Without roots the text is no YAML, and all but the first error follow from that one.
  const told = roots.length === 0 ? problems.slice(0, 1) : problems;
  return told.flatMap((problem): readonly Fault[] => {
    if (problem.id === 'unparsable') return [unparsable(problem, source)];
    const text = textAt(lines, problem);
    if (sops && isSopsText(text)) return [];
    if (isPlaceholder(Buffer.from(text))) return [placeholderFault(problem)];
    return [problem.key === undefined ? otherFault(problem) : valueFault(problem, text, path)];
  });
}

function unparsable(problem: Problem, source: string): Fault {
  // JSON can spell a word with escapes.
  const mayBeSecret =
    (/\bkind\b/.test(source) && /\bSecret\b/.test(source)) || /\\[xuU]/.test(source);
  return {
    ...problem,
    rule: 'unparsable',
    hint:
      problem.message === 'duplicate key'
        ? 'remove one of them'
        : 'correct the YAML there, or leave the file out: verify.ignore in .kseal.yaml',
    severity: mayBeSecret ? 'error' : 'warning',
  };
}

/** What stands at a problem, without quotes and the header of a block scalar; never shown. */
function textAt(lines: readonly string[], { position }: Problem): string {
  const rest = lines[position.line - 1]?.slice(position.column - 1) ?? '';
  const text = /^[|>][-+0-9]*\s*(?:#.*)?$/.test(rest) ? (lines[position.line] ?? '') : rest;
  const [, double, single] = /^\s*(?:"([^"]*)"|'([^']*)')/.exec(text) ?? [];
  return double ?? single ?? text.replace(/\s#.*$/, '').trim();
}

const otherRules: Readonly<Partial<Record<Problem['id'], string>>> = {
  unsupported: 'unsupported-yaml',
};

function otherFault(problem: Problem): Fault {
  return { ...problem, rule: otherRules[problem.id] ?? problem.id };
}

/** A value that is not even read may be a plaintext all the same, and that weighs more. */
function valueFault(problem: Problem, text: string, path: string): Fault {
  const { id, message, hint } = problem;
  const holdsNothing = /is null$|is a (?:mapping|sequence)/.test(message);
  if (id !== 'invalid-value' || holdsNothing) return otherFault(problem);
  const reason = message.replace(/^the value /, 'it ');
  if (looksSealed(Buffer.from(text)) || looksSealed(Buffer.from(text.slice(0, 64), 'base64'))) {
    const again = 'it may have been cut or changed while copying; seal the value again';
    const said = `looks like a sealed value, but ${reason}`;
    return { ...problem, rule: 'malformed-jwe', message: said, hint: again };
  }
  return {
    ...problem,
    rule: 'plaintext-value',
    message: `the value is not sealed; besides, ${reason}`,
    hint: `${hint ?? 'correct it'}; then: ${sealCommand(path)}`,
  };
}
