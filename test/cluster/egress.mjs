// Brings the API server's calls to a Service in the cluster to a port of this machine, through an
// HTTP CONNECT proxy on a Unix socket, like Konnectivity. The API server needs no DNS and no pod
// network this way, and still checks the certificate against the name of the Service.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { atEnd } from './services.mjs';

/** Makes the API server use the proxy for destinations in the cluster. */
export function egressConfiguration(socket) {
  const connection = { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName: socket } } };
  return {
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [{ name: 'cluster', connection }],
  };
}

/** Starts the proxy. Connections to an address go to the port that `portOf` returns; undefined refuses them. */
export async function startEgress(socket, portOf) {
  const open = new Set();
  const server = createServer().on('connect', ({ url }, client) => {
    const port = portOf(url.replace(/:\d+$/, ''));
    if (port === undefined) return client.destroy();
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(target).pipe(client);
    });
    const drop = () => {
      client.destroy();
      target.destroy();
      open.delete(drop);
    };
    open.add(drop);
    for (const side of [client, target]) side.on('error', drop).on('close', drop);
  });
  server.listen(socket);
  await once(server, 'listening');
  atEnd(() => {
    server.close();
    for (const drop of open) drop();
  });
}
