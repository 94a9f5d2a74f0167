// Proves the admission webhook on a real API server: `npm run test:cluster`. It starts etcd,
// kube-apiserver and the webhook on 127.0.0.1, installs what `kseal webhook manifests` prints with
// the commands that stand in it, and uses kubectl as people do. What it needs is built the first
// time, from Go modules; nothing of it stays but that.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binaries } from './binaries.mjs';
import { checklist } from './checklist.mjs';
import { healing } from './checks/healing.mjs';
import { beforeInstallation, installation } from './checks/installation.mjs';
import { limits } from './checks/limits.mjs';
import { opening } from './checks/opening.mjs';
import { kmsOutage, webhookOutage } from './checks/outage.mjs';
import { ownership } from './checks/ownership.mjs';
import { refusing } from './checks/refusing.mjs';
import { traces } from './checks/traces.mjs';
import { endAll } from './services.mjs';
import { createWorld } from './world.mjs';

/** Each goes on in the cluster that those before it have left. */
const chapters = {
  'before the webhook': beforeInstallation,
  installation,
  opening,
  'server-side apply': ownership,
  refusing,
  'KMS outage': kmsOutage,
  limits,
  'webhook outage': webhookOutage,
  healing,
  traces,
};

const print = (line) => process.stdout.write(`${line}\n`);
const programs = await binaries(print);
const folder = mkdtempSync(join(tmpdir(), 'kseal-cluster-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// Ends what runs in the background, too.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const { check, count } = checklist(print);
try {
  const world = await createWorld(folder, programs);
  print(`Kubernetes ${programs.version}`);
  for (const [title, chapter] of Object.entries(chapters)) {
    print(title);
    await chapter(world, check);
  }
} finally {
  await endAll();
}
if (count.failed > 0) process.exitCode = 1;
print(`${count.passed} passed, ${count.failed} failed`);
