import assert from 'node:assert/strict';

/** Runs checks one after another, prints a line for each, and counts. */
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

/** Asserts that kubectl succeeded without a warning, and passes on what it printed. */
export function accepted({ code, out, said }) {
  assert.equal(said.trim(), '');
  assert.equal(code, 0);
  return out;
}

/** Asserts that kubectl failed, and said so in these words. */
export function refused({ code, said }, ...words) {
  assert.notEqual(code, 0, 'it was accepted');
  for (const part of words) assert.ok(said.includes(part), `it was refused, but said: ${said}`);
}
