import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { startServer, writeKubeconfig } from '../helpers/api-server.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { runBin } from '../helpers/spawn.ts';

// A command loads only the code that it runs: kseal starts fast, and many times in a loop or a hook.

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly count: number }[];
    }[];
  }[];
}

/** The modules in each file of dist/: the path of a file in src/, or of one in node_modules/. */
const modulesIn = new Map<string, readonly string[]>(
  Object.entries(
    JSON.parse(readFileSync(join(import.meta.dirname, '../../dist/modules.json'), 'utf8')),
  ),
);

/**
 * The modules that a command that succeeds evaluates, which are functions with the path of a file in
 * src/; and the npm packages and modules of Node.js that it loads.
 */
async function modulesLoadedBy(args: readonly string[], stdin = ''): Promise<readonly string[]> {
  const cwd = folderWithKeys();
  const reports = join(cwd, 'coverage');
  mkdirSync(reports);
  const list = join(cwd, 'list.cjs');
  writeFileSync(list, listBuiltins);
  const env = { NODE_V8_COVERAGE: reports, NODE_OPTIONS: `--require ${list}` };
  const ended = await runBin(args, { cwd, stdin, env });
  expect(ended.code, `${ended.stderr}`).toBe(0);
  const [report = ''] = readdirSync(reports);
  const { result }: Coverage = JSON.parse(readFileSync(join(reports, report), 'utf8'));
  const called = result.flatMap(({ functions }) =>
    functions.flatMap(({ functionName, ranges }) => (ranges[0]?.count ? functionName : [])),
  );
  const packages = result
    .flatMap(({ url }) => modulesIn.get(basename(url)) ?? [])
    .flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  const builtins: string[] = JSON.parse(readFileSync(join(cwd, 'builtins'), 'utf8'));
  const modules = called.filter((name) => modulesOfSource.has(name));
  return [...new Set([...modules, ...packages, ...builtins])].sort();
}

const modulesOfSource = new Set([...modulesIn.values()].flat());

/** Writes the names of the modules of Node.js that were loaded to the file `builtins`. */
const listBuiltins = `
  const prefix = 'NativeModule ';
  process.on('exit', () => {
    const loaded = process.moduleLoadList.filter((name) => name.startsWith(prefix));
    const names = loaded.map((name) => 'node:' + name.slice(prefix.length));
    require('node:fs').writeFileSync('builtins', JSON.stringify(names));
  });
`;

/** Packages and files that are for people at a terminal. */
const forTerminals =
  /inquirer|chalk|cli-progress|^src\/cli\/(?:seal-form|help|man|completion\S*|progress)\.ts$/;

const seal = ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--stdin', 'password'];

test.each([
  ['seal from a pipe', seal, 'CANARY-value', 'src/seal/seal.ts'],
  ['verify into a pipe', ['verify', '-'], 'kind: ConfigMap\n', 'src/verify/verify.ts'],
])('%s loads no module for terminals', async (_, args, stdin, own) => {
  const modules = await modulesLoadedBy(args, stdin);
  expect(modules).toEqual(expect.arrayContaining(['src/cli/main.ts', 'commander', own]));
  expect(modules.filter((name) => forTerminals.test(name))).toEqual([]);
});

test('a value from a pipe needs no parser, no schema and no WebCrypto', async () => {
  const modules = await modulesLoadedBy(seal, 'CANARY-value');
  const unneeded =
    /^(?:yaml|valibot|jose|node:(?:child_process|readline|tls|zlib)|node:internal\/crypto\/webcrypto)$|^src\/(?:yaml\/parse|config\/schema|cli\/prompt|git\/local|manifest\/nested)\.ts$/;
  expect(modules).toContain('node:crypto');
  expect(modules.filter((name) => unneeded.test(name))).toEqual([]);
});

const client = /^@kubernetes\/client-node$|^src\/doctor\/kubernetes\.ts$/;
const denied = { status: 403, body: {} };

test('kseal doctor loads the client of Kubernetes only for a cluster', async () => {
  const token = 'CANARY-token';
  const server = await startServer(({ path, authorization }) => {
    if (authorization !== `Bearer ${token}`) return { status: 401, body: {} };
    return path === '/version' ? { status: 200, body: { gitVersion: 'v1.35.4' } } : denied;
  });
  const script = `console.log(JSON.stringify({ status: { token: '${token}' } }))`;
  const exec = { command: process.execPath, args: ['-e', script] };
  const cwd = folderWithKeys();
  const kubeconfig = join(cwd, writeKubeconfig(cwd, { server, user: { exec } }));
  const loaded = await modulesLoadedBy(['doctor', '--kubeconfig', kubeconfig]);
  expect(loaded.filter((name) => client.test(name))).toHaveLength(2);
  expect((await modulesLoadedBy(['doctor'])).filter((name) => client.test(name))).toEqual([]);
});

test('--version loads neither commander nor a module for terminals', async () => {
  const modules = await modulesLoadedBy(['--version']);
  expect(modules.filter((name) => !/^(?:src\/|node:)/.test(name))).toEqual(['fastest-levenshtein']);
  expect(modules).not.toContain('node:crypto');
  expect(modules).not.toContain('src/cli/program.ts');
  expect(modules.filter((name) => forTerminals.test(name))).toEqual([]);
});

