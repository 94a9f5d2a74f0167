// Turns src/ into CommonJS files that hold one function for each module. A module is evaluated when
// one of its exports is first used, so a command evaluates only the modules that it needs, although
// they import each other as usual. Packages stay in the chunks of esbuild.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { build, transform } from 'esbuild';

/**
 * The modules that are read together, because to find and read a file costs as much as to parse 20 kB
 * of code. A row is a file and its modules. The file also has the modules that these import, unless
 * they are in another row. Every other module that import() loads has a row of its own.
 */
const groupsOfProgram = [
  ['start', 'cli/main'],
  // To seal a value from a pipe.
  ['seal', 'cli/program', 'cli/seal'],
  // To read and edit manifests and the configuration, and to ask questions.
  [
    ...['manifests', 'cli/prompt', 'config/schema', 'config/glob', 'fs/write', 'git/local'],
    ...['manifest/edit-mapping', 'manifest/nested', 'manifest/read-secret', 'manifest/nodes'],
    ...['sources/beside', 'sources/texts', 'yaml/parse'],
  ],
  ['decrypt', 'cli/decrypt'],
  ['verify', 'cli/verify'],
].map(([file, ...names]) => [file, ...names.map((name) => `src/${name}.ts`)]);

/** Names stay as they are, for stack traces. */
const minified = { minifyWhitespace: true, minifySyntax: true };

/**
 * Bundles the program that `main` exports. Returns the texts of its files by name, and a metafile like
 * that of esbuild; `main.cjs` loads the others.
 */
export async function programFiles(main, options, groups = groupsOfProgram) {
  const reached = await bundle(options, [main], { packages: 'external' });
  const sources = Object.keys(reached.metafile.inputs).filter((path) => path.startsWith('src/'));
  const plugins = [withoutChildProcess, withoutApis, modulesApart(options.absWorkingDir)];
  const { metafile, outputFiles } = await bundle(options, sources, { plugins });
  const outputs = outputFiles.map(({ path, text }) => {
    const output = metafile.outputs[relative(options.absWorkingDir, path).replaceAll('\\', '/')];
    return { ...output, name: basename(path), text };
  });
  const isModule = ({ entryPoint }) => sources.includes(entryPoint);
  const modules = new Map(outputs.filter(isModule).map((one) => [one.entryPoint, one]));
  const rows = rowsOf(modules, groups);
  const files = await Promise.all([
    ...outputs.filter((one) => !isModule(one)).map((one) => packageFile(one, options)),
    ...rows.map((row) => moduleFile(row, modules, options)),
  ]);
  const loader = await loaderOf(files, main, options);
  return {
    files: new Map([...files.map(({ name, text }) => [name, text]), ['main.cjs', loader]]),
    metafile: {
      inputs: metafile.inputs,
      outputs: Object.fromEntries(files.map(({ name, inputs }) => [name, { inputs }])),
    },
  };
}

function bundle(options, entryPoints, more) {
  return build({
    ...options,
    entryPoints,
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    entryNames: '[name]-[hash]',
    splitting: true,
    metafile: true,
    write: false,
    ...more,
  });
}

/** Leaves the imports of modules by others, with the path of the module from the root of the project. */
const modulesApart = (root) => ({
  name: 'modules-apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\..*\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind === 'entry-point') return undefined;
      const id = relative(root, join(resolveDir, path)).replaceAll('\\', '/');
      return { path: id, external: true, sideEffects: false };
    }),
});

/** Commander could run a command as a program; it takes a millisecond to load what starts one. */
const withoutChildProcess = {
  name: 'without-child-process',
  setup: ({ onLoad }) =>
    onLoad({ filter: /commander[\\/]lib[\\/]command\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replace("require('node:child_process')", '{}') };
    }),
};

/** The Kubernetes client has a class for each kind of object, and kseal uses none: 4 MB. */
const withoutApis = {
  name: 'without-apis',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const full = join(resolveDir, path);
      const isGenerated = /@kubernetes[\\/]client-node[\\/]dist[\\/]gen[\\/]/.test(full);
      return isGenerated ? { path: full, sideEffects: false } : undefined;
    }),
};

