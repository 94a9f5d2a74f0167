// Preloaded with `node --import`: ends the process when it uses the network.

import dgram from 'node:dgram';
import dns from 'node:dns';
import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const trap = (name) => () => {
  process.stderr.write(`network used: ${name}\n`);
  process.exit(99);
};
net.Socket.prototype.connect = trap('connect');
dgram.Socket.prototype.send = trap('send');
http2.connect = trap('http2');
globalThis.fetch = trap('fetch');
for (const name of Object.keys(dns)) {
  if (/^(?:lookup|resolve)/.test(name)) dns[name] = trap(name);
}
for (const name of Object.keys(dns.promises)) {
  if (/^(?:lookup|resolve)/.test(name)) dns.promises[name] = trap(name);
}
syncBuiltinESMExports();
