import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

// With fake programs that check signatures; test/interop uses the real ones.

const fingerprint = '0123456789ABCDEF0123456789ABCDEF01234567';
const id = `${fingerprint.slice(-16)} Ann Signer <ann@example.org>`;

/** A repository with a signed commit. */
function signed(world: GitWorld, kind: 'PGP' | 'SSH') {
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  const commit = repository.git('cat-file', 'commit', 'HEAD');
  const armor = `-----BEGIN ${kind} SIGNATURE-----\n \n AAAA\n -----END ${kind} SIGNATURE-----`;
  const input = commit.replace(/\ncommitter .*/, (line) => `${line}\ngpgsig ${armor}`);
  const path = join(world.folder, 'commit');
  writeFileSync(path, `${input}\n`);
  const made = repository.git('hash-object', '-t', 'commit', '-w', path);
  repository.git('update-ref', 'refs/heads/main', made);
  return { repository, commit: made };
}

/** Installs a gpg that prints these status lines. */
function sayingGpg(world: GitWorld, lines: readonly string[], code: number): void {
  const said = ['NEWSIG', ...lines].map((line) => `echo '[GNUPG:] ${line}'`);
  const path = program(world, 'gpg', ['cat > /dev/null', ...said, `exit ${code}`]);
  configure(world, `[gpg]\n program = ${path}\n`);
}

function fetchSigned(world: GitWorld, { url }: Repository) {
  const address = { url, protocols: ['file'], ref: 'main', path: 'keys/prod.pub', shown: 'it' };
  return fetchFile(address, { env: world.env, limit: 100, verifySignature: true });
}

const valid = `VALIDSIG ${fingerprint} 2026-01-01 0 0 4 0 22 8 00 ${fingerprint}`;

test.each(['TRUST_MARGINAL', 'TRUST_FULLY', 'TRUST_ULTIMATE'])(
  'accepts a good GPG signature with %s',
  async (trust) => {
    const world = gitWorld();
    const { repository, commit } = signed(world, 'PGP');
    sayingGpg(world, [`GOODSIG ${id}`, valid, `${trust} 0 pgp`], 0);
    const file = await fetchSigned(world, repository);
    expect([file.commit, `${file.bytes}`, file.signature]).toEqual([
      commit,
      'key',
      { signer: 'Ann Signer <ann@example.org>', fingerprint },
    ]);
  },
);

const untrusted = `is signed with key ${fingerprint}, which you do not trust`;

test.each([
  [
    'TRUST_UNDEFINED',
    [`GOODSIG ${id}`, valid, 'TRUST_UNDEFINED 0 pgp'],
    0,
    untrusted,
    `to trust it: gpg --lsign-key ${fingerprint}`,
  ],
  ['TRUST_NEVER', [`GOODSIG ${id}`, valid, 'TRUST_NEVER 0 pgp'], 0, untrusted, /lsign-key/],
  ['BADSIG', [`BADSIG ${id}`], 1, 'has a bad signature', /do not use/],
  [
    'ERRSIG',
    ['ERRSIG 0123456789ABCDEF 22 8 00 0 9', 'NO_PUBKEY 0123456789ABCDEF'],
    2,
    'is signed with a key that you do not have',
    /gpg --import/,
  ],
  ['EXPSIG', [`EXPSIG ${id}`, valid, 'TRUST_FULLY 0 pgp'], 0, 'has an expired signature', /new/],
  [
    'EXPKEYSIG',
    [`EXPKEYSIG ${id}`, valid, 'TRUST_FULLY 0 pgp'],
    0,
    'is signed with an expired key',
    /new/,
  ],
  [
    'REVKEYSIG',
    [`REVKEYSIG ${id}`, valid, 'TRUST_FULLY 0 pgp'],
    1,
    'is signed with a revoked key',
    /another/,
  ],
  [
    'two signatures',
    [`GOODSIG ${id}`, valid, 'TRUST_FULLY 0 pgp', `GOODSIG ${id}`, valid],
    0,
    'is signed with a key that you do not have',
    /./,
  ],
] as const)('refuses what GPG reports as %s', async (_, lines, code, what, hint) => {
  const world = gitWorld();
  const { repository, commit } = signed(world, 'PGP');
  sayingGpg(world, lines, code);
  await expect(fetchSigned(world, repository)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: `it: commit ${commit} ${what}`,
    hint: expect.stringMatching(hint),
  });
});

test('respects gpg.minTrustLevel of the user', async () => {
  const world = gitWorld();
  const { repository } = signed(world, 'PGP');
  sayingGpg(world, [`GOODSIG ${id}`, valid, 'TRUST_FULLY 0 pgp'], 0);
  configure(world, '[gpg]\n minTrustLevel = ultimate\n');
  await expect(fetchSigned(world, repository)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: expect.stringContaining(untrusted),
  });
});

test('refuses a commit without a signature', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({ 'keys/prod.pub': 'key' });
  await expect(fetchSigned(world, repository)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: `it: commit ${commit} is not signed`,
    hint: 'ask for a signed commit',
  });
});

test('refuses a signature if gpg is missing', async () => {
  const world = gitWorld();
  const { repository, commit } = signed(world, 'PGP');
  configure(world, `[gpg]\n program = ${join(world.folder, 'none')}\n`);
  await expect(fetchSigned(world, repository)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: `it: commit ${commit} has a signature that cannot be checked: the program is missing`,
    hint: 'install gpg, or ssh-keygen for SSH signatures',
  });
});

test('refuses an SSH signature without allowed signers', async () => {
  const world = gitWorld();
  const { repository, commit } = signed(world, 'SSH');
  await expect(fetchSigned(world, repository)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: `it: commit ${commit} has an SSH signature, but you have not configured allowed signers`,
    hint: 'git config --global gpg.ssh.allowedSignersFile FILE',
  });
});

test('reads no key from a refused commit', async () => {
  const world = gitWorld();
  const { repository } = signed(world, 'SSH');
  const trace = join(world.folder, 'log');
  const real = execFileSync('sh', ['-c', 'command -v git']).toString().trim();
  const path = join(program(world, 'git', [`echo "$*" >> '${trace}'`, `exec ${real} "$@"`]), '..');
  const env = { ...world.env, PATH: `${path}:${world.env.PATH}` };
  await expect(fetchSigned({ ...world, env }, repository)).rejects.toThrow();
  expect(readFileSync(trace, 'utf8')).toMatch(/verify-commit/);
  expect(readFileSync(trace, 'utf8')).not.toMatch(/cat-file/);
});
