import type { ReaderCode } from '../../manifest/types.ts';
import type { ReaderProblem, Rule } from '../rule.ts';

export const invalidValue: Rule = {
  id: 'invalid-value',
  severity: 'error',
  summary: 'a field of the wrong type',
  why: 'Names and values are strings. Without quotes, YAML readers parse 0123, yes, null or 2024-01-01 as something else, and not all as the same. A value that contains plaintext is reported as plaintext-value.',
  wrong: 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: 0123',
  right: 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "0123"',
  inTemplates: true,
  checkProblem: (problem) => (isInvalid(problem) ? problem : undefined),
};

const always: readonly ReaderCode[] = ['wrong-type', 'null-value', 'not-a-scalar'];
// As the value of a data key, these are plaintext, or a damaged sealed value.
const inNames: readonly ReaderCode[] = ['ambiguous-scalar', 'not-base64'];

function isInvalid({ code, key, inTemplate }: ReaderProblem): boolean {
  // Rendering may still change everything but the values of data keys.
  if (inTemplate && (key === undefined || code === 'null-value')) return false;
  return always.includes(code) || (key === undefined && inNames.includes(code));
}
