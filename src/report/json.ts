import { jsonText } from '../text.ts';
import type { Finding } from '../verify/rule.ts';
import { type Reporter, tallyOf } from './report.ts';

/**
 * JSON for scripts, with the schema docs/verify.schema.json. `version` changes if a
 * member changes its meaning or is removed; new members may be added.
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

/** Lists the members, so that no other one is ever printed. */
function memberOf({ code, severity, path, position, secret, key, message, hint }: Finding) {
  return {
    rule: code,
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
