import { looksSealed } from '../jwe/looks-sealed.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Problem } from '../manifest/problem.ts';
import { sealCommand } from '../rules/hints.ts';
import type { Fault } from '../rules/rule.ts';
import { childrenOf, type Position, positionsIn, type YamlNode } from '../yaml-node.ts';
import { isSops, isSopsText } from './foreign.ts';
import { isPlaceholder, placeholderFault } from './template.ts';

/** What the reader could not make sense of, each with the one rule that it breaks. */
export function judgeProblems({ path, source, roots, problems }: Manifest): readonly Fault[] {
  if (problems.length === 0) return [];
  const textAt = textsIn(source, roots);
  const sops = roots.some((root) => root.kind === 'map' && isSops(root));
  // Without roots the text is no YAML, and all but the first error follow from that one.
  const told = roots.length === 0 ? problems.slice(0, 1) : problems;
  return told.flatMap((problem): readonly Fault[] => {
    if (problem.id === 'unparsable') return [unparsable(problem, source)];
    const text = textAt(problem.position);
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

/** The text of what stands at a position, on all its lines; never shown. */
function textsIn(source: string, roots: readonly YamlNode[]): (position: Position) => string {
  const position = positionsIn(source);
  const name = ({ line, column }: Position) => `${line}:${column}`;
  const texts = new Map<string, string>();
  const add = (node: YamlNode): void => {
    if (node.kind === 'scalar') texts.set(name(position(node.start)), node.text);
    // `{{ .x }}` is YAML for a map in a map.
    else if (node.kind === 'map' && node.flow)
      texts.set(name(position(node.start)), source.slice(node.start, node.end));
    if (node.kind !== 'alias') for (const child of childrenOf(node)) add(child);
  };
  for (const root of roots) add(root);
  return (at) => texts.get(name(at)) ?? '';
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
