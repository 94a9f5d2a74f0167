'use strict';
// The entry point of the program, dist/main.cjs. It loads modules from the other files of its folder,
// with the code that V8 made of them when they were built, if that was by the same Node.js.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

// The build inserts the names in capitals. A single executable has no folder.
const cache =
  KSEAL_DIST && `${KSEAL_DIST}/cache/${process.version}-${process.platform}-${process.arch}`;
const fileOf = new Map();
for (const [file, names] of Object.entries(FILES)) for (const name of names) fileOf.set(name, file);
const modules = new Map();
const read = new Map();

/** Returns the exports of a module of src/, which is evaluated the first time, or of a file. */
function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known;
  const file = fileOf.get(name);
  if (file === undefined) return readFile(name);
  const evaluate = readFile(`./${file}`)[name];
  const exports = {};
  modules.set(name, exports);
  try {
    evaluate(exports, load, define, lazy);
  } catch (error) {
    // Without its other half, a module would fail elsewhere, or not at all.
    modules.delete(name);
    throw error;
  }
  return exports;
}

/** Returns an object whose members are modules, each of which is loaded when it is first read. */
function lazy(names) {
  const imports = {};
  for (const variable in names) {
    let value;
    Object.defineProperty(imports, variable, { get: () => (value ??= load(names[variable])) });
  }
  return imports;
}

function define(exports, all) {
  for (const name in all)
    Object.defineProperty(exports, name, { get: all[name], enumerable: true });
}

/** Does what require() does, with the cache. */
function readFile(name) {
  const known = read.get(name);
  if (known !== undefined) return known.exports;
  if (!name.startsWith('./')) return require(name);
  const cachedData = cached(name);
  if (cachedData === undefined && exports.scripts === undefined) return require(name);
  const { Script } = require('node:vm');
  const filename = join(KSEAL_DIST, name);
  // esbuild writes only ASCII.
  const text = readFileSync(filename, 'latin1');
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${text}\n})`,
    { filename, cachedData },
  );
  exports.scripts?.set(name, script);
  const module = { id: filename, filename, loaded: true, exports: {} };
  read.set(name, module);
  // For files that are not in the cache; Node.js looks for the path that it would resolve.
  require.cache[filename] = module;
  script.runInThisContext()(module.exports, load, module, filename, KSEAL_DIST);
  return module.exports;
}

/** The code of a file; V8 compiles the file again if it rejects it. */
function cached(name) {
  try {
    return cache && readFileSync(`${cache}/${name}`);
  } catch {
    return undefined;
  }
}

/** A build sets this before it runs commands, to get the scripts that they use, by file. */
exports.scripts = undefined;
/** Runs a command line, and returns its exit code. */
exports.main = (...line) => load(MAIN).main(...line);
