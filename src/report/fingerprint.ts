import { createHash } from 'node:crypto';
import type { Finding } from '../rules/rule.ts';
import { inOrder } from './report.ts';

/**
 * What a finding is known by from run to run: its rule, file, Secret and data key, and of several
 * equal ones the how-manieth it is. Neither its line nor any value is part of it.
 */
export function fingerprintsOf(findings: readonly Finding[]): Map<Finding, string> {
  const counts = new Map<string, number>();
  return new Map(
    inOrder(findings).map((finding) => {
      const { rule, path, secret, key } = finding;
      const identity = JSON.stringify([rule, path, secret ?? null, key ?? null]);
      const ordinal = counts.get(identity) ?? 0;
      counts.set(identity, ordinal + 1);
      const hash = createHash('sha256').update(`${identity}${ordinal}`).digest('hex');
      return [finding, hash.slice(0, 32)];
    }),
  );
}
