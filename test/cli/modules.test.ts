import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
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
