// Turns src/ into CommonJS files that hold one function for each module. A module is evaluated when
// one of its exports is first used, so a command evaluates only the modules that it needs, although
// they import each other as usual. Packages stay in the chunks of esbuild.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join, posix, relative } from 'node:path';
import { build, transform } from 'esbuild';

/**
 * The modules that are read together, because to find and read a file costs as much as to parse 20 kB
 * of code. A row is a file and its modules. The file also has the modules that these import, unless
 * they are in another row. Every other module that import() loads has a row of its own.
 */
const groups = [
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
export async function programFiles(main, options) {
  const bundle = (entryPoints) =>
    build({
      ...options,
      entryPoints,
      plugins: [withoutChildProcess],
      outdir: join(options.absWorkingDir, 'dist'),
      outExtension: { '.js': '.cjs' },
      splitting: true,
      metafile: true,
      write: false,
    });
  const reached = Object.keys((await bundle([main])).metafile.inputs);
  // As entry points, all modules stay apart.
  const sources = reached.filter((path) => path.startsWith('src/'));
  const { metafile, outputFiles } = await bundle(sources);
  const outputs = outputFiles.map(({ path, text }) => {
    const name = relative(options.absWorkingDir, path);
    const { entryPoint, inputs, imports } = metafile.outputs[name];
    const id = [entryPoint, ...Object.keys(inputs)].find((source) => sources.includes(source));
    return { name, text, id, inputs, imports };
  });
  const ids = new Map(outputs.map(({ name, id }) => [name, id]));
  // A module that others import is in a chunk, which the output of its own name exports again.
  const isModule = ({ id, inputs }) => id !== undefined && Object.keys(inputs).length > 0;
  const modules = new Map(outputs.filter(isModule).map((output) => [output.id, output]));
  const rows = rowsOf(modules, ids);
  const fileOf = new Map(rows.flatMap(([file, members]) => members.map((id) => [id, file])));
  const target = (from, path) => {
    const name = posix.join(posix.dirname(from), path);
    const id = ids.get(name);
    return id ? `$load("${fileOf.get(id)}", "${id}")` : `require("./${basename(name)}")`;
  };
  const packages = outputs.filter(({ id }) => id === undefined);
  const files = await Promise.all([
    ...packages.map(async ({ name, text, inputs }) => {
      return { name: basename(name), text: await toCommonJs(text, options, minified), inputs };
    }),
    ...rows.map(([file, members]) => {
      return moduleFile(
        file,
        members.map((id) => modules.get(id)),
        options,
        target,
      );
    }),
  ]);
  const names = Object.fromEntries(files.flatMap(({ file, name }) => (file ? [[file, name]] : [])));
  const loader = await loaderOf(names, main, options);
  return {
    files: new Map([...files.map(({ name, text }) => [name, text]), ['main.cjs', loader]]),
    metafile: {
      inputs: metafile.inputs,
      outputs: Object.fromEntries(files.map(({ name, inputs }) => [name, { inputs }])),
    },
  };
}

/** Commander could run a command as a program; it takes a millisecond to load what starts one. */
const withoutChildProcess = {
  name: 'without-child-process',
  setup: ({ onLoad }) =>
    onLoad({ filter: /commander[\\/]lib[\\/]command\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replace("require('node:child_process')", '{}') };
    }),
};

/** The rows of files: a name, and the modules in it. */
function rowsOf(modules, ids) {
  const imports = [...modules.values()].flatMap((module) => module.imports);
  const loaded = imports.filter(({ kind }) => kind === 'dynamic-import');
  const others = [...new Set(loaded.map(({ path }) => ids.get(path)))].filter(Boolean);
  const nameOf = (id) => id.replace(/^src\/|\.ts$/g, '').replaceAll('/', '-');
  const rowOf = new Map(groups.flatMap(([file, ...its]) => its.map((id) => [id, file])));
  const placed = new Set();
  return [...groups, ...others.map((id) => [nameOf(id), id])]
    .map(([file, ...roots]) => {
      const members = [];
      const add = (id) => {
        if (id === undefined || placed.has(id) || (rowOf.get(id) ?? file) !== file) return;
        placed.add(id);
        members.push(id);
        for (const { kind, path } of modules.get(id).imports)
          if (kind === 'import-statement') add(ids.get(path));
      };
      for (const id of roots) add(id);
      return [file, members];
    })
    .filter(([, members]) => members.length > 0);
}

/** A file with the functions of modules. Its name has a hash, so that a cache fits its content. */
async function moduleFile(file, modules, options, target) {
  const functions = await Promise.all(modules.map((module) => functionOf(module, options, target)));
  const all = `'use strict';\nmodule.exports = {\n${functions.join(',\n')}\n};`;
  const { code: text } = await transform(all, { target: options.target, ...minified });
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const inputs = Object.assign({}, ...modules.map((module) => module.inputs));
  return { file, name: `${file}-${hash}.cjs`, text, inputs };
}

/** The function of a module, in which `$load` is called when an export of another is first used. */
async function functionOf({ id, name, text }, options, target) {
  let body = (await toCommonJs(text, options))
    .replace(/^var __(?:create|defProp) = [\s\S]*?^var stdin_exports = \{\};\n/m, '')
    .replace(/^__export\(stdin_exports, /m, '$$define(exports, ')
    .replace(/^module\.exports = __toCommonJS\(stdin_exports\);\n/m, '')
    .replace(/^\/\/ Annotate the CommonJS[\s\S]*/m, '')
    .replace(/\b__toESM\((require\("[^"]*"\))\)/g, '$1')
    .replace(/\brequire\("(\.[^"]*)"\)/g, (_, path) => target(name, path));
  const imports = body.matchAll(/^var (import_\w+) = ((?:\$load|require)\(.*\));\n/gm);
  for (const [line, variable, loaded] of [...imports]) {
    body = body.replace(line, '');
    const uses = new RegExp(String.raw`\b(new )?${variable}\b`, 'g');
    if (!uses.test(body)) continue;
    body = body.replace(uses, (_, isNew) => (isNew ? `new (${variable}())` : `${variable}()`));
    body = `const ${variable} = $lazy(() => ${loaded});\n${body}`;
  }
  if (/(?<!\.)\b(?:stdin_exports|__toCommonJS|__toESM|__export)\b/.test(body))
    throw new Error(`${id}: esbuild writes CommonJS in another way than expected`);
  return `${JSON.stringify(id)}(exports, $load, $lazy, $define) {\n${body}}`;
}

/** Converts an ES module to CommonJS. esbuild splits only ES modules, but Node loads CommonJS faster. */
async function toCommonJs(text, { platform, target }, more = {}) {
  const supported = { 'dynamic-import': false };
  const { code } = await transform(text, { format: 'cjs', platform, target, supported, ...more });
  return code;
}

async function loaderOf(names, main, { define, target }) {
  const text = await readFile(new URL('loader.cjs', import.meta.url), 'utf8');
  const file = groups.find((row) => row.includes(main))?.[0];
  const values = { FILES: names, START: [file, main] };
  const constants = Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]);
  const all = { ...define, ...Object.fromEntries(constants) };
  return (await transform(text, { target, define: all })).code;
}
