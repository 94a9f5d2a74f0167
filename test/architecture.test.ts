import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, sourceFiles, targetOf, withoutComments } from './helpers/imports.ts';

const files = sourceFiles(join(import.meta.dirname, '../src'));

/** The other parts that a part of src/ may import. A part is a folder, or a file at the root. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'text.ts': [],
  'errors.ts': [],
  'deadline.ts': [],
  'diagnostic.ts': ['errors.ts', 'text.ts'],
  fs: ['text.ts', 'errors.ts'],
  yaml: ['diagnostic.ts', 'text.ts', 'errors.ts'],
  git: ['fs', 'text.ts', 'errors.ts'],
  kubernetes: ['diagnostic.ts', 'text.ts', 'errors.ts'],
  jwe: ['kubernetes', 'text.ts', 'errors.ts'],
  manifest: ['diagnostic.ts', 'jwe', 'kubernetes', 'yaml', 'text.ts', 'errors.ts'],
  config: ['diagnostic.ts', 'jwe', 'kubernetes', 'yaml', 'fs', 'text.ts', 'errors.ts'],
  request: ['diagnostic.ts', 'config', 'jwe', 'kubernetes', 'yaml', 'text.ts', 'errors.ts'],
  keys: ['config', 'jwe', 'git', 'fs', 'deadline.ts', 'text.ts', 'errors.ts'],
  sources: ['config', 'git', 'fs', 'errors.ts'],
  seal: ['diagnostic.ts', 'manifest', 'jwe', 'kubernetes', 'text.ts', 'errors.ts'],
  unseal: ['diagnostic.ts', 'manifest', 'jwe', 'kubernetes', 'text.ts', 'errors.ts'],
  inspect: ['diagnostic.ts', 'manifest', 'kubernetes', 'jwe', 'yaml', 'text.ts', 'errors.ts'],
  // Rules get the known keys as data, and load none themselves.
  verify: [
    ...['request', 'manifest', 'jwe', 'kubernetes', 'yaml'],
    ...['diagnostic.ts', 'text.ts', 'errors.ts'],
  ],
  report: ['diagnostic.ts', 'verify', 'text.ts'],
  // The webhook reads neither manifests nor keys: serve.ts gets a function that loads keys.
  webhook: ['unseal', 'jwe', 'kubernetes', 'yaml', 'fs', 'text.ts', 'errors.ts', 'deadline.ts'],
  rekey: ['unseal', 'jwe', 'yaml', 'diagnostic.ts', 'text.ts', 'errors.ts'],
  doctor: [
    ...[
      'webhook',
      'verify',
      'inspect',
      'unseal',
      'keys',
      'sources',
      'config',
      'jwe',
      'yaml',
      'git',
      'fs',
    ],
    ...['deadline.ts', 'text.ts', 'errors.ts'],
  ],
  // The library, which loads no configuration, and leaves files and processes to its caller.
  'index.ts': [
    ...['verify', 'inspect', 'unseal', 'seal', 'keys', 'manifest', 'jwe'],
    ...['diagnostic.ts', 'errors.ts'],
  ],
  cli: [
    ...[
      'doctor',
      'rekey',
      'webhook',
      'report',
      'verify',
      'inspect',
      'unseal',
      'seal',
      'sources',
      'keys',
      'config',
    ],
    'request',
    ...['manifest', 'jwe', 'kubernetes', 'git', 'fs', 'diagnostic.ts', 'text.ts', 'errors.ts'],
  ],
};

/** The packages for questions on a terminal. */
const inquirer = ['confirm', 'input', 'search', 'select'].map((name) => `@inquirer/${name}`);

/** The parts that import a package, wrap its errors and hide its types. */
const packages: Readonly<Record<string, readonly string[]>> = {
  yaml: ['yaml'],
  valibot: ['config', 'request'],
  'fastest-levenshtein': ['text.ts'],
  'p-limit': ['unseal', 'rekey', 'webhook', 'doctor'],
  'google-auth-library': ['keys'],
  '@grpc/grpc-js': ['keys'],
  '@peculiar/x509': ['webhook'],
  'reflect-metadata': ['webhook'],
  fastify: ['webhook'],
  pino: ['webhook'],
  'prom-client': ['webhook'],
  '@kubernetes/client-node': ['doctor'],
  commander: ['cli'],
  chalk: ['cli'],
  'cli-progress': ['cli'],
  ...Object.fromEntries(inquirer.map((name) => [name, ['cli']])),
};

