import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test, vi } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import { type GitWorld, gitWorld } from '../helpers/git-repository.ts';
import { startGitServer } from '../helpers/git-server.ts';

/** Unlike `once` of node:events, accepts a reset as an end. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** A server that never answers. */
async function silentServer(world: GitWorld) {
  let hear: (socket: Socket) => void;
  /** The connection of the first request. */
  const asked = new Promise<Socket>((resolve) => {
    hear = resolve;
  });
  const { host, trust } = await startGitServer(world, ({ socket }) => {
    hear(socket);
    return true;
  });
  return { url: `https://${host}/keys.git`, env: { ...world.env, ...trust }, asked };
}

test('the deadline ends git and all its processes', async () => {
  const world = gitWorld();
  const { url, env, asked } = await silentServer(world);
  const address = { url, protocols: ['https'], ref: 'main', path: 'keys/prod.pub', shown: url };
  const deadline = new AbortController();
  const options = { env, limit: 100, verifySignature: false, deadline: deadline.signal };
  const gone = asked.then((socket) => {
    deadline.abort();
    return closed(socket);
  });
  await expect(fetchFile(address, options)).rejects.toMatchObject({
    code: 'KEY_DEADLINE',
    message: `${url}: git did not finish in time`,
  });
  await gone;
});

test('the default deadline is two minutes', async () => {
  const world = gitWorld();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort());
  const address = { url: 'file:///', protocols: [], ref: 'main', path: 'x', shown: 'it' };
  const options = { env: world.env, limit: 100, verifySignature: false };
  await expect(fetchFile(address, options)).rejects.toMatchObject({ code: 'KEY_DEADLINE' });
  expect(timeout.mock.calls).toEqual([[120_000]]);
  timeout.mockRestore();
});

/** Builds a program that fetches from `url`, as a command of kseal would. */
async function fetcher({ folder }: GitWorld, url: string): Promise<string> {
  const module = join(import.meta.dirname, '../../src/git/fetch.ts');
  const address = { url, protocols: ['https'], ref: 'main', path: 'keys/prod.pub', shown: url };
  const source = `import { fetchFile } from ${JSON.stringify(module)};
    // As bin/kseal.js does.
    if (process.argv[2] === 'bin')
      process.on('SIGINT', () => {
        if (process.listenerCount('SIGINT') === 1) process.exit(130);
      });
    const options = { env: process.env, limit: 100, verifySignature: false };
    await fetchFile(${JSON.stringify(address)}, options);`;
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: folder, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  });
  const path = join(folder, 'fetcher.mjs');
  writeFileSync(path, outputFiles[0]?.contents ?? '');
  return path;
}

test.each([
  ['SIGINT', 'bin', [130, null]],
  ['SIGINT', 'alone', [null, 'SIGINT']],
  ['SIGTERM', 'bin', [null, 'SIGTERM']],
  ['SIGHUP', 'bin', [null, 'SIGHUP']],
] as const)('%s (%s) leaves no folder and no process', async (signal, mode, wanted) => {
  const world = gitWorld();
  const { url, env, asked } = await silentServer(world);
  const path = await fetcher(world, url);
  const child = spawn(process.execPath, [path, mode], {
    env: { ...env, TMPDIR: world.temporary },
    stdio: 'ignore',
  });
  const socket = await asked;
  expect(readdirSync(world.temporary)).toHaveLength(1);
  const ended = Promise.all([once(child, 'exit'), closed(socket)]);
  child.kill(signal);
  expect((await ended)[0]).toEqual(wanted);
  expect(readdirSync(world.temporary)).toEqual([]);
});
