// Turns src/ into CommonJS files that hold one function for each module. A module is evaluated when
// one of its exports is first used, so a command evaluates only the modules that it needs. Packages
// stay in the chunks of esbuild.
import { basename, join, posix, relative } from 'node:path';
import { build, transform } from 'esbuild';

/**
 * The modules that are read together, because to find and read a file costs as much as to parse 20 kB
 * of code. A row is a file, and the modules in it; all that they import is in it as well, unless it
 * is in a file above. Every other module that is loaded by import() has its own row.
 */
const groups = [
  ['main', 'src/cli/main.ts'],
  ['seal', 'src/cli/program.ts', 'src/cli/seal.ts'],
  ['decrypt', 'src/cli/decrypt.ts'],
  ['verify', 'src/cli/verify.ts'],
];

/** Bundles `sources`. Returns the text of each file by name, and the paths of the modules in it. */
export async function programFiles(options, sources) {
  const { metafile, outputFiles } = await build({
    ...options,
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
  const written = outputs
    .filter(({ id }) => id === undefined)
    .map(async ({ name, text, paths }) => [basename(name), await toCommonJs(text, options), paths]);
  for (const [file, members] of rows) {
    const texts = members.map((id) => lazily(modules.get(id), options, target));
    const paths = members.flatMap((id) => modules.get(id).paths);
    written.push(
      moduleFile(file, await Promise.all(texts), options).then((text) => [
        `${file}.cjs`,
        text,
        paths,
      ]),
    );
  }
  return Promise.all(written);
}

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
  const placed = new Set();
  return rows
    .map(([file, ...roots]) => {
      const members = [];
      const add = (id) => {
        if (id === undefined || placed.has(id)) return;
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
async function toCommonJs(text, { platform, target }) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform,
    target,
    supported: { 'dynamic-import': false },
  });
  return code;
}

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

/** A file with the functions of modules; the first one has the loader as well. */
async function moduleFile(file, texts, { target }) {
  const all = `{\n${texts.join(',\n')}\n}`;
  const text =
    file === groups[0][0] ? `const modules = ${all};\n${loader}` : `module.exports = ${all};`;
  const { code } = await transform(`'use strict';\n${text}`, {
    target,
    minifyWhitespace: true,
    minifySyntax: true,
  });
  return code;
}

const [[first, main]] = groups;

/** Loads a module from a file of its folder. */
const loader = `
const loaded = new Map();
function lazy(load) {
  let value;
  return () => (value ??= load());
}
function define(exports, all) {
  for (const name in all) Object.defineProperty(exports, name, { get: all[name], enumerable: true });
}
function load(file, name) {
  let exports = loaded.get(name);
  if (exports === undefined) {
    loaded.set(name, (exports = {}));
    const all = file === '${first}' ? modules : require('./' + file + '.cjs');
    all[name](exports, load, lazy, define);
  }
  return exports;
}
exports.main = (...args) => load('${first}', '${main}').main(...args);
`;
