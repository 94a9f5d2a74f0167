'use strict';
// The entry point of the program, in dist/main.cjs. It loads modules from the other files of its
// folder, with the code that V8 made of them when they were built, if this is the same Node.js.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const files = FILES;
const cache = join(__dirname, 'cache', `${process.version}-${process.platform}-${process.arch}`);
const exportsOf = new Map();

/** Returns the exports of a module, which is evaluated the first time. */
function load(file, name) {
  let exports = exportsOf.get(name);
  if (exports === undefined) {
    exports = {};
    exportsOf.set(name, exports);
    read(`./${files[file]}`)[name](exports, load, lazy, define);
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

/** As require() does, but with the code of the cache. */
function read(name) {
  if (!name.startsWith('./')) return require(name);
  const path = join(__dirname, name);
  const known = require.cache[path];
  if (known !== undefined) return known.exports;
  const cachedData = cached(name);
  // A build makes the cache.
  if (cachedData === undefined && exports.scripts === undefined) return require(name);
  const { Script } = require('node:vm');
  const head = '(function (exports, require, module, __filename, __dirname) {';
  // esbuild writes only ASCII.
  const script = new Script(`${head}${readFileSync(path, 'latin1')}\n})`, {
    filename: path,
    cachedData,
  });
  exports.scripts?.set(name, script);
  const module = { id: path, filename: path, loaded: true, exports: {} };
  require.cache[path] = module;
  script.runInThisContext()(module.exports, read, module, path, __dirname);
  return module.exports;
}

function cached(name) {
  try {
    return readFileSync(join(cache, name));
  } catch {
    return undefined;
  }
}

/** Set by a build, before it runs commands: the scripts that they use, by file. */
exports.scripts = undefined;
/** Runs a command line. */
exports.main = (...line) => load('start', 'src/cli/main.ts').main(...line);
