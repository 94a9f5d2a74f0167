import type { Rule } from '../rule.ts';

export const invalidValue: Rule = {
  id: 'invalid-value',
  severity: 'error',
  summary: 'something of another type than Kubernetes wants there',
  why: 'Names and values are strings. Without quotes, YAML readers take 0123, yes, null or 2024-01-01 for something else, and they do not agree for what. A value that holds a plaintext is reported as plaintext-value.',
  wrong: 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: 0123',
  right: 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "0123"',
};
