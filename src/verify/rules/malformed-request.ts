import type { Rule } from '../rule.ts';

export const malformedRequest: Rule = {
  id: 'malformed-request',
  severity: 'error',
  summary: 'a secret request that kseal fill cannot read',
  why: 'A secret request lists values that somebody else is to provide, and where they go. If it has an unknown field or a wrong name, the person who is asked cannot answer it. A request has no field for a value, because it is committed before it is answered, and in plaintext.',
  wrong: 'values:\n  password:\n    label: Password of the database\n    value: …',
  right: 'values:\n  password:\n    label: Password of the database\n    min: 12',
  covers: 'line',
  checkRequest: ({ problems }) => problems,
};
