import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, sourceFiles } from './helpers/imports.ts';

const files = sourceFiles(join(import.meta.dirname, '../src'));

/** The parts that each part of src/ may import. A part is a folder, or a file at the root. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'text.ts': [],
  'errors.ts': [],
  'deadline.ts': [],
  'diagnostic.ts': ['errors.ts', 'text.ts'],
  fs: ['text.ts', 'errors.ts'],
  yaml: ['diagnostic.ts', 'text.ts', 'errors.ts'],
  git: ['text.ts', 'errors.ts'],
  kubernetes: ['diagnostic.ts', 'text.ts', 'errors.ts'],
  jwe: ['kubernetes', 'text.ts', 'errors.ts'],
  manifest: ['diagnostic.ts', 'jwe', 'kubernetes', 'yaml', 'text.ts', 'errors.ts'],
  config: ['jwe', 'kubernetes', 'yaml', 'fs', 'text.ts', 'errors.ts'],
  keys: ['config', 'jwe', 'git', 'fs', 'deadline.ts', 'text.ts', 'errors.ts'],
  sources: ['git', 'fs', 'errors.ts'],
  seal: ['diagnostic.ts', 'manifest', 'jwe', 'kubernetes', 'text.ts', 'errors.ts'],
  unseal: ['diagnostic.ts', 'manifest', 'jwe', 'kubernetes', 'errors.ts'],
  inspect: ['diagnostic.ts', 'manifest', 'kubernetes', 'jwe', 'yaml', 'errors.ts'],
  // Rules get the allowed keys as plain data, and ask nobody for them.
  verify: ['diagnostic.ts', 'manifest', 'jwe', 'kubernetes', 'yaml', 'text.ts', 'errors.ts'],
  report: ['diagnostic.ts', 'verify', 'text.ts'],
  // The webhook knows no manifests, and not where keys are: serve.ts gets a function to load them.
  webhook: ['unseal', 'jwe', 'yaml', 'fs', 'text.ts', 'errors.ts', 'deadline.ts'],
  cli: [
    ...['webhook', 'report', 'verify', 'inspect', 'unseal', 'seal', 'sources', 'keys', 'config'],
    ...['manifest', 'jwe', 'kubernetes', 'git', 'fs', 'diagnostic.ts', 'text.ts', 'errors.ts'],
  ],
};

/** Each package has one home, where its errors are wrapped and its types end. */
const packages: Readonly<Record<string, readonly string[]>> = {
  jose: ['jwe'],
  yaml: ['yaml'],
  picomatch: ['config'],
  valibot: ['config'],
  'fastest-levenshtein': ['text.ts'],
  'p-limit': ['seal', 'unseal', 'webhook'],
  '@google-cloud/kms': ['keys'],
  '@grpc/grpc-js': ['keys'],
  '@peculiar/x509': ['webhook'],
  'reflect-metadata': ['webhook'],
  fastify: ['webhook'],
  pino: ['webhook'],
  'prom-client': ['webhook'],
  commander: ['cli'],
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
const processUsers = ['cli', 'git', 'keys/gcpkms/client.ts'];

/** Packages that are slow to load or use the network. They are loaded by `import()`. */
const lazy = ['@google-cloud/kms', '@grpc/grpc-js', '@peculiar/x509', 'reflect-metadata'];

function partOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** The files of which `faults` says something, each with what it says. */
function findings(faults: (file: (typeof files)[number]) => readonly string[]): string[] {
  return files.flatMap((file) => faults(file).map((fault) => `src/${file.path}: ${fault}`));
}

test('every file belongs to a part, and every part exists', () => {
  const used = new Set(files.map(({ path }) => partOf(path)));
  expect([...used].sort()).toEqual(Object.keys(parts).sort());
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
  const loaded = /^import (?!type\b).*'\.\.\/verify\/.*$/gm;
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
      git: processBuiltins,
      webhook: serverBuiltins,
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
    return loaded.filter(
      (name) => lazy.includes(name) || /\/(gcpkms\/provider|server\/serve)\.ts$/.test(name),
    );
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
  // These files wrap the errors of Google's client, git and commander, and may match their texts.
  const borders = /^(?:keys\/gcpkms\/|git\/|cli\/program\.ts)/;
  const looks =
    /(?<!typeof )(?:\bmessage|\berror\.problem)\)?\s*(?:[!=]==|\.(?:includes|startsWith|endsWith|match\w*|search|indexOf|replace\w*)\()|(?:\.test|\.exec)\([^)]*\b(?:message|error\.problem)\)|\b(?:set|has|get|add)\([^)]*\.message\b|===\s*[\w.]*\.message\b/;
  const wrong = findings(({ path, code }) =>
    borders.test(path) ? [] : (looks.exec(code) ?? []).slice(0, 1),
  );
  expect(wrong).toEqual([]);
});
