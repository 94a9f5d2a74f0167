import { findSealed } from '../jwe/detect.ts';
import { positionsIn } from '../yaml/node.ts';
import type { Fault, JudgedSecret } from './rule.ts';
import { stillSealed } from './rules/refused-key.ts';

/**
 * What `--fail-if-kid` asks for and is the value of no Secret: in Helm values, in a template, or
 * in what cannot be read. It needs its key all the same.
 */
export function strayFaults(
  source: string,
  secrets: readonly JudgedSecret[],
  refusedKids: ReadonlySet<string>,
): readonly Fault[] {
  if (refusedKids.size === 0) return [];
  const known = new Set(
    secrets.flatMap(({ values }) =>
      values.flatMap(({ jwe, bytes }) => (jwe ? Buffer.from(bytes).toString('latin1').trim() : [])),
    ),
  );
  const position = positionsIn(source);
  return findSealed(source).flatMap(({ offset, jwe, kid }) => {
    if (kid === undefined || !refusedKids.has(kid) || known.has(jwe)) return [];
    const { message, hint } = stillSealed(kid);
    const said = `a sealed value that stands in no Secret ${message}`;
    return [{ rule: 'refused-key', position: position(offset), message: said, hint }];
  });
}
