// The programs of a cluster. Each version of Kubernetes is built once, from Go modules, into a
// cache outside the repository.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output } from '../interop/process.mjs';

const modules = join(import.meta.dirname, 'binaries');

/** Long enough to download and compile on a slow machine; milliseconds. */
const building = { timeout: 3_600_000 };

const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
};

/**
 * Builds the programs that are missing. Resolves to the version of Kubernetes, the folder of the
 * programs, and their paths by name. Needs Go, which may download the toolchain named in go.mod.
 */
export async function binaries(print) {
  const goMod = readFileSync(join(modules, 'go.mod'), 'utf8');
  const version = /^\s*k8s\.io\/kubernetes (\S+)/m.exec(goMod)[1];
  const hash = createHash('sha256').update(goMod).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `${version}-${hash}`);
  await mkdir(folder, { recursive: true });
  const paths = {};
  for (const [name, path] of Object.entries(packages)) {
    paths[name] = join(folder, name);
    if (existsSync(paths[name])) continue;
    print(`building ${name}: takes minutes, the first time only`);
    await build(path, version, paths[name]);
  }
  return { version, folder, paths };
}

function cacheFolder() {
  if (process.env.KSEAL_CLUSTER_CACHE) return process.env.KSEAL_CLUSTER_CACHE;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-cluster');
}

async function build(path, version, target) {
  // Without these variables kube-apiserver reports v0.0.0 and disables all newer APIs.
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version);
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = Object.entries(values).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  const ldflags = ['-s', '-w', ...variables].join(' ');
  const args = ['build', '-trimpath', '-mod=readonly', '-ldflags', ldflags];
  const env = { ...process.env, CGO_ENABLED: '0' };
  // An interrupted build must not leave an incomplete program under the final name.
  const part = `${target}.${process.pid}`;
  await output('go', [...args, '-o', part, path], { cwd: modules, env, ...building });
  await rename(part, target);
}
