import assert from 'node:assert/strict';

/** Returns `check`, which runs a check and prints a line for it, and `count`, the totals. */
export function checklist(print) {
  const count = { passed: 0, failed: 0 };
  const check = async (name, attempt) => {
    try {
      await attempt();
      count.passed += 1;
      print(`  ok: ${name}`);
    } catch (error) {
      count.failed += 1;
      print(`  FAILED: ${name}: ${error.message}`);
    }
  };
  return { check, count };
}

/** Asserts that kubectl succeeded without a warning, and returns its stdout. */
export function accepted({ code, stdout, stderr }) {
  assert.equal(stderr.trim(), '');
  assert.equal(code, 0);
  return stdout;
}

/** Asserts that kubectl failed, and that its stderr includes all of `parts`. */
export function refused({ code, stderr }, ...parts) {
  assert.notEqual(code, 0, 'accepted');
  for (const part of parts) assert.ok(stderr.includes(part), `no ${part} in: ${stderr}`);
}

/** Asserts that the webhook refused with a metav1.StatusReason, and mentioned all `names`. */
export function denied(result, reason, ...names) {
  const webhook = 'admission webhook "kseal-webhook.kseal.svc" denied the request: ';
  refused(result, `Error from server (${reason}): `, webhook, ...names);
}
