// Turns src/ into CommonJS files that hold one function for each module. A module is evaluated when
// one of its exports is first used, so a command evaluates only the modules that it needs. Packages
// stay in the chunks of esbuild.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join, posix, relative } from 'node:path';
import { build, transform } from 'esbuild';

/**
 * The modules that are read together, because to find and read a file costs as much as to parse 20 kB
 * of code. A row is a file and its modules, in which is all that they import as well, unless it is in
 * another row or in a file above. Every other module that import() loads has a row of its own.
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

/** Bundles `sources`. Returns the text of each file by name, and the paths of the modules in it. */
export async function programFiles(options, sources) {
  const { metafile, outputFiles } = await build({
    ...options,
    plugins: [withoutChildProcess],
    entryPoints: sources,
    outdir: join(options.absWorkingDir, 'dist'),
    outExtension: { '.js': '.cjs' },
    splitting: true,
    metafile: true,
    write: false,
  });
  const outputs = outputFiles.map(({ path, text }) => {
    const name = relative(options.absWorkingDir, path);
    const { entryPoint, inputs, imports } = metafile.outputs[name];
    const paths = Object.keys(inputs);
    const id = [entryPoint, ...paths].find((source) => sources.includes(source));
    return { name, text, id, paths, imports };
  });
  const ids = new Map(outputs.map(({ name, id }) => [name, id]));
  // A module that others import is in a chunk, which its own file exports again.
  const modules = new Map(
    outputs.flatMap((output) =>
      output.id && output.paths.length > 0 ? [[output.id, output]] : [],
    ),
  );
  const rows = groupsOf(modules, ids);
  const files = new Map(rows.flatMap(([file, members]) => members.map((id) => [id, file])));
  const target = (from, path) => {
    const name = posix.join(posix.dirname(from), path);
    const id = ids.get(name);
    return id ? `load("${files.get(id)}", "${id}")` : `require("./${basename(name)}")`;
  };
  const chunks = outputs
    .filter(({ id }) => id === undefined)
    .map(async ({ name, text, paths }) => {
      return [basename(name), await toCommonJs(text, options, minified), paths];
    });
  const grouped = rows.map(async ([file, members]) => {
    const texts = members.map((id) => lazily(modules.get(id), options, target));
    const text = `'use strict';\nmodule.exports = {\n${(await Promise.all(texts)).join(',\n')}\n};`;
    const { code } = await transform(text, { target: options.target, ...minified });
    const hash = createHash('sha256').update(code).digest('hex').slice(0, 8);
    return [`${file}-${hash}.cjs`, code, members.flatMap((id) => modules.get(id).paths), file];
  });
  const written = await Promise.all([...chunks, ...grouped]);
  const names = Object.fromEntries(
    written.flatMap(([name, , , file]) => (file ? [[file, name]] : [])),
  );
  const loader = await readFile(new URL('loader.cjs', import.meta.url), 'utf8');
  written.push(['main.cjs', loader.replace('FILES', JSON.stringify(names)), []]);
  return written;
}

/** Commander could run a command as a program; it needs a millisecond to load what starts one. */
const withoutChildProcess = {
  name: 'without-child-process',
  setup: ({ onLoad }) =>
    onLoad({ filter: /commander\/lib\/command\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replace("require('node:child_process')", '{}') };
    }),
};

/** The rows of files: a name, and the modules in it. */
function groupsOf(modules, ids) {
  const imported = [...modules.values()].flatMap(({ imports }) => imports);
  const roots = imported
    .filter(({ kind }) => kind === 'dynamic-import')
    .map(({ path }) => ids.get(path));
  const others = [...new Set(roots)].filter((id) => id !== undefined);
  const rows = [
    ...groups,
    ...others.map((id) => [id.slice(4, -3).replaceAll('/', '-'), id]),
    ['others', ...modules.keys()],
  ];
  const named = new Map(groups.flatMap(([file, ...its]) => its.map((id) => [id, file])));
  const placed = new Set();
  return rows
    .map(([file, ...roots]) => {
      const members = [];
      const add = (id) => {
        if (id === undefined || placed.has(id) || (named.get(id) ?? file) !== file) return;
        placed.add(id);
        members.push(id);
        for (const { kind, path } of modules.get(id).imports)
          if (kind === 'import-statement') add(ids.get(path));
      };
      roots.forEach(add);
      return [file, members];
    })
    .filter(([, members]) => members.length > 0);
}

/** Converts an ES module to CommonJS. */
async function toCommonJs(text, { platform, target }, more = {}) {
  const supported = { 'dynamic-import': false };
  const { code } = await transform(text, { format: 'cjs', platform, target, supported, ...more });
  return code;
}

/** Names stay, for stack traces. */
const minified = { minifyWhitespace: true, minifySyntax: true };

/** The function of a module: `load` is called when an export of another one is first used. */
async function lazily({ id, name, text }, options, target) {
  const code = await toCommonJs(text, options);
  let body = code
    .replace(/^var __(?:create|defProp) = [\s\S]*?^var stdin_exports = \{\};\n/m, '')
    .replace(/^__export\(stdin_exports, /m, 'define(exports, ')
    .replace(/^module\.exports = __toCommonJS\(stdin_exports\);\n/m, '')
    .replace(/^\/\/ Annotate the CommonJS[\s\S]*/m, '')
    .replace(/\b__toESM\((require\("[^"]*"\))\)/g, '$1')
    .replace(/\brequire\("(\.[^"]*)"\)/g, (_, path) => target(name, path));
  for (const [line, variable, loaded] of [
    ...body.matchAll(/^var (import_\w+) = ((?:load|require)\(.*\));\n/gm),
  ]) {
    body = body.replace(line, '');
    const uses = new RegExp(String.raw`\b(new )?${variable}\b`, 'g');
    if (!uses.test(body)) continue;
    body = body.replace(uses, (_, isNew) => (isNew ? `new (${variable}())` : `${variable}()`));
    body = `const ${variable} = lazy(() => ${loaded});\n${body}`;
  }
  if (/(?<!\.)\b(?:stdin_exports|__toCommonJS|__toESM|__export)\b/.test(body))
    throw new Error(`${id}: esbuild wrote something else:\n${body.slice(0, 1500)}`);
  return `${JSON.stringify(id)}(exports, load, lazy, define) {\n${body}}`;
}
