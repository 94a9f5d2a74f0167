// Bundles src/ into dist/: a small entry point and a chunk per command. kseal starts fast because a
// command loads only the code that it runs.
import { readFile, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'));
await rm(new URL('dist', import.meta.url), { recursive: true, force: true });
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['src/cli/main.ts', 'src/cli/io.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
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
});
