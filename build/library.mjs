// Bundles src/index.ts, the library, as an ES module of its own: it shares no file with the program, whose
// chunks are made to start fast.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const entry = 'src/index.ts';

/** The files of dist/ that package.json exports. */
export const libraryFiles = ['index.js', 'index.d.ts'];

/** Writes the library and its types to a folder. Returns the metafile of esbuild. */
export async function makeLibrary(dist, options) {
  const { metafile } = await build({
    ...options,
    define: { ...options.define, KSEAL_DIST: 'import.meta.dirname' },
    entryPoints: [entry],
    outdir: dist,
    metafile: true,
  });
  await writeTypes(dist, options.absWorkingDir);
  return metafile;
}

/** The entry declares all types, so that the compiler reads no other file. */
async function writeTypes(dist, root) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  // `npm run typecheck` checks them.
  const alone = ['--ignoreConfig', '--noCheck', '--noResolve', '--isolatedDeclarations'];
  const types = ['--declaration', '--emitDeclarationOnly', '--target', 'esnext', '--outDir', dist];
  const args = [compiler, ...alone, ...types, entry];
  await promisify(execFile)(process.execPath, args, { cwd: root });
}
