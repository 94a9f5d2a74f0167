import fc from 'fast-check';
import type { Report, Tool } from '../../src/report/report.ts';
import type { Finding, Rule } from '../../src/verify/rule.ts';

export function finding(changes: Partial<Finding> = {}): Finding {
  return {
    code: 'plaintext-value',
    severity: 'error',
    path: 'deploy/db.yaml',
    position: { line: 11, column: 13 },
    secret: 'hr/db',
    key: 'password',
    message: 'the value is not sealed',
    hint: 'kseal seal -i -f deploy/db.yaml',
    ...changes,
  };
}

export function report(changes: Partial<Report> = {}): Report {
  return {
    findings: [],
    hidden: [],
    suppressed: [],
    files: ['deploy/db.yaml', 'deploy/web.yaml'],
    secrets: 2,
    values: 3,
    sealed: 3,
    failOn: 'error',
    notes: [],
    ...changes,
  };
}

/** A report with findings of both severities, a suppressed finding and a note. */
export const mixed = report({
  findings: [
    finding({ key: 'user', position: { line: 9, column: 9 } }),
    finding(),
    finding({
      code: 'string-data',
      severity: 'warning',
      path: 'deploy/web.yaml',
      position: { line: 120, column: 1 },
      secret: 'web',
      key: undefined,
      message: 'stringData is not removed by kubectl apply',
      hint: undefined,
    }),
  ],
  suppressed: [
    { ...finding({ code: 'weak-key', message: 'a key of 2048 bits' }), reason: 'until May' },
  ],
  files: ['deploy/clean.yaml', 'deploy/db.yaml', 'deploy/web.yaml'],
  values: 5,
  notes: ['no key is known, so unknown-kid was not judged'],
});

function rule(id: string, severity: Rule['severity']): Rule {
  return {
    id,
    severity,
    summary: `about ${id}`,
    why: `Why ${id} matters.`,
    wrong: 'stringData:\n  a: ```b```',
    right: 'data:\n  a: ZXlK',
  };
}

export const tool: Tool = {
  version: '1.2.3',
  informationUri: 'https://example.com/kseal',
  rules: [rule('plaintext-value', 'error'), rule('string-data', 'warning')],
};

export const plain = (_colour: string, text: string): string => text;

/** Texts with characters that are special in one of the formats, or in a terminal. */
const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(
        ...['"', "'", '\n', '\r', '<', '>', '&', ']]>', '%', '%0A', ':', '::', ',', '##['],
        ...['[a](b)', '{0}', '`', '\\', '/', '..', 'C:/', '\u0000', '\u001B[31m', '\u009B'],
        ...['\u202E', '\u2028', '\uD800', '\uDC00', '\uFFFE', '\uFEFF', '👩‍💻', 'é', ' ', 'a'],
        ...['-->', '<![CDATA['],
      ),
      { minLength: 1, maxLength: 8 },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom('x'.repeat(100_000), '__proto__', 'constructor', ''),
);

const members = {
  code: fc.constantFrom('plaintext-value', 'string-data', 'not-in-the-table'),
  severity: fc.constantFrom('error', 'warning'),
  path: odd,
  position: fc.record({ line: fc.integer({ min: 1 }), column: fc.integer({ min: 1 }) }),
  secret: fc.option(odd, { nil: undefined }),
  key: fc.option(odd, { nil: undefined }),
  message: odd,
  hint: fc.option(odd, { nil: undefined }),
} as const;
const anyFinding: fc.Arbitrary<Finding> = fc.record(members);

export const anyReport: fc.Arbitrary<Report> = fc.record({
  findings: fc.array(anyFinding, { maxLength: 4 }),
  hidden: fc.array(anyFinding, { maxLength: 2 }),
  suppressed: fc.array(fc.record({ ...members, reason: odd }), { maxLength: 2 }),
  files: fc.array(odd, { maxLength: 3 }),
  secrets: fc.nat(9),
  values: fc.nat(9),
  sealed: fc.nat(9),
  failOn: fc.constantFrom('error', 'warning'),
  notes: fc.array(odd, { maxLength: 2 }),
});
