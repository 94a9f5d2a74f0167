// The script of the executable. The chunks of the program are its assets.
const { getRawAsset } = require('node:sea');
const { Script } = require('node:vm');
const { requireWith } = require('./require.cjs');

const assetOf = (name) => Buffer.from(getRawAsset(name));

// V8 compiles a chunk again if it rejects the code cache.
const load = requireWith(
  (name) =>
    new Script(assetOf(`chunk/${name}`).latin1Slice(), {
      filename: name,
      cachedData: assetOf(`cache/${name}`),
    }),
);

load('./kseal.js');
