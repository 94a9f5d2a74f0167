// Bundles src/ into dist/: a small entry point and a chunk per command. kseal starts fast because a
// command loads only the code that it runs. Then writes the man pages to dist/man/, and the licences
// of the bundled packages to dist/licenses.txt.
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'));
const root = import.meta.dirname;
// Another build may run at the same time, or kseal: each file of dist/ is replaced by renaming, and
// removed only if it is no longer part of the program.
const made = await mkdtemp(join(root, '.build-'));
const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: [
    '@google-cloud/kms',
    '@grpc/grpc-js',
    '@peculiar/x509',
    'fastify',
    'pino',
    'prom-client',
    'reflect-metadata',
  ],
  // The build for Node has debug switches, which print values. Reading them from the environment
  // takes a sixth of the parsing time.
  alias: { yaml: './node_modules/yaml/browser/index.js' },
  legalComments: 'eof',
  define: { KSEAL_VERSION: JSON.stringify(version) },
  banner: {
    js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);",
  },
};
const entries = ['main.js', 'io.js'];

/** The paths of all files below a folder, relative to it. */
async function filesIn(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
}

/** The copyright notices of the packages of bundled files, without which nobody may distribute them. */
async function licensesOf(paths) {
  const notices = new Map();
  for (const path of paths.toSorted()) {
    const [folder, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    if (name === undefined || notices.has(name)) continue;
    const license = (await readdir(join(root, folder))).find((file) => /^licen[cs]e/i.test(file));
    if (license === undefined) throw new Error(`${folder}: no licence`);
    const text = await readFile(join(root, folder, license), 'utf8');
    notices.set(name, `${name}\n\n${text.trim()}\n`);
  }
  const head = 'kseal contains code of these packages.\n';
  return [head, ...notices.values()].join(`\n${'-'.repeat(72)}\n\n`);
}

async function makeAll() {
  const dist = join(made, 'dist');
  const { metafile } = await build({
    ...options,
    entryPoints: ['src/cli/main.ts', 'src/cli/io.ts'],
    outdir: dist,
    splitting: true,
    metafile: true,
  });
  await writeFile(join(dist, 'licenses.txt'), await licensesOf(Object.keys(metafile.inputs)));
  // Built apart from the program, which would otherwise be split into more files.
  const generator = join(made, 'man.mjs');
  await build({ ...options, entryPoints: ['src/cli/man.ts'], outfile: generator });
  const { manPages } = await import(pathToFileURL(generator));
  await mkdir(join(dist, 'man'));
  for (const [name, page] of await manPages({ env: {}, cwd: root }))
    await writeFile(join(dist, 'man', name), page);
  return dist;
}

/** Moves all files to dist/, the entry points last, because they name the others. */
async function install(from) {
  const to = join(root, 'dist');
  const names = await filesIn(from);
  const isEntry = (name) => entries.includes(name);
  for (const name of names.toSorted((a, b) => isEntry(a) - isEntry(b))) {
    await mkdir(dirname(join(to, name)), { recursive: true });
    await rename(join(from, name), join(to, name));
  }
  for (const name of await filesIn(to))
    if (!names.includes(name)) await rm(join(to, name), { force: true });
}

try {
  await install(await makeAll());
} finally {
  await rm(made, { recursive: true });
}
