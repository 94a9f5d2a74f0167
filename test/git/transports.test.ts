import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import {
  configure,
  type GitWorld,
  gitWorld,
  program,
  Repository,
} from '../helpers/git-repository.ts';
import { type Fault, startGitServer } from '../helpers/git-server.ts';

const protocols = ['https', 'ssh'];

interface Asked {
  readonly env: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
}

function fetchFrom(url: string, asked: Asked) {
  const shown = url.replace(/\/\/.*@/, '//');
  const address = { url, protocols, shown, ref: 'main', path: 'keys/prod.pub', ...asked };
  return fetchFile(address, { env: asked.env, limit: 100, verifySignature: false });
}

function withKey(): { world: GitWorld; repository: Repository; commit: string } {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({ 'keys/prod.pub': 'key', 'large.bin': 'x'.repeat(9999) });
  return { world, repository, commit };
}

/** A fake ssh that records its arguments and runs git locally. */
function sshIn(world: GitWorld): Readonly<Record<string, string>> {
  const said = join(world.folder, 'ssh-said');
  const command = program(world, 'fake-ssh', [
    `printf '%s\\n' "$@" >> '${said}'`,
    'for last; do :; done',
    'exec sh -c "$last"',
  ]);
  return { ...world.env, GIT_SSH_COMMAND: command, GIT_SSH_VARIANT: 'ssh' };
}

test('https through git http-backend', async () => {
  const { world, commit } = withKey();
  const { host, trust } = await startGitServer(world);
  const env = { ...world.env, ...trust };
  const file = await fetchFrom(`https://${host}/keys.git/.git`, { env });
  expect([`${file.bytes}`, file.commit]).toEqual(['key', commit]);
});

test('sends one request to a server that cannot omit blobs', async () => {
  const { world } = withKey();
  const { host, trust, requests } = await startGitServer(world);
  await fetchFrom(`https://${host}/keys.git/.git`, { env: { ...world.env, ...trust } });
  expect(requests.filter((request) => request.startsWith('GET'))).toHaveLength(1);
});

test('fetches only one blob from a server that can omit blobs', async () => {
  const { world, repository } = withKey();
  repository.git('config', 'uploadpack.allowFilter', 'true');
  const { host, trust, requests } = await startGitServer(world);
  const env = { ...world.env, ...trust };
  const file = await fetchFrom(`https://${host}/keys.git/.git`, { env });
  expect(`${file.bytes}`).toBe('key');
  // One for the branch, and one for the blob.
  expect(requests.filter((request) => request.startsWith('GET'))).toHaveLength(2);
});

test('fetches all blobs from a server that omits them and then does not provide the one', async () => {
  const { world, repository } = withKey();
  repository.git('config', 'uploadpack.allowFilter', 'true');
  configure(world, '[protocol]\n version = 0\n');
  const { host, trust } = await startGitServer(world);
  const env = { ...world.env, ...trust };
  const file = await fetchFrom(`https://${host}/keys.git/.git`, { env });
  expect(`${file.bytes}`).toBe('key');
});

test('signs in with the credential helper of the user', async () => {
  const { world } = withKey();
  const wanted = `Basic ${Buffer.from('ann:pass').toString('base64')}`;
  const { host, trust } = await startGitServer(world, (request, response) => {
    if (request.headers.authorization === wanted) return false;
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="keys"' }).end();
    return true;
  });
  const env = { ...world.env, ...trust };
  const url = `https://${host}/keys.git/.git`;
  await expect(fetchFrom(url, { env })).rejects.toMatchObject({
    code: 'KEY_DENIED',
    message: `${url}: missing or rejected credentials`,
    hint: `sign in first: git ls-remote ${url}`,
  });
  const helper = program(world, 'helper', ['echo username=ann', 'echo password=pass']);
  configure(world, `[credential]\n helper = ${helper}\n`);
  expect(`${(await fetchFrom(url, { env })).bytes}`).toBe('key');
});

test('uses the ssh command of the user', async () => {
  const { world, repository, commit } = withKey();
  const env = sshIn(world);
  const file = await fetchFrom(`ssh://git@host.example:2222${repository.path}`, { env });
  expect([`${file.bytes}`, file.commit]).toEqual(['key', commit]);
  const said = readFileSync(join(world.folder, 'ssh-said'), 'utf8').split('\n');
  expect(said).toEqual(expect.arrayContaining(['-p', '2222', 'git@host.example']));
});

