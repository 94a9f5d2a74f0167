// The tools of the checks: a cluster, kubectl, kseal, a KMS, and the webhook's manifests.
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { output, run } from '../interop/process.mjs';
import { startApiServer } from './api-server.mjs';
import { startEgress } from './egress.mjs';
import { startKms } from './kms.mjs';
import { kubectlWith } from './kubectl.mjs';
import { startPod } from './pod.mjs';

const bin = join(import.meta.dirname, '../../bin/kseal.js');
const cryptoKey = 'projects/acme/locations/europe-west3/keyRings/kseal/cryptoKeys/hr';

/** The audit level for Secrets is Metadata, as docs/cluster.md requires, but Request in this namespace. */
export const AUDITED = 'audited-at-request';

const auditRules = [
  { level: 'Request', namespaces: [AUDITED], resources: [{ group: '', resources: ['secrets'] }] },
  { level: 'Metadata' },
];

/** Creates keys and manifests in a folder, and starts a cluster without installing the webhook. */
export async function createWorld(folder, programs) {
  const kms = await startKms(cryptoKey);
  const kseal = ksealIn(folder, kms.endpoint);
  await kseal(['keygen', '-o', 'prod']);
  await kseal(['fetch-pubkey', `gcpkms://${cryptoKey}`, '-o', 'hr.pub']);
  const manifests = (...flags) => kseal([...manifestArguments(kms.endpoint), ...flags]);
  await manifests('--tls', 'self-signed', '-o', 'base');
  const egress = join(folder, 'egress.sock');
  const pods = new Map();
  const portOf = (address) => [...pods.values()].find((one) => one.address === address)?.port;
  await startEgress(egress, portOf);
  const admission = installInApiServer(folder);
  const server = { folder, programs: programs.paths, admission, auditRules, egress };
  const { kubeconfig, restart, audited } = await startApiServer(server);
  const shell = shellIn(folder, [programs.folder, programs.tools.folder], kubeconfig);
  const cluster = kubectlWith((args, options) => shell('kubectl', args, options));
  const startWebhook = async (namespace = 'kseal') => {
    pods.set(namespace, await startPod({ folder, get: cluster.get, namespace }));
  };
  const pod = (namespace = 'kseal') => pods.get(namespace);
  return {
    ...{ folder, programs, kms, kseal, manifests, shell, audited, cryptoKey },
    ...cluster,
    seal: sealWith(kseal),
    startWebhook,
    stopWebhook: (namespace) => pod(namespace).stop(),
    updateVolumes: () => pod().update(),
    webhookPort: () => pod().port,
    restartApiServer: restart,
    /** Resolves to the findings of `kseal verify` about a manifest. */
    verify: async (manifest) => {
      const args = [bin, 'verify', '-', '--format', 'json'];
      const { stdout } = await shell(process.execPath, args, { stdin: JSON.stringify(manifest) });
      return JSON.parse(stdout).findings;
    },
    /**
     * Runs `kseal doctor` in a folder. Resolves to its exit code, its findings about the cluster, and
     * its output.
     */
    doctor: async (cwd, ...flags) => {
      const args = [bin, 'doctor', '--json', ...flags];
      const { code, stdout, stderr } = await shell(process.execPath, args, { cwd });
      if (code > 1) throw new Error(stderr.trim());
      const isOfCluster = ({ check }) => check.startsWith('cluster-');
      const findings = JSON.parse(stdout).findings.filter(isOfCluster);
      return { code, findings, text: stdout + stderr };
    },
  };
}

/** Seals all values of a manifest: without flags to the key in the KMS. */
function sealWith(kseal) {
  return async (manifest, ...flags) => {
    const how = flags.length > 0 ? flags : ['-k', 'hr.pub'];
    return JSON.parse(await kseal(['seal', '-f', '-', ...how], JSON.stringify(manifest)));
  };
}

function manifestArguments(endpoint) {
  const keys = ['-k', `gcpkms://${cryptoKey}`, '-k', 'prod.pem', '--key-secret', 'kseal-keys'];
  const access = ['--client-name', 'kube-apiserver', '--api-server-from', '10.0.0.2/32'];
  const image = ['--image', `registry.example.org/kseal@sha256:${'0'.repeat(64)}`];
  return ['webhook', 'manifests', ...image, ...keys, ...access, '--kms-endpoint', endpoint];
}

/** Follows the notes: the control plane needs two of the files, in a folder of its own. */
function installInApiServer(folder) {
  const text = readFileSync(join(folder, 'base-private/apiserver-admission.yaml'), 'utf8');
  const path = join(folder, 'control-plane/admission.yaml');
  const kubeconfig = join(folder, 'control-plane/kubeconfig.yaml');
  mkdirSync(join(folder, 'control-plane'));
  copyFileSync(join(folder, 'base-private/apiserver-kubeconfig.yaml'), kubeconfig);
  writeFileSync(path, text.replace('/etc/kubernetes/kseal/kubeconfig.yaml', kubeconfig));
  return path;
}

/** Runs kseal in the folder without the caller's environment. Resolves to its stdout. */
function ksealIn(folder, endpoint) {
  const env = { PATH: process.env.PATH, HOME: folder, KSEAL_KMS_ENDPOINT: endpoint };
  return (args, stdin) => output(process.execPath, [bin, ...args], { cwd: folder, env, stdin });
}

/** Runs a program with the built ones and kseal in its PATH. Resolves to `{ code, stdout, stderr }`. */
function shellIn(folder, programs, kubeconfig) {
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  symlinkSync(bin, join(tools, 'kseal'));
  const PATH = [tools, ...programs, process.env.PATH].join(delimiter);
  const env = { PATH, HOME: folder, KUBECONFIG: kubeconfig };
  return async (program, args, options) => {
    const { code, stdout, stderr } = await run(program, args, { cwd: folder, env, ...options });
    return { code, stdout: stdout.toString(), stderr: stderr.toString() };
  };
}
