import assert from 'node:assert/strict';
import { accepted } from '../checklist.mjs';
import { many, secret } from '../secrets.mjs';

const counts = [1_000, 4_000, 16_000];

/** The costs without the webhook, by the number of data keys. */
const without = new Map();

/** Measures what plain Secrets cost the API server before the webhook is installed. */
export async function costWithout(world, check) {
  await check('the cost of plain Secrets is measured', async () => {
    accepted(await world.kubectl('create', 'namespace', 'cost'));
    for (const count of counts) without.set(count, await costOf(world, count));
  });
}

/** Prints and checks what they cost with the match conditions and the policy. */
export async function costWith(world, check, print) {
  print('  data keys   without      with   ratio (CPU time of the API server)');
  for (const count of counts) {
    const [before, after] = [without.get(count), await costOf(world, count)];
    const columns = [
      `${count}`.padStart(11),
      ...[before, after].map((seconds) => `${seconds.toFixed(2)} s`.padStart(10)),
      (after / before).toFixed(1).padStart(8),
    ];
    print(columns.join(''));
    await check(`${count} data keys cost at most 1.3 times as much and 1 s more`, () => {
      assert.ok(after <= 1.3 * before + 1, `${after} s of CPU time instead of ${before} s`);
    });
  }
}

const ATTEMPTS = 3;

/** The CPU seconds that the API server needs for a dry run, whatever else the machine does. */
async function costOf({ kubectl, create }, count) {
  // This base64 sorts after all prefixes, so that no comparison ends early.
  const wide = secret('cost', 'wide', many(count, Buffer.from('zzzzzzzzzzzzzzzz', 'base64')));
  const start = await cpuSeconds(kubectl);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++)
    accepted(await create(wide, '--dry-run=server', '--validate=false', '-o', 'name'));
  return ((await cpuSeconds(kubectl)) - start) / ATTEMPTS;
}

async function cpuSeconds(kubectl) {
  const metrics = accepted(await kubectl('get', '--raw', '/metrics'));
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(metrics)[1]);
}
