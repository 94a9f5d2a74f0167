import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, sourceFiles } from './helpers/imports.ts';

const files = sourceFiles(join(import.meta.dirname, '../src'));

/** What a part of src/ may import besides itself. A part is a folder (`jwe/`) or a file. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'files.ts': ['errors.ts'],
  'write-files.ts': ['files.ts', 'errors.ts'],
  'write-folder.ts': ['write-files.ts', 'files.ts', 'errors.ts'],
  'ranges.ts': [],
  'yaml-node.ts': ['ranges.ts'],
  'yaml.ts': ['yaml-node.ts', 'errors.ts'],
  'yaml-print.ts': ['printable.ts'],
  'nearest.ts': [],
  'printable.ts': [],
  'schema.ts': ['yaml.ts', 'yaml-node.ts', 'nearest.ts', 'errors.ts'],
  'git/': ['errors.ts'],
  'jwe/': ['errors.ts'],
  'secret/': ['jwe/', 'errors.ts'],
  'manifest/': ['jwe/', 'secret/', 'printable.ts', 'yaml.ts', 'yaml-node.ts', 'errors.ts'],
  'config.ts': ['jwe/', 'schema.ts', 'yaml-node.ts', 'files.ts', 'errors.ts'],
  'keys/': ['config.ts', 'jwe/', 'git/', 'nearest.ts', 'write-files.ts', 'files.ts', 'errors.ts'],
  'sources/': ['git/', 'files.ts', 'errors.ts'],
  // Rules are told as plain data which keys there are, and ask nobody.
  'rules/': ['manifest/', 'secret/', 'jwe/', 'yaml-node.ts', 'nearest.ts', 'errors.ts'],
  'judged/': ['rules/', 'manifest/', 'jwe/', 'yaml.ts', 'yaml-node.ts', 'ranges.ts', 'errors.ts'],
  'suppressions.ts': ['rules/', 'yaml-node.ts', 'ranges.ts', 'nearest.ts'],
  'covered.ts': ['rules/', 'yaml-node.ts'],
  'verify.ts': ['judged/', 'suppressions.ts', 'covered.ts', 'rules/', 'errors.ts'],
  'report/': ['rules/', 'printable.ts'],
  verbs: ['keys/', 'manifest/', 'secret/', 'jwe/', 'yaml-node.ts', 'errors.ts'],
  // It knows nothing of manifests or where keys are: `serve` is handed a way to load them.
  'webhook/': ['verbs', 'jwe/', 'yaml-print.ts', 'files.ts', 'printable.ts', 'errors.ts'],
  'cli/': [
    'webhook/',
    'verbs',
    'verify.ts',
    'report/',
    'rules/',
    'sources/',
    'keys/',
    'config.ts',
    'manifest/',
    'secret/',
    'jwe/',
    'git/',
    'write-folder.ts',
    'write-files.ts',
    'files.ts',
    'printable.ts',
    'errors.ts',
  ],
};

/** The verbs: what the commands do, in files at the root of src/. */
const verbs = [
  'plan.ts',
  'memo.ts',
  'seal-plan.ts',
  'seal.ts',
  'unseal.ts',
  'unseal-manifest.ts',
  'inspect.ts',
  'textconv.ts',
];

/** Each package has one home, where its errors are wrapped and its types end. */
const packages: Readonly<Record<string, readonly string[]>> = {
  jose: ['jwe/'],
  yaml: ['yaml.ts', 'yaml-print.ts'],
  picomatch: ['config.ts'],
  'p-limit': ['verbs'],
  '@google-cloud/kms': ['keys/'],
  '@grpc/grpc-js': ['keys/'],
  '@peculiar/x509': ['webhook/'],
  'reflect-metadata': ['webhook/'],
  fastify: ['webhook/'],
  pino: ['webhook/'],
  'prom-client': ['webhook/'],
  commander: ['cli/'],
};

/** Node's modules that may be used. Without those for processes and the network kseal is offline. */
const builtins = [
  'buffer',
  'crypto',
  'fs',
  'path',
  'readline',
  'readline/promises',
  'stream',
  'tty',
  'util',
  'util/types',
];

/** Only the user's own git is run: in a repository of the user, or in a temporary folder. */
const processBuiltins = ['child_process', 'events', 'os'];

/** Only the webhook serves, and it calls nobody. */
const serverBuiltins = ['http', 'https', 'net', 'tls'];

/**
 * The surroundings come in through IO. The package of the KMS reads its switches in the
 * environment itself, and git's temporary folder goes when the process does.
 */
const processUsers = ['cli/', 'git/', 'keys/gcpkms-client.ts'];

/** What is slow to load or talks to a network: loaded by `import()`, where it is used. */
const lazy = ['@google-cloud/kms', '@grpc/grpc-js', '@peculiar/x509', 'reflect-metadata'];

function partOf(path: string): string {
  if (verbs.includes(path)) return 'verbs';
  return path.includes('/') ? `${path.split('/')[0]}/` : path;
}

