const { basename, dirname } = require('node:path');

/**
 * Returns a `require` for the chunks of the program. `compile` returns a chunk, given its name, as a
 * script that is a function (build.mjs).
 */
exports.requireWith = (compile) => {
  const modules = new Map();
  const load = (request) => {
    if (!request.startsWith('.')) return require(request);
    const name = basename(request);
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(name, module);
    const run = compile(name).runInThisContext();
    run(module.exports, load, module, dirname(process.execPath));
    return module.exports;
  };
  return load;
};
