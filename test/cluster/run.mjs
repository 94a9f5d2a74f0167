// Tests the admission webhook with a real API server: `npm run test:cluster`. Starts etcd,
// kube-apiserver and the webhook on 127.0.0.1, installs the output of `kseal webhook manifests`
// with the commands in its notes, and uses kubectl. The programs are built from Go modules the
// first time. Only the programs remain afterwards.
//
// `-- --kubernetes 1.30` chooses a release in binaries/ instead of the newest one, and
// `-- --if-built` skips the tests if its programs are not built yet.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { binariesOf, build, chartBinaries, releases } from './binaries.mjs';
import { checklist } from './checklist.mjs';
import { charts } from './checks/charts.mjs';
import { costWith, costWithout } from './checks/cost.mjs';
import { doctor } from './checks/doctor.mjs';
import { healing } from './checks/healing.mjs';
import { beforeInstallation, installation } from './checks/installation.mjs';
import { lifeCycle } from './checks/life-cycle.mjs';
import { limits } from './checks/limits.mjs';
import { opening } from './checks/opening.mjs';
import { kmsOutage, webhookOutage } from './checks/outage.mjs';
import { ownership } from './checks/ownership.mjs';
import { refusing } from './checks/refusing.mjs';
import { stored, storing } from './checks/stored.mjs';
import { traces } from './checks/traces.mjs';
import { endAll } from './services.mjs';
import { createWorld } from './world.mjs';

/** Each chapter continues with the cluster as the previous one left it. */
const chapters = {
  'cost without the webhook': costWithout,
  'before the webhook': beforeInstallation,
  'storing sealed': storing,
  installation,
  'cost with the webhook': costWith,
  opening,
  'server-side apply': ownership,
  refusing,
  'KMS outage': kmsOutage,
  limits,
  'stored sealed': stored,
  'webhook outage': webhookOutage,
  healing,
  doctor,
  'Helm chart': charts,
  traces,
  'life cycle': lifeCycle,
};

const print = (line) => process.stdout.write(`${line}\n`);
const programs = await prepare().catch(({ message }) => {
  process.stderr.write(`npm run test:cluster: ${message}\n`);
  process.exit(1);
});
const folder = mkdtempSync(join(tmpdir(), 'kseal-cluster-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// process.exit also ends the services: see services.mjs.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const { check, count } = checklist(print);
try {
  const world = await createWorld(folder, programs);
  print(`Kubernetes ${programs.version}`);
  for (const [title, chapter] of Object.entries(chapters)) {
    print(title);
    await chapter(world, check, print);
  }
} finally {
  await endAll();
}
if (count.failed > 0) process.exitCode = 1;
print(`${count.passed} passed, ${count.failed} failed`);

/** Resolves to the programs of the chosen release, built; ends the process if there are none to test. */
async function prepare() {
  const options = { kubernetes: { type: 'string' }, 'if-built': { type: 'boolean' } };
  const { kubernetes = releases.at(-1), 'if-built': ifBuilt } = parseArgs({ options }).values;
  if (!releases.includes(kubernetes))
    throw new Error(`no release ${kubernetes}; releases: ${releases.join(', ')}`);
  const [chosen, tools] = [binariesOf(kubernetes), chartBinaries()];
  if (ifBuilt && chosen.missing.length + tools.missing.length > 0) {
    print(`skipped: Kubernetes ${chosen.version} is not built yet: npm run test:cluster`);
    process.exit(0);
  }
  for (const programs of [chosen, tools]) await build(programs, print);
  return { ...chosen, tools };
}
