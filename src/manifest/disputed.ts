import type { YamlScalar } from '../yaml/node.ts';
import { match } from './splice.ts';

export type Doubt = readonly [message: string, hint: string];

interface Dispute {
  readonly doubt: Doubt;
  readonly concerns: (node: YamlScalar, source: string) => boolean;
}

// Found by comparing yaml 2.9.1 with PyYAML 6.0.3 and kubectl 1.32 on random scalars.
const disputes: readonly Dispute[] = [
  {
    doubt: [
      'ends with the file, and YAML readers disagree on its last line break',
      'end the file with a line break, or write |- in place of |',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      end === source.length &&
      !source.endsWith('\n') &&
      !blockHeader(source, start).includes('-'),
  },
  {
    doubt: ['ends in lines of spaces, on which YAML readers disagree', 'remove the spaces'],
    concerns: (node, source) =>
      node.style === 'block' &&
      (/\d/.test(blockHeader(source, node.start)) || node.text.trim() === '') &&
      /\n[ \t]+(?:\r?\n|$)/.test(emptyLinesAtEnd(node, source)),
  },
  {
    doubt: [
      'ends with the file in a line of spaces, on which YAML readers disagree',
      'remove the spaces',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'block' &&
      blockHeader(source, start).includes('+') &&
      /^(?:[ \t]*\r?\n)*[ \t]+$/.test(source.slice(end)),
  },
  {
    doubt: [
      'has an empty line behind a \\, on which YAML readers disagree',
      'write \\n for the line break',
    ],
    concerns: ({ style, start, end }, source) =>
      style === 'double' && /\\\r?\n[ \t]*\r?\n/.test(source.slice(start, end)),
  },
];

/** Why YAML readers, the package yaml being one, disagree on the string that `node` stands for. */
export function disputeAbout(node: YamlScalar, source: string): Doubt | undefined {
  return disputes.find(({ concerns }) => concerns(node, source))?.doubt;
}

/** The indicators of a block scalar: `|`, `>-`, `|2+` and the like. */
export function blockHeader(source: string, start: number): string {
  return match(/[|>][-+0-9]*/y, source, start);
}

/** From the last line break before an empty line on, as far as empty lines go. */
function emptyLinesAtEnd({ start, end }: YamlScalar, source: string): string {
  const lines = source.slice(start, end) + match(/(?:[ \t]*\r?\n)*(?:[ \t]+$)?/y, source, end);
  return lines.slice(lines.trimEnd().length);
}