/** The files of which `faults` says something, each with what it says. */
function findings(faults: (file: (typeof files)[number]) => readonly string[]): string[] {
  return files.flatMap((file) => faults(file).map((fault) => `src/${file.path}: ${fault}`));
}

test('every file belongs to a part, and every part and verb exists', () => {
  const used = new Set(files.map(({ path }) => partOf(path)));
  expect([...used].sort()).toEqual(Object.keys(parts).sort());
  expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(verbs));
});

test('imports point down', () => {
  const wrong = findings(({ path, imports }) =>
    imports.filter((target) => {
      if (!target.endsWith('.ts')) return false;
      const [from, to] = [partOf(path), partOf(target)];
      return from !== to && !parts[from]?.includes(to);
    }),
  );
  expect(wrong).toEqual([]);
});

test('reports know findings and rules by their types alone', () => {
  const loaded = /^import (?!type\b).*'\.\.\/rules\/.*$/gm;
  const wrong = findings(({ path, text }) =>
    path.startsWith('report/') ? (text.match(loaded) ?? []) : [],
  );
  expect(wrong).toEqual([]);
});

test('no import reaches a file that is not there', () => {
  const known = new Set(files.map(({ path }) => path));
  const wrong = findings(({ imports }) =>
    imports.filter((target) => /^\.|\.[jt]s$/.test(target) && !known.has(target)),
  );
  expect(wrong).toEqual([]);
});

test('no files import each other in a circle', () => {
  const open = new Map(files.map(({ path, imports }) => [path, imports]));
  // Takes away, again and again, the files that import none of those left.
  for (let size = -1; size !== open.size; ) {
    size = open.size;
    for (const [path, imports] of open) {
      if (!imports.some((target) => open.has(target))) open.delete(path);
    }
  }
  expect([...open.keys()]).toEqual([]);
});

test('each package is imported in its home only', () => {
  const wrong = findings(({ path, imports }) =>
    imports.filter(
      (target) => !/^node:|\.[jt]s$/.test(target) && !packages[target]?.includes(partOf(path)),
    ),
  );
  expect(wrong).toEqual([]);
});

test('no process is started but git, and no network used', () => {
  const wrong = findings(({ path, code, imports }) => {
    const more: Record<string, readonly string[]> = {
      'git/': processBuiltins,
      'webhook/': serverBuiltins,
    };
    const allowed = [...builtins, ...(more[partOf(path)] ?? [])];
    return [
      ...imports.filter(
        (target) => target.startsWith('node:') && !allowed.includes(target.slice(5)),
      ),
      ...(code.match(/\bfetch\(|\bWebSocket\b/g) ?? []),
    ];
  });
  expect(wrong).toEqual([]);
});

test('what is slow to load is loaded where it is used', () => {
  const wrong = findings(({ code }) => {
    const loaded = importsOf(code.replace(/\bimport type [^;]*;|\bimport\([^)]*\)/g, ''));
    return loaded.filter((name) => lazy.includes(name) || /\/(gcpkms|serve)\.ts$/.test(name));
  });
  expect(wrong).toEqual([]);
});

test.each([
  ['console nowhere', /\bconsole\b/, []],
  ['the exit code in bin/ only', /\bprocess\s*\.\s*exit/, []],
  [
    'the process through IO',
    /\bprocess\s*\.|\bglobalThis\b|['"]node:(process|os)['"]/,
    processUsers,
  ],
  ['import() with a name that can be read here', /\bimport\s*\((?!\s*(['"])[^'"]+\1\s*\))/, []],
] as const)('%s', (_, pattern, homes: readonly string[]) => {
  const wrong = findings(({ path, code }) =>
    homes.includes(partOf(path)) || homes.includes(path)
      ? []
      : (pattern.exec(code) ?? []).slice(0, 1),
  );
  expect(wrong).toEqual([]);
});

test('no file is a barrel', () => {
  const rest = (code: string) =>
    code.replace(/^(?:import|export)\b[^'"=()]*\bfrom\s*['"][^'"]+['"];?/gm, '').trim();
  expect(findings(({ code }) => (rest(code) === '' ? ['only passes on'] : []))).toEqual([]);
});

test('no decision depends on the text of a message of kseal', () => {
  // What Google's client, git and commander say is theirs; their borders may look into it.
  const borders = /^(?:keys\/gcpkms|git\/|cli\/program\.ts)/;
  const looks =
    /(?<!typeof )\b(?:message|problem)\)?\s*(?:[!=]==|\.(?:includes|startsWith|endsWith|match\w*|search|indexOf|replace\w*)\()|(?:\.test|\.exec)\([^)]*\b(?:message|problem)\)|\b(?:set|has|get|add)\([^)]*\.message\b|===\s*[\w.]*\.message\b/;
  const wrong = findings(({ path, code }) =>
    borders.test(path) ? [] : (looks.exec(code) ?? []).slice(0, 1),
  );
  expect(wrong).toEqual([]);
});
