import { join } from 'node:path';
import { freePort, startService } from './services.mjs';

/** Starts etcd with a single member. Resolves to its URL. */
export async function startEtcd(folder, program) {
  const [client, peer] = await Promise.all([freeUrl(), freeUrl()]);
  const args = [
    ...['--name', 'only', '--data-dir', join(folder, 'etcd')],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', `only=${peer}`, '--unsafe-no-fsync'],
  ];
  const ready = async () => (await fetch(`${client}/health`)).ok;
  await startService({ name: 'etcd', program, args, folder, ready });
  return client;
}

async function freeUrl() {
  return `http://127.0.0.1:${await freePort()}`;
}
