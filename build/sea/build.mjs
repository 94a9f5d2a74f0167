// Builds standalone/: kseal as one file for people without Node.js, a single executable application,
// with its checksums, its SBOM and the licences. The folder has nothing else.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { build, transform } from 'esbuild';
import { inject } from 'postject';
import {
  licensesOf,
  makeChunks,
  makeWorkers,
  version,
  withFolder,
  workers,
} from '../../build.config.mjs';
import { nodeFor } from './node.mjs';
import { bomOf } from './sbom.mjs';

const root = dirname(dirname(import.meta.dirname));
const isMac = process.platform === 'darwin';
const own = `kseal-${version}-${process.platform}-${process.arch}`;
const name = process.platform === 'win32' ? `${own}.exe` : own;

/** Runs a program and returns whether it is installed; throws its output if it fails. */
function run(program, args, options) {
  try {
    execFileSync(program, args, { stdio: 'pipe', ...options });
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Writes the chunks of the program to a folder, each as a function in ASCII. Returns the metafile. */
async function writeChunks(made) {
  const dist = join(made, 'dist');
  const chunks = join(made, 'chunks');
  await mkdir(chunks);
  const metafile = await makeChunks(dist, { KSEAL_DIST: 'undefined' });
  const names = (await readdir(dist)).filter((name) => name.endsWith('.cjs'));
  for (const path of [join(root, 'bin/kseal.js'), ...names.map((name) => join(dist, name))]) {
    // Without comments, which may have other characters; Node.js prints the line of an uncaught error.
    const lean = { legalComments: 'none', minifyWhitespace: true, lineLimit: 200 };
    const { code } = await transform(await readFile(path, 'utf8'), lean);
    const text = `(function (exports, require, module, __dirname) {${code.replace(/^#!.*/, '')}})`;
    if (/[^\0-\x7f]/.test(text)) throw new Error(`${path}: not ASCII`);
    await writeFile(join(chunks, basename(path)), text);
  }
  return metafile;
}

/** Writes the code caches, and the blob that Node.js finds in the executable. Returns its path. */
async function writeBlob(made, node) {
  const [chunks, caches, threads] = ['chunks', 'caches', 'threads'].map((name) => join(made, name));
  await mkdir(caches);
  run(node, [join(import.meta.dirname, 'warm.mjs'), chunks, caches]);
  await makeWorkers(threads);
  const assets = {};
  for (const name of await readdir(chunks)) {
    assets[`chunk/${name}`] = join(chunks, name);
    assets[`cache/${name}`] = join(caches, name);
  }
  for (const name of Object.keys(workers)) assets[name] = join(threads, name);
  const main = join(made, 'main.cjs');
  const entryPoints = [join(import.meta.dirname, 'main.cjs')];
  await build({ entryPoints, outfile: main, bundle: true, platform: 'node' });
  const output = join(made, 'blob');
  const config = {
    ...{ main, output, assets },
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    // As in the image: SIGUSR1 must not start the inspector, which gives access to the memory.
    execArgv: ['--disable-sigusr1'],
    // NODE_OPTIONS could load code, or start the inspector.
    execArgvExtension: 'none',
  };
  const path = join(made, 'sea-config.json');
  await writeFile(path, JSON.stringify(config));
  run(node, ['--experimental-sea-config', path]);
  return output;
}

/** Puts the blob into a copy of Node.js, and signs it on macOS, which requires a signature. */
async function assemble(made, node, blob) {
  const program = join(made, name);
  const isStripped = process.platform === 'linux' && run('strip', ['-o', program, node]);
  if (!isStripped) await copyFile(node, program);
  if (isMac) run('codesign', ['--remove-signature', program]);
  // postject warns about sections that strip has removed.
  const { warn } = console;
  console.warn = () => {};
  await inject(program, 'NODE_SEA_BLOB', await readFile(blob), {
    sentinelFuse: 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
    machoSegmentName: 'NODE_SEA',
  });
  console.warn = warn;
  if (isMac) run('codesign', ['--sign', '-', program]);
  // An older Node.js ignores execArgvExtension, and fails.
  const env = { ...process.env, NODE_OPTIONS: '--require=/nonexistent' };
  const printed = execFileSync(program, ['--version'], { encoding: 'utf8', env });
  if (printed !== `${version}\n`) throw new Error(`the executable printed ${printed}`);
  return program;
}

/** Replaces standalone/ by the files, which are moved, and their checksums. */
async function install(files) {
  const to = join(root, 'standalone');
  await rm(to, { recursive: true, force: true });
  await mkdir(to);
  let sums = '';
  for (const [name, path] of Object.entries(files)) {
    await rename(path, join(to, name));
    const sum = createHash('sha256')
      .update(await readFile(join(to, name)))
      .digest('hex');
    sums += `${sum}  ${name}\n`;
  }
  await writeFile(join(to, 'SHA256SUMS'), sums);
}

await withFolder(async (made) => {
  const node = nodeFor(join(root, '.cache/node'));
  const metafile = await writeChunks(made);
  const program = await assemble(made, node.path, await writeBlob(made, node.path));
  const licenses = join(made, 'licenses.txt');
  const bom = join(made, 'bom');
  const license = await readFile(join(root, 'LICENSE'), 'utf8');
  const parts = [`kseal\n\n${license}`, await licensesOf(metafile), `Node.js\n\n${node.license}`];
  await writeFile(licenses, parts.join(`\n${'='.repeat(72)}\n\n`));
  await writeFile(bom, JSON.stringify(await bomOf(metafile, node, program), undefined, 2));
  await install({ [name]: program, [`${own}.cdx.json`]: bom, 'licenses.txt': licenses });
  const { size } = await stat(join(root, 'standalone', name));
  process.stdout.write(
    `standalone/${name}: ${Math.round(size / 1e6)} MB, Node.js ${node.version} from ${node.origin}\n`,
  );
});