/** The rows of files: a name, and the modules in it. */
function rowsOf(modules, groups) {
  const importsOf = (id, kind) =>
    modules
      .get(id)
      .imports.filter((one) => one.kind === kind && modules.has(one.path))
      .map(({ path }) => path);
  const loaded = [...modules.keys()].flatMap((id) => importsOf(id, 'dynamic-import'));
  const nameOf = (id) => id.replace(/^src\/|\.ts$/g, '').replaceAll('/', '-');
  const others = [...new Set(loaded)].map((id) => [nameOf(id), id]);
  const rowOf = new Map(groups.flatMap(([file, ...ids]) => ids.map((id) => [id, file])));
  const placed = new Set();
  const rows = [...groups, ...others]
    .map(([file, ...roots]) => {
      const members = [];
      const add = (id) => {
        if (placed.has(id) || (rowOf.get(id) ?? file) !== file) return;
        placed.add(id);
        members.push(id);
        for (const path of importsOf(id, 'import-statement')) add(path);
      };
      for (const id of roots) add(id);
      return [file, members];
    })
    .filter(([, members]) => members.length > 0);
  const missing = [...modules.keys()].filter((id) => !placed.has(id));
  if (missing.length > 0) throw new Error(`${missing.join(', ')}: in no file`);
  return rows;
}

/**
 * A file with packages. Of a CommonJS package esbuild exports only the default, but import() in Node
 * gives its names as well, and packages that load others rely on that.
 */
async function packageFile({ name, text, inputs }, options) {
  const code = await toCommonJs(text, options, minified);
  const isCommonJs = /^export default require_\w+\(\);$/m.test(text);
  const names = isCommonJs
    ? 'Object.setPrototypeOf(module.exports, module.exports.default);\n'
    : '';
  return { name, text: `${code}${names}`, inputs, members: [] };
}

/** A file with the functions of modules. Its name has a hash, so that a cache fits its content. */
async function moduleFile([file, members], modules, options) {
  const functions = await Promise.all(members.map((id) => functionOf(modules.get(id), options)));
  const all = `'use strict';\nmodule.exports = {\n${functions.map(({ text }) => text).join(',\n')}\n};`;
  const variables = functions.flatMap((one) => one.variables);
  // An import became a free variable, which esbuild finds as the language defines it.
  const define = Object.fromEntries(variables.map((name) => [name, `$imports.${name}`]));
  const { code: text } = await transform(all, { target: options.target, define, ...minified });
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const inputs = Object.assign({}, ...members.map((id) => modules.get(id).inputs));
  return { name: `${file}-${hash}.cjs`, text, inputs, members };
}

/**
 * The function of a module, whose parameters have the names that esbuild uses, and the variables of its
 * imports, which are then members of `$imports`. Such a member calls `require` when it is first read.
 */
async function functionOf({ entryPoint, text }, options) {
  const imports = {};
  const body = (await toCommonJs(text, options))
    .replace(/^var __[\s\S]*?^var stdin_exports = \{\};\n/m, '')
    .replace(/^module\.exports = __toCommonJS\(stdin_exports\);\n/m, '')
    .replace(/\b__toESM\((require\("[^"]*"\))\)/g, '$1')
    .replace(/^var (import_\w+) = require\("([^"]*)"\);\n/gm, (_, variable, path) => {
      imports[variable] = path;
      return '';
    });
  // Code that looks converted before it is, in a string of several lines, would be changed. The modules of
  // Node.js have no member `default`, because they are not converted.
  const isAmbiguous = /^var import_\w+ = require\(|\b__toESM\(require\(/m.test(text);
  if (
    isAmbiguous ||
    /(?<!\.)\b(?:__toCommonJS|__toESM|__reExport|import_node_\w+\.default)\b/.test(body)
  )
    throw new Error(`${entryPoint}: esbuild writes CommonJS in another way than expected`);
  const head = `const $imports = $lazy(${JSON.stringify(imports)});`;
  return {
    text: `${JSON.stringify(entryPoint)}(stdin_exports, require, __export, $lazy) {\n${head}\n${body}}`,
    variables: Object.keys(imports),
  };
}

/** Converts an ES module to CommonJS. esbuild splits only ES modules, but Node loads CommonJS faster. */
async function toCommonJs(text, { platform, target }, more = {}) {
  const supported = { 'dynamic-import': false };
  const { code } = await transform(text, { format: 'cjs', platform, target, supported, ...more });
  return code;
}

async function loaderOf(files, main, { define, target }) {
  const text = await readFile(new URL('loader.cjs', import.meta.url), 'utf8');
  const modulesOf = files.flatMap(({ name, members }) =>
    members.length > 0 ? [[name, members]] : [],
  );
  const values = { FILES: Object.fromEntries(modulesOf), MAIN: main };
  const constants = Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]);
  const all = { ...define, ...Object.fromEntries(constants) };
  return (await transform(text, { target, define: all })).code;
}
