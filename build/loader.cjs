'use strict';
// The entry point of the program, dist/main.cjs. It loads modules from the other files of its folder,
// with the code that V8 made of them when they were built, if that was by the same Node.js.
const { readFileSync } = require('node:fs');

// The build inserts the names in capitals. A single executable has no folder.
const cache =
  KSEAL_DIST && `${KSEAL_DIST}/cache/${process.version}-${process.platform}-${process.arch}`;
const files = FILES;
const modules = new Map();
const read = new Map();

/** Returns the exports of a module, which is evaluated the first time. */
function load(file, name) {
  let exports = modules.get(name);
  if (exports === undefined) {
    exports = {};
    modules.set(name, exports);
    readFile(`./${files[file]}`)[name](exports, load, lazy, define);
  }
  return exports;
}

function lazy(get) {
  let value;
  return () => {
    value ??= get();
    return value;
  };
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
  const filename = `${KSEAL_DIST}/${name.slice(2)}`;
  // esbuild writes only ASCII.
  const text = readFileSync(filename, 'latin1');
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${text}\n})`,
    { filename, cachedData },
  );
  exports.scripts?.set(name, script);
  const module = { id: filename, filename, loaded: true, exports: {} };
  read.set(name, module);
  // For files that are not in the cache.
  require.cache[filename] = module;
  script.runInThisContext()(module.exports, readFile, module, filename, KSEAL_DIST);
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
exports.main = (...line) => {
  const [file, main] = START;
  return load(file, main).main(...line);
};
