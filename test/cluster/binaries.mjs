// The programs of a cluster. They are built from their Go modules into a cache outside the
// repository, under the version of Kubernetes, and used from there the next time.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output } from '../interop/process.mjs';

const modules = join(import.meta.dirname, 'binaries');

/** Enough to download and compile on a slow machine. */
const building = { timeout: 3_600_000 };

const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
};

/**
 * Builds what is not there yet. Resolves to the version of Kubernetes, the folder of the programs,
 * and their paths by name. Needs Go, which may fetch a toolchain of the version that go.mod names.
 */
export async function binaries(print) {
  const required = readFileSync(join(modules, 'go.mod'), 'utf8');
  const version = /^\s*k8s\.io\/kubernetes (\S+)/m.exec(required)[1];
  const bill = createHash('sha256').update(required).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `${version}-${bill}`);
  await mkdir(folder, { recursive: true });
  const paths = {};
  for (const [name, path] of Object.entries(packages)) {
    paths[name] = join(folder, name);
    if (existsSync(paths[name])) continue;
    print(`building ${name}, once; this takes minutes`);
    await build(path, version, paths[name]);
  }
  return { version, folder, paths };
}

function cacheFolder() {
  if (process.env.KSEAL_CLUSTER_CACHE) return process.env.KSEAL_CLUSTER_CACHE;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-cluster');
}

async function build(path, version, target) {
  // Without its version kube-apiserver takes itself for v0.0.0, and has no API that is newer.
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version);
  const say = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = Object.entries(say).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  const ldflags = ['-s', '-w', ...variables].join(' ');
  const args = ['build', '-trimpath', '-mod=readonly', '-ldflags', ldflags];
  const env = { ...process.env, CGO_ENABLED: '0' };
  // A build that is cut short leaves nothing that looks whole.
  const part = `${target}.${process.pid}`;
  await output('go', [...args, '-o', part, path], { cwd: modules, env, ...building });
  await rename(part, target);
}