test('does not wait for a connection that ssh keeps open', async () => {
  const { world, repository } = withKey();
  const pids = join(world.folder, 'pids');
  const keep = `tail -f /dev/null > /dev/null & echo $! >> '${pids}'`;
  const last = 'for last; do :; done; exec sh -c "$last"';
  const GIT_SSH_COMMAND = program(world, 'keeping-ssh', [keep, last]);
  const env = { ...world.env, GIT_SSH_COMMAND, GIT_SSH_VARIANT: 'ssh' };
  try {
    const file = await fetchFrom(`ssh://host.example${repository.path}`, { env });
    expect(`${file.bytes}`).toBe('key');
  } finally {
    for (const pid of readFileSync(pids, 'utf8').split('\n').filter(Boolean)) {
      process.kill(Number(pid));
    }
  }
});

test('respects url.<base>.insteadOf of the user', async () => {
  const { world, repository } = withKey();
  const env = sshIn(world);
  configure(
    world,
    `[url "ssh://git@host.example${repository.path}"]\n insteadOf = https://keys/\n`,
  );
  expect(`${(await fetchFrom('https://keys/', { env })).bytes}`).toBe('key');
});

const https = 'transport not allowed';

test.each([
  ['http', (path: string) => `http://127.0.0.1:1${path}`, https],
  ['file', () => 'file:///etc/passwd', https],
  ['ssh', () => 'ssh://127.0.0.1:1/keys.git', 'cannot reach the repository'],
])('does not follow a redirect to %s', async (_, target, what) => {
  const world = gitWorld();
  const { host, trust } = await startGitServer(world, (request, response) => {
    response.writeHead(302, { location: target(request.url ?? '') }).end();
    return true;
  });
  const env = { ...sshIn(world), ...trust };
  await expect(fetchFrom(`https://${host}/keys.git`, { env })).rejects.toMatchObject({
    message: expect.stringContaining(what),
  });
});

test('respects GIT_ALLOW_PROTOCOL of the user', async () => {
  const { world, repository } = withKey();
  const env = { ...world.env, GIT_ALLOW_PROTOCOL: 'https:ssh' };
  await expect(fetchFrom(repository.url, { env, protocols: ['file'] })).rejects.toMatchObject({
    code: 'KEY_DENIED',
    message: `${repository.url}: transport not allowed`,
  });
});

const status =
  (code: number): Fault =>
  (_, response) => {
    response.writeHead(code).end();
    return true;
  };

test.each([
  ['403', status(403), 'KEY_DENIED', 'missing or rejected credentials'],
  ['404', status(404), 'KEY_NOT_FOUND', 'no such repository, or no permission to see it'],
  ['429', status(429), 'KEY_UNAVAILABLE', 'cannot reach the repository'],
  ['500', status(500), 'KEY_UNAVAILABLE', 'cannot reach the repository'],
  [
    'nothing',
    ({ socket }) => Boolean(socket.destroy()),
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
] as const satisfies readonly (readonly [string, Fault, string, string])[])(
  'reports a server that answers %s',
  async (_, fault, code, what) => {
    const world = gitWorld();
    const { host, trust } = await startGitServer(world, fault);
    const env = { ...world.env, ...trust };
    const url = `https://bob:sesame@${host}/keys.git`;
    const error = await fetchFrom(url, { env }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code, message: `https://${host}/keys.git: ${what}` });
    expect(`${error.message} ${error.hint} ${error.cause}`).not.toMatch(/bob|sesame/);
  },
);

test('refuses an untrusted certificate', async () => {
  const world = gitWorld();
  const { host } = await startGitServer(world);
  await expect(fetchFrom(`https://${host}/keys.git`, world)).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
    message: expect.stringMatching(/the certificate of the server is not trusted$/),
  });
});

test('reports a closed port', async () => {
  await expect(fetchFrom('https://127.0.0.1:1/keys.git', gitWorld())).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
    message: 'https://127.0.0.1:1/keys.git: cannot reach the repository',
  });
});
