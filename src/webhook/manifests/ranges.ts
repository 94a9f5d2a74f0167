import { sealedBeginnings } from '../../jwe/detect.ts';

/** The texts from `from` up to, but without, `below`: all those that begin with one prefix. */
export interface TextRange {
  readonly from: string;
  readonly below: string;
}

/** What the base64 texts under `data` that look sealed begin with, as ranges. */
export const sealedRanges: readonly TextRange[] = sealedBeginnings
  .map((octets) => Buffer.from(octets).toString('base64'))
  .map((from) => ({ from, below: successor(from) }));

/** The least text that is greater than all those that begin with `prefix`. */
function successor(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/**
 * A CEL expression, of several lines: whether the value `name` looks sealed. CEL charges
 * `startsWith` by the length of the value, comparisons by that of the shorter text; neither
 * takes null.
 */
export function looksSealedInCel(name: string): string {
  const isIn = ({ from, below }: TextRange) => `    ${name} >= '${from}' && ${name} < '${below}'`;
  return `${name} != null && (\n${sealedRanges.map(isIn).join(' ||\n')}\n  )`;
}
