// Bundles src/ and all packages into dist/. kseal starts fast because a command evaluates only the
// modules that it needs, most of them from a cache of V8. Then writes the library, the man pages to
// dist/man/, and the licences of the bundled packages to dist/licenses.txt.
import { realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { makeCache } from './build/cache.mjs';
import { libraryFiles, makeLibrary } from './build/library.mjs';
import { programFiles } from './build/modules.mjs';

export const { version } = JSON.parse(
  await readFile(new URL('package.json', import.meta.url), 'utf8'),
);
const root = import.meta.dirname;
const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  alias: {
    // The build for Node has debug switches, which print values. Reading them from the environment
    // takes a sixth of the parsing time.
    yaml: './node_modules/yaml/browser/index.js',
    // node-fetch uses the URL of Node.js if there is one.
    'whatwg-url': 'node:url',
  },
  // gRPC loads it for services of its own, which kseal does not start.
  external: ['@grpc/proto-loader'],
  legalComments: 'eof',
  define: { KSEAL_VERSION: JSON.stringify(version), KSEAL_DIST: '__dirname' },
};
const entries = ['main.cjs', ...libraryFiles];

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

/** The packages whose code another one contains, so that no path names them. */
const embedded = {
  'node_modules/jsonpath-plus': ['jsep', '@jsep-plugin/assignment', '@jsep-plugin/regex'],
};

/** The folders of the packages that have code in a bundle, as package-lock.json names them. */
export function packagesIn({ outputs }) {
  const paths = Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0),
  );
  const folders = paths.flatMap(
    (path) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? [],
  );
  const more = folders.flatMap((one) => embedded[one] ?? []).map((one) => `node_modules/${one}`);
  return [...new Set([...folders, ...more])].sort();
}

/** The copyright notices of the packages in a bundle, without which nobody may distribute it. */
export async function licensesOf(metafile) {
  const packagesOf = new Map();
  for (const folder of packagesIn(metafile)) {
    const license = (await licenseOf(join(root, folder))).trim();
    const name = folder.split('node_modules/').at(-1);
    packagesOf.set(license, (packagesOf.get(license) ?? new Set()).add(name));
  }
  const notices = [...packagesOf].map(
    ([license, names]) => `${[...names].join('\n')}\n\n${license}\n`,
  );
  return ['kseal contains code of these packages.\n', ...notices].join(`\n${'-'.repeat(72)}\n\n`);
}

/** Writes the program to a folder; `define` replaces constants. Returns the metafile of esbuild. */
export async function makeChunks(dist, define) {
  const all = { ...options, define: { ...options.define, ...define } };
  const { files, metafile } = await programFiles('src/cli/main.ts', all);
  await mkdir(dist);
  for (const [name, text] of files) await writeFile(join(dist, name), text);
  // Not published: the tests read it.
  const modules = Object.entries(metafile.outputs).map(([path, { inputs }]) => [
    basename(path),
    Object.keys(inputs),
  ]);
  await writeFile(join(dist, 'modules.json'), JSON.stringify(Object.fromEntries(modules)));
  return metafile;
}

/** The entry points of worker threads: each is one file, which a single executable can contain. */
export const workers = { 'encrypt-worker.cjs': 'src/jwe/encrypt-worker.ts' };

export async function makeWorkers(dist) {
  for (const [name, entry] of Object.entries(workers))
    await build({ ...options, format: 'cjs', entryPoints: [entry], outfile: join(dist, name) });
}

async function makeAll(made) {
  const dist = join(made, 'dist');
  const program = await makeChunks(dist);
  const library = await makeLibrary(dist, options);
  await makeWorkers(dist);
  await makeCache(dist);
  const licenses = await licensesOf({ outputs: { ...program.outputs, ...library.outputs } });
  await writeFile(join(dist, 'licenses.txt'), licenses);
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

/**
 * Moves all files to dist/, the entry points last, because they name the others. kseal or another build
 * may run meanwhile, so a rename replaces each file, and only files that the program no longer has are
 * removed.
 */
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

/** Calls `make` with a new folder in the project, and removes the folder. */
export async function withFolder(make) {
  const made = await mkdtemp(join(root, '.build-'));
  try {
    return await make(made);
  } finally {
    await rm(made, { recursive: true });
  }
}

if (realpathSync(process.argv[1]) === import.meta.filename)
  await withFolder(async (made) => install(await makeAll(made)));
