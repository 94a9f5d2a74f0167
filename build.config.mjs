// Bundles src/ into dist/: a small entry point and a chunk per command. kseal starts fast because a
// command loads only the code that it runs. Then writes the man pages to dist/man/, and the licences
// of the bundled packages to dist/licenses.txt.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'));
await rm(new URL('dist', import.meta.url), { recursive: true, force: true });
const options = {
  absWorkingDir: import.meta.dirname,
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
const { metafile } = await build({
  ...options,
  entryPoints: ['src/cli/main.ts', 'src/cli/io.ts'],
  outdir: 'dist',
  splitting: true,
  metafile: true,
});

// Built apart from the program, which would otherwise be split into more files.
const generator = new URL('dist/man.mjs', import.meta.url);
await build({ ...options, entryPoints: ['src/cli/man.ts'], outfile: 'dist/man.mjs' });
const { manPages } = await import(generator);
await rm(generator);
await mkdir(new URL('dist/man', import.meta.url));
for (const [name, page] of await manPages({ env: {}, cwd: import.meta.dirname })) {
  await writeFile(new URL(`dist/man/${name}`, import.meta.url), page);
}

// Their code may be distributed only with its copyright notices.
const inPackage = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const packages = Object.keys(metafile.inputs).map((path) => inPackage.exec(path) ?? []);
const notices = new Map();
for (const [folder, name] of packages.toSorted()) {
  if (name === undefined || notices.has(name)) continue;
  const path = join(import.meta.dirname, folder);
  const license = (await readdir(path)).find((file) => /^licen[cs]e/i.test(file));
  if (license === undefined) throw new Error(`${name}: no licence in ${path}`);
  notices.set(name, `${name}\n\n${(await readFile(join(path, license), 'utf8')).trim()}\n`);
}
const separator = `\n${'-'.repeat(72)}\n\n`;
await writeFile(
  new URL('dist/licenses.txt', import.meta.url),
  ['kseal contains code of these packages.\n', ...notices.values()].join(separator),
);
