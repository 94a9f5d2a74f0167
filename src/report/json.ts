import type { Finding } from '../rules/rule.ts';
import { jsonText } from './json-text.ts';
import { type Reporter, tallyOf } from './report.ts';

/**
 * For scripts, as fixtures/report/report.schema.json says. `version` changes when a member
 * changes its meaning or goes; members may be added.
 */
export const json: Reporter = (report) => {
  const { errors, warnings, faulty, files } = tallyOf(report);
  const { secrets, values, sealed, suppressed, hidden } = report;
  const document = {
    version: 1,
    findings: report.findings.map(memberOf),
    suppressed: suppressed.map((finding) => ({ ...memberOf(finding), reason: finding.reason })),
    summary: {
      errors,
      warnings,
      notShown: hidden.length,
      suppressed: suppressed.length,
      files,
      filesWithFindings: faulty,
      secrets,
      values,
      sealed,
    },
    notes: report.notes,
  };
  return jsonText(document);
};

/** Member by member, so that nothing goes out that is not meant to. */
function memberOf({ rule, severity, path, position, secret, key, message, hint }: Finding) {
  return {
    rule,
    severity,
    path,
    line: position.line,
    column: position.column,
    secret: secret ?? null,
    key: key ?? null,
    message,
    hint: hint ?? null,
  };
}