test('completion loads only the command on the line', async () => {
  const line = (text: string) =>
    modulesLoadedBy(['completion', 'fish', '--words'], `kseal ${text}\0`);
  const commands = /^src\/cli\/(?:seal|verify|decrypt|webhook)\.ts$/;
  expect((await line('se')).filter((name) => commands.test(name))).toEqual([]);
  const modules = await line('seal --sc');
  expect(modules.filter((name) => commands.test(name))).toEqual(['src/cli/seal.ts']);
  expect(modules.filter((name) => forTerminals.test(name))).toContain('src/cli/completion.ts');
});

/** Runs a command with the program in `folder`, and writes whether V8 rejected the code of each file. */
const reportCache = `
  const kseal = require(process.argv[1] + '/dist/main.cjs');
  kseal.scripts = new Map();
  kseal.main(process.argv.slice(2)).then((code) => {
    const rejected = [...kseal.scripts.values()].map((script) => script.cachedDataRejected);
    require('node:fs').writeFileSync('rejected', JSON.stringify([code, rejected]));
  });
`;

async function rejectedBy(folder: string): Promise<readonly [code: number, rejected: unknown[]]> {
  const cwd = folderWithKeys();
  const command = [process.execPath, '--eval', reportCache, folder];
  const { stdout } = await runBin(seal, { cwd, stdin: 'CANARY-value', command });
  expect(`${stdout}`).toContain('kind: Secret');
  return JSON.parse(readFileSync(join(cwd, 'rejected'), 'utf8'));
}

test('V8 accepts the code that the build stored for a value from a pipe', async () => {
  const [code, rejected] = await rejectedBy(join(import.meta.dirname, '../..'));
  expect([code, ...new Set(rejected)]).toEqual([0, false]);
  expect(rejected.length).toBeGreaterThan(1);
});

test('a command works without the stored code, and with that of another V8', async () => {
  const folder = folderWithKeys();
  const dist = join(folder, 'dist');
  cpSync(join(import.meta.dirname, '../../dist'), dist, { recursive: true });
  const { version, platform, arch } = process;
  const cache = join(dist, 'cache', `${version}-${platform}-${arch}`);
  for (const name of readdirSync(cache)) writeFileSync(join(cache, name), Buffer.alloc(4096, 1));
  const [code, rejected] = await rejectedBy(folder);
  expect([code, ...new Set(rejected)]).toEqual([0, true]);
  rmSync(cache, { recursive: true });
  expect((await rejectedBy(folder))[0]).toBe(0);
});

/** Builds a program of modules, and returns what its `main` returns for each call. */
async function programOf(modules: Readonly<Record<string, string>>): Promise<() => unknown> {
  const absWorkingDir = folderWithKeys();
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(absWorkingDir, name)), { recursive: true });
    writeFileSync(join(absWorkingDir, name), text);
  };
  for (const [name, text] of Object.entries(modules)) write(`src/${name}.ts`, text);
  const url = pathToFileURL(join(import.meta.dirname, '../../build/modules.mjs')).href;
  const { programFiles } = await import(url);
  const define = { KSEAL_DIST: '__dirname' };
  const options = { absWorkingDir, bundle: true, format: 'esm', platform: 'node', define };
  const { files } = await programFiles('src/main.ts', options, [['start', 'src/main.ts']]);
  for (const [name, text] of files) write(`dist/${name}`, text);
  return createRequire(import.meta.url)(join(absWorkingDir, 'dist/main.cjs')).main;
}

test('imports stay live, in cycles too, and a class is the same in all modules', async () => {
  const main = await programOf({
    main: `
      import { count, increase, isOwn } from './counter.ts';
      import { OwnError } from './errors.ts';
      export function main() { increase(); return [count, isOwn(new OwnError())]; }
      export const step = () => 2;`,
    counter: `
      import { OwnError } from './errors.ts';
      import { step } from './main.ts';
      export let count = 0;
      export function increase() { count += step(); }
      export const isOwn = (error: unknown) => error instanceof OwnError;`,
    errors: 'export class OwnError extends Error {}',
  });
  expect([main(), main()]).toEqual([
    [2, true],
    [4, true],
  ]);
});

test('strings and other variables that look like imports are not changed', async () => {
  const text = 'var import_node_path = require("./chunk.cjs"); new import_node_path.Class()';
  const main = await programOf({
    main: `
      import { sep } from 'node:path';
      const same = (import_node_path: string) => import_node_path;
      export const main = () => [sep, same('argument'), ${JSON.stringify(text)}];`,
  });
  expect(main()).toEqual(['/', 'argument', text]);
  const line = 'var import_a = require("./a");';
  const unsure = programOf({ main: `export const main = () => \`\n${line}\n\`;` });
  await expect(unsure).rejects.toThrow('src/main.ts: esbuild writes CommonJS in another way');
});

test('a module that fails while it is evaluated is evaluated again', async () => {
  const main = await programOf({
    main: `
      import { late } from './fails.ts';
      export const main = () => late;`,
    fails: `
      import { calls } from './calls.ts';
      calls.push('call');
      if (calls.length === 1) throw new Error('the first time');
      export const late = calls.length;`,
    calls: 'export const calls: string[] = [];',
  });
  expect(main).toThrow('the first time');
  expect(main()).toBe(2);
});
