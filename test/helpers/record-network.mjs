// Preloaded with `node --import`: prints the network calls and programs of the process, and the
// packages of the KMS client that it loaded, as the last line of stderr.
import processes from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { readFileSync, writeSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { basename } from 'node:path';

const actions = [];

/** Records each call of a method. */
function record(owner, name, say) {
  const original = owner[name];
  owner[name] = function recorded(...args) {
    actions.push(say(args));
    return original.apply(this, args);
  };
}

record(net.Socket.prototype, 'connect', () => 'connect');
record(dgram, 'createSocket', () => 'datagram socket');
for (const name of ['spawn', 'exec', 'execFile', 'fork']) {
  record(processes, name, ([file]) => `run ${file}`);
  if (name !== 'fork') record(processes, `${name}Sync`, ([file]) => `run ${file}`);
}
for (const owner of [dns, dns.promises]) {
  for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6']) record(owner, name, () => name);
}
record(globalThis, 'fetch', () => 'fetch');
syncBuiltinESMExports();

/** The modules in each built file. */
const modules = JSON.parse(
  readFileSync(new URL('../../dist/modules.json', import.meta.url), 'utf8'),
);

process.on('exit', () => {
  const { cache } = createRequire(import.meta.url);
  const loaded = Object.keys(cache).flatMap((path) => modules[basename(path)] ?? []);
  const packages = ['@grpc/grpc-js', 'google-auth-library'].filter((name) =>
    loaded.some((path) => path.includes(`node_modules/${name}/`)),
  );
  writeSync(2, `${JSON.stringify({ actions, packages })}\n`);
});