/** The modules of Node.js for all parts. None of them reaches a process or the network. */
const builtins = [
  'buffer',
  'crypto',
  'fs',
  'path',
  'readline',
  'stream',
  'tty',
  'util',
  'util/types',
  'zlib',
];

/** Modules for git, which runs in a repository of the user or in a temporary folder. */
const processBuiltins = ['child_process', 'events', 'os'];

/** Modules for worker threads, whose programs a single executable contains. */
const threadBuiltins = ['worker_threads', 'os', 'sea'];

/** Modules for the server of the webhook, which connects to nothing itself. */
const serverBuiltins = ['http', 'https', 'net', 'tls'];

/**
 * Parts that use the process itself instead of IO: the KMS package reads environment variables, git
 * and replaceFiles() remove what is temporary when the process ends, and threads need the number of
 * cores.
 */
const processUsers = [
  ...['cli', 'git', 'fs/write.ts'],
  ...['jwe/encrypt-pool.ts', 'keys/gcpkms/client.ts'],
];

/** Packages that are slow to load or use the network, so they are loaded by `import()`. */
const lazy = [
  ...['google-auth-library', '@grpc/grpc-js', '@peculiar/x509', 'reflect-metadata'],
  '@kubernetes/client-node',
  ...['chalk', 'cli-progress'],
  ...inquirer,
];

function partOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Returns the problems that `check` finds in each file, after its path. */
function findings(check: (file: (typeof files)[number]) => readonly string[]): string[] {
  return files.flatMap((file) => check(file).map((problem) => `src/${file.path}: ${problem}`));
}

test('every file belongs to a part, and every part exists', () => {
  const used = new Set(files.map(({ path }) => partOf(path)));
  expect([...used].sort()).toEqual(Object.keys(parts).sort());
});

test('a part imports only the parts below it', () => {
  const wrong = findings(({ path, imports }) =>
    imports.filter((target) => {
      if (!target.endsWith('.ts')) return false;
      const [from, to] = [partOf(path), partOf(target)];
      return from !== to && !parts[from]?.includes(to);
    }),
  );
  expect(wrong).toEqual([]);
});

test('reports import only types from verify', () => {
  const loaded = /^import (?!type\b).*'\.\.\/verify\/.*$/gm;
  const wrong = findings(({ path, text }) =>
    path.startsWith('report/') ? (text.match(loaded) ?? []) : [],
  );
  expect(wrong).toEqual([]);
});

test('every imported file exists', () => {
  const known = new Set(files.map(({ path }) => path));
  const wrong = findings(({ imports }) =>
    imports.filter((target) => /^\.|\.[jt]s$/.test(target) && !known.has(target)),
  );
  expect(wrong).toEqual([]);
});

test('no files import each other in a cycle', () => {
  const open = new Map(files.map(({ path, imports }) => [path, imports]));
  // Repeatedly removes the files that import no remaining file, until only cycles remain.
  for (let size = -1; size !== open.size; ) {
    size = open.size;
    for (const [path, imports] of open) {
      if (!imports.some((target) => open.has(target))) open.delete(path);
    }
  }
  expect([...open.keys()]).toEqual([]);
});

test('each package is imported only by the parts listed for it', () => {
  const wrong = findings(({ path, imports }) =>
    imports.filter(
      (target) => !/^node:|\.[jt]s$/.test(target) && !packages[target]?.includes(partOf(path)),
    ),
  );
  expect(wrong).toEqual([]);
});

