import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');

export interface Registry {
  /** The tarball that `npm pack` has made of the built files. */
  readonly tarball: string;
  readonly address: string;
  /** Variables with which npm has an empty cache, and a user who has configured this registry. */
  readonly env: Readonly<Record<string, string>>;
  /** The paths that were requested. */
  readonly requests: string[];
  stop(): void;
}

/** Starts an npm registry on this machine that has kseal as its only package. Its files are in `folder`. */
export async function startRegistry(folder: string): Promise<Registry> {
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: root });
  const file = stdout.trim();
  const tarball = join(folder, file);
  const bytes = readFileSync(tarball);
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const requests: string[] = [];
  const server = createServer(({ url = '', headers }, response) => {
    requests.push(url);
    const dist = { tarball: `http://${headers.host}/kseal/-/${file}`, integrity };
    const { name, version } = manifest;
    const versions = { [version]: { ...manifest, dist } };
    if (url === '/kseal')
      response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
    else if (url === `/kseal/-/${file}`) response.end(bytes);
    else response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}/`;
  const userconfig = join(folder, 'npmrc');
  writeFileSync(userconfig, `registry=${address}\nfetch-retries=0\nupdate-notifier=false\n`);
  const env = { npm_config_userconfig: userconfig, npm_config_cache: join(folder, 'npm-cache') };
  return {
    tarball,
    address,
    env,
    requests,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
