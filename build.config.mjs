// Bundles src/ and all packages into dist/: a small entry point and a chunk per command. kseal starts
// fast because a command loads only the code that it runs. Then writes the library, the man pages to
// dist/man/, and the licences of the bundled packages to dist/licenses.txt.
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';
import { libraryFiles, makeLibrary } from './build/library.mjs';

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
  // The build for Node has debug switches, which print values. Reading them from the environment
  // takes a sixth of the parsing time.
  alias: { yaml: './node_modules/yaml/browser/index.js' },
  // gRPC loads it for services of its own, which kseal does not start.
  external: ['@grpc/proto-loader'],
  legalComments: 'eof',
  define: { KSEAL_VERSION: JSON.stringify(version), KSEAL_DIST: '__dirname' },
};
const entries = ['main.cjs', 'io.cjs', ...libraryFiles];

/** The paths of all files below a folder, relative to it. */
async function filesIn(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
}

/** The licence of a package as a text; some packages contain only its name. */
async function licenseOf(folder) {
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFile(join(folder, file), 'utf8');
  const { license, author } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  if (license === undefined) throw new Error(`${folder}: no licence`);
  const by = author?.name ?? author;
  return by ? `${license}, by ${by}` : license;
}

/** The copyright notices of the packages of bundled files, without which nobody may distribute them. */
async function licensesOf(paths) {
  const folders = new Map();
  for (const path of paths.toSorted()) {
    const [folder, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    if (name !== undefined && !folders.has(name)) folders.set(name, join(root, folder));
  }
  const packagesOf = new Map();
  for (const [name, folder] of folders) {
    const license = (await licenseOf(folder)).trim();
    packagesOf.set(license, [...(packagesOf.get(license) ?? []), name]);
  }
  const notices = [...packagesOf].map(([license, names]) => `${names.join('\n')}\n\n${license}\n`);
  return ['kseal contains code of these packages.\n', ...notices].join(`\n${'-'.repeat(72)}\n\n`);
}

/**
 * Bundles the program into CommonJS chunks. esbuild splits only ES modules, but Node loads CommonJS
 * faster; so each chunk is converted after it was split.
 */
async function makeChunks(dist) {
  const { metafile, outputFiles } = await build({
    ...options,
    entryPoints: ['src/cli/main.ts', 'src/cli/io.ts'],
    outdir: dist,
    outExtension: { '.js': '.cjs' },
    splitting: true,
    metafile: true,
    write: false,
  });
  await mkdir(dist);
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, {
      format: 'cjs',
      platform: options.platform,
      target: options.target,
      supported: { 'dynamic-import': false },
    });
    await writeFile(path, code);
  }
  // Not published: the tests read it.
  const modules = Object.entries(metafile.outputs).map(([path, { inputs }]) => [
    basename(path),
    Object.keys(inputs),
  ]);
  await writeFile(join(dist, 'modules.json'), JSON.stringify(Object.fromEntries(modules)));
  return Object.keys(metafile.inputs);
}

/** The entry points of worker threads: each is one file, which a single executable can contain. */
const workers = { 'encrypt-worker.cjs': 'src/jwe/encrypt-worker.ts' };

async function makeWorkers(dist) {
  for (const [name, entry] of Object.entries(workers))
    await build({ ...options, format: 'cjs', entryPoints: [entry], outfile: join(dist, name) });
}

async function makeAll() {
  const dist = join(made, 'dist');
  const inputs = [...(await makeChunks(dist)), ...(await makeLibrary(dist, options))];
  await makeWorkers(dist);
  await writeFile(join(dist, 'licenses.txt'), await licensesOf(inputs));
  // Built apart from the program, which would otherwise be split into more files. It finds the packages
  // itself, and loads only those that it needs.
  const generator = join(made, 'man.mjs');
  const entryPoints = ['src/cli/man.ts'];
  await build({ ...options, entryPoints, packages: 'external', outfile: generator });
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