test('only git starts a process, and only the webhook and kubernetes.ts use the network', () => {
  const wrong = findings(({ path, code, imports }) => {
    const more: Record<string, readonly string[]> = {
      git: processBuiltins,
      // For the home folder in a path that is typed, and the name of the executable.
      cli: ['os', 'sea'],
      webhook: serverBuiltins,
      // For the requests to the API server.
      'doctor/kubernetes.ts': ['https'],
      'jwe/encrypt-pool.ts': threadBuiltins,
      'jwe/encrypt-worker.ts': threadBuiltins,
    };
    const allowed = [...builtins, ...(more[partOf(path)] ?? []), ...(more[path] ?? [])];
    return [
      ...imports.filter(
        (target) => target.startsWith('node:') && !allowed.includes(target.slice(5)),
      ),
      ...(code.match(/\bfetch\(|\bWebSocket\b/g) ?? []),
    ];
  });
  expect(wrong).toEqual([]);
});

test('the library reaches neither a command, a process, the configuration nor their packages', () => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set(['index.ts']);
  for (const path of reached) {
    const { text = '' } = byPath.get(path) ?? {};
    const code = withoutComments(text).replace(/\b(?:import|export) type [^;]*;/g, '');
    for (const target of importsOf(code)) reached.add(targetOf(path, target));
  }
  const own = ['fastest-levenshtein', 'p-limit', 'yaml'];
  const foreign = ['cli', 'config', 'git', 'report', 'request', 'sources', 'webhook'];
  const outside = ['readline', 'tty', ...processBuiltins, ...serverBuiltins];
  const wrong = [...reached].filter((target) => {
    if (target.startsWith('node:')) return outside.includes(target.slice('node:'.length));
    return target.endsWith('.ts') ? foreign.includes(partOf(target)) : !own.includes(target);
  });
  expect(wrong).toEqual([]);
  expect(reached.size).toBeGreaterThan(50);
});

test('slow packages are loaded only when they are used', () => {
  const wrong = findings(({ code }) => {
    const loaded = importsOf(code.replace(/\bimport type [^;]*;|\bimport\([^)]*\)/g, ''));
    return loaded.filter(
      (name) => lazy.includes(name) || /\/(gcpkms\/provider|server\/serve)\.ts$/.test(name),
    );
  });
  expect(wrong).toEqual([]);
});

test('a CommonJS package that is loaded late is used by its default export', () => {
  // Its other names are missing in a bundle.
  const wrong = findings(
    ({ code }) =>
      code.match(
        /const (?!\{ default: \w+ \} = )[^=\n]*= await import\('@(?:google|grpc|peculiar)/g,
      ) ?? [],
  );
  expect(wrong).toEqual([]);
});

test.each([
  ['no file uses console', /\bconsole\b/, []],
  ['no file sets the exit code', /\bprocess\s*\.\s*exit/, []],
  [
    'only some parts use the process instead of IO',
    /\bprocess\s*\.|\bglobalThis\b|['"]node:(process|os)['"]/,
    processUsers,
  ],
  ['every import() has a literal name', /\bimport\s*\((?!\s*(['"])[^'"]+\1\s*\))/, []],
] as const)('%s', (_, pattern, exempt: readonly string[]) => {
  const wrong = findings(({ path, code }) =>
    exempt.includes(partOf(path)) || exempt.includes(path)
      ? []
      : (pattern.exec(code) ?? []).slice(0, 1),
  );
  expect(wrong).toEqual([]);
});

test('no file only re-exports others', () => {
  const rest = (code: string) =>
    code.replace(/^(?:import|export)\b[^'"=()]*\bfrom\s*['"][^'"]+['"];?/gm, '').trim();
  expect(findings(({ code }) => (rest(code) === '' ? ['only re-exports others'] : []))).toEqual([]);
});

test('no decision depends on the text of a message', () => {
  // The messages of Google's client, git and commander may be read where kseal calls them.
  const callers = /^(?:keys\/gcpkms\/|git\/|cli\/program\.ts)/;
  const text = String.raw`(?:(?<!typeof )\bmessage|\b(?:error|thrown)\.problem)`;
  const reading = new RegExp(
    [
      String.raw`${text}\)?\s*(?:[!=]==|\.(?:includes|startsWith|endsWith|match\w*|search|indexOf|replace\w*|split)\()`,
      String.raw`(?:\.test|\.exec|\.match)\([^)]*${text}\)`,
      String.raw`\b(?:set|has|get|add|includes|indexOf)\([^)]*\.message\b`,
      String.raw`[!=]==\s*(?:[\w.]*\.)?message\b`,
      String.raw`\bswitch \([^)]*${text}\)`,
    ].join('|'),
  );
  const wrong = findings(({ path, code }) =>
    callers.test(path) ? [] : (reading.exec(code) ?? []).slice(0, 1),
  );
  expect(wrong).toEqual([]);
});
