// The programs of a cluster. Each version of Kubernetes is built once, from Go modules, into a
// cache outside the repository.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output, run } from '../interop/process.mjs';

const modules = join(import.meta.dirname, 'binaries');

/** The releases of Kubernetes that can be built, the oldest first. */
export const releases = readdirSync(modules).sort(
  (a, b) => Number(a.split('.')[1]) - Number(b.split('.')[1]),
);

/** Long enough to download and compile on a slow machine; milliseconds. */
const building = { timeout: 3_600_000 };

const packagesOfRelease = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
};

/** The programs that check and install a Helm chart. */
const packagesOfCharts = {
  helm: 'helm.sh/helm/v4/cmd/helm',
  helm3: 'helm.sh/helm/v3/cmd/helm',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform',
  promtool: 'github.com/prometheus/prometheus/cmd/promtool',
};

/**
 * Returns the version of Kubernetes in a release, the folder of the programs, their paths by name,
 * and the names of those that are not built yet.
 */
export const binariesOf = (release) => programsOf(join(modules, release), packagesOfRelease);

/** Returns the same of the programs for charts, which have no version of Kubernetes. */
export const chartBinaries = () =>
  programsOf(join(import.meta.dirname, 'charts'), packagesOfCharts);

function programsOf(source, packages) {
  const goMod = readFileSync(join(source, 'go.mod'), 'utf8');
  const [, version] = /^\s*k8s\.io\/kubernetes (\S+)/m.exec(goMod) ?? [];
  const go = /^go (\S+)/m.exec(goMod)[1];
  const hash = createHash('sha256').update(goMod).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), `${version ?? 'charts'}-${hash}`);
  const names = Object.keys(packages);
  const paths = Object.fromEntries(names.map((name) => [name, join(folder, name)]));
  const missing = names.filter((name) => !existsSync(paths[name]));
  return { source, version, go, folder, paths, packages, missing };
}

/** Builds the missing programs. Rejects with one line about what the machine lacks. */
export async function build({ source, version, go, folder, paths, packages, missing }, print) {
  if (missing.length === 0) return;
  await output('go', ['version']).catch(() => {
    throw new Error(`Go is not installed: install Go ${go} or newer (https://go.dev/dl)`);
  });
  await mkdir(folder, { recursive: true });
  for (const name of missing) {
    print(
      `building ${[name, version].filter(Boolean).join(' ')}: takes minutes, the first time only`,
    );
    // An interrupted build must not leave an incomplete program under the final name.
    const part = `${paths[name]}.${process.pid}`;
    const args = ['build', '-trimpath', '-mod=readonly', '-ldflags', ldflags(version)];
    const env = { ...process.env, CGO_ENABLED: '0' };
    const built = await run('go', [...args, '-o', part, packages[name]], {
      ...{ cwd: source, env },
      ...building,
    });
    if (built.code !== 0) throw new Error(`cannot build ${name}: ${reason(`${built.stderr}`, go)}`);
    await rename(part, paths[name]);
  }
}

/** Without these variables kube-apiserver reports v0.0.0 and disables all newer APIs. */
function ldflags(version) {
  if (version === undefined) return '-s -w';
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version);
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = Object.entries(values).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return ['-s', '-w', ...variables].join(' ');
}

/** Returns the cause of a failed build, in one line: what is missing, or else the words of go. */
function reason(stderr, go) {
  const lines = stderr.trim().split('\n');
  const last = lines.filter((line) => !line.startsWith('go: downloading')).at(-1) ?? '';
  if (/requires go >=|unknown directive|invalid go version|toolchain/.test(stderr))
    return `it needs Go ${go} or newer (https://go.dev/dl): ${last}`;
  if (/dial tcp|no such host|GOPROXY|proxyconnect|i\/o timeout|reading https?:/.test(stderr))
    return `the module proxy cannot be reached (go env GOPROXY): ${last}`;
  return last;
}

function cacheFolder() {
  if (process.env.KSEAL_CLUSTER_CACHE) return process.env.KSEAL_CLUSTER_CACHE;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-cluster');
}
