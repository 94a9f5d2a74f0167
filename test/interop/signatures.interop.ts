import { type ExecFileSyncOptions, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import { configure, type GitWorld, gitWorld, Repository } from '../helpers/git-repository.ts';
import { describeWith } from './programs.ts';

type Env = Readonly<Record<string, string>>;

function fetchSigned(env: Env, { url }: Repository, ref: string) {
  const address = { url, protocols: ['file'], ref, path: 'keys/prod.pub', shown: url };
  return fetchFile(address, { env, limit: 100, verifySignature: true });
}

/** KEY_MISMATCH has several reasons, so a word of the message or the command in the hint counts. */
function mismatch({ message = /./, hint = /./ }) {
  const [text, command] = [expect.stringMatching(message), expect.stringMatching(hint)];
  return { code: 'KEY_MISMATCH', message: text, hint: command };
}

/** Tags a copy of a commit with a changed message, so that its signature does not match. */
function tamper(world: GitWorld, repository: Repository, ref: string, name: string): void {
  const path = join(world.folder, 'tampered');
  const commit = repository.git('cat-file', 'commit', ref).replace(/change$/, 'chance');
  writeFileSync(path, `${commit}\n`);
  repository.git('tag', name, repository.git('hash-object', '-t', 'commit', '-w', path));
}

describeWith('gpg', () => {
  /** Creates a keyring. Its path must be short, because it holds a socket. */
  function keyring(world: GitWorld, name: string): Env & { readonly GNUPGHOME: string } {
    const GNUPGHOME = join(world.folder, name);
    mkdirSync(GNUPGHOME, { mode: 0o700 });
    const env = { ...world.env, GNUPGHOME };
    onTestFinished(() => void spawnSync('gpgconf', ['--kill', 'all'], { env }));
    return env;
  }

  function gpg(env: Env, args: readonly string[], input = ''): string {
    const options: ExecFileSyncOptions = { env, input, stdio: ['pipe', 'pipe', 'ignore'] };
    return execFileSync('gpg', ['--batch', '--quiet', ...args], options).toString();
  }

  test('accepts a trusted key, and refuses bad, unknown, untrusted and revoked ones', async () => {
    const world = gitWorld();
    const ann = keyring(world, 'a');
    const who = 'Ann Signer <ann@example.org>';
    gpg(ann, ['--passphrase', '', '--quick-gen-key', who, 'ed25519', 'sign', 'never']);
    const listed = gpg(ann, ['--list-keys', '--with-colons']);
    const fingerprint = /^fpr:+([0-9A-F]{40}):$/m.exec(listed)?.[1] ?? '';
    const repository = new Repository({ ...world, env: ann });
    const commit = repository.commit({ 'keys/prod.pub': 'key' }, `--gpg-sign=${fingerprint}`);
    tamper(world, repository, 'main', 'tampered');

    const file = await fetchSigned(ann, repository, 'main');
    expect([file.commit, file.signature]).toEqual([commit, { signer: who, fingerprint }]);
    await expect(fetchSigned(ann, repository, 'tampered')).rejects.toMatchObject(
      mismatch({ message: /bad signature/ }),
    );

    const bob = keyring(world, 'b');
    await expect(fetchSigned(bob, repository, 'main')).rejects.toMatchObject(
      mismatch({ hint: /gpg --import/ }),
    );
    gpg(bob, ['--import'], gpg(ann, ['--armor', '--export']));
    await expect(fetchSigned(bob, repository, 'main')).rejects.toMatchObject(
      mismatch({ hint: new RegExp(`gpg --lsign-key ${fingerprint}`) }),
    );
    // Follow the hint.
    gpg(bob, ['--passphrase', '', '--quick-gen-key', 'Bob', 'ed25519', 'sign', 'never']);
    gpg(bob, ['--yes', '--quick-lsign-key', fingerprint]);
    expect((await fetchSigned(bob, repository, 'main')).signature?.fingerprint).toBe(fingerprint);

    const certificate = readFileSync(
      join(ann.GNUPGHOME, 'openpgp-revocs.d', `${fingerprint}.rev`),
      'utf8',
    );
    gpg(bob, ['--import'], certificate.replace(':-----BEGIN', '-----BEGIN'));
    await expect(fetchSigned(bob, repository, 'main')).rejects.toMatchObject(
      mismatch({ message: /revoked/ }),
    );
  });
});

describeWith('ssh-keygen', () => {
  function keyPair({ folder }: GitWorld, name: string): string {
    const path = join(folder, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path]);
    return path;
  }

  function sign(repository: Repository, key: string): string {
    repository.git('config', 'gpg.format', 'ssh');
    repository.git('config', 'user.signingKey', key);
    return repository.commit({ 'keys/prod.pub': 'key' }, '--gpg-sign');
  }

  test('accepts an allowed signer, and refuses bad signatures and other signers', async () => {
    const world = gitWorld();
    const repository = new Repository(world);
    const [ann, bob] = [keyPair(world, 'ann'), keyPair(world, 'bob')];
    const allowed = join(world.folder, 'allowed_signers');
    writeFileSync(allowed, `ann@example.org namespaces="git" ${readFileSync(`${ann}.pub`)}`);
    configure(world, `[gpg "ssh"]\n allowedSignersFile = ${allowed}\n`);
    const commit = sign(repository, ann);
    tamper(world, repository, 'main', 'tampered');

    const file = await fetchSigned(world.env, repository, 'main');
    expect([file.commit, file.signature]).toEqual([
      commit,
      { signer: 'ann@example.org', fingerprint: fingerprintOf(ann) },
    ]);
    await expect(fetchSigned(world.env, repository, 'tampered')).rejects.toMatchObject(
      mismatch({ message: /bad signature/ }),
    );
    sign(repository, bob);
    await expect(fetchSigned(world.env, repository, 'main')).rejects.toMatchObject(
      mismatch({ hint: /gpg\.ssh\.allowedSignersFile/ }),
    );
  });

  function fingerprintOf(key: string): string {
    return execFileSync('ssh-keygen', ['-lf', `${key}.pub`])
      .toString()
      .split(' ')[1] as string;
  }
});
