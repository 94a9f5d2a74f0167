import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { folderWithKeys } from '../helpers/folder.ts';
import { kseal, runBin } from '../helpers/spawn.ts';
import { startWebhookProcess } from '../helpers/webhook-process.ts';
import { answered, creation, sealed } from '../webhook/reviews.ts';
import { post } from '../webhook/server/https.ts';

// The image without a container engine: a root file system with what the last stage of the Dockerfile
// has, read-only, as its user. Mounts need root.

const [program = ''] = kseal;
const dockerfile = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const [, entryPoint = ''] = /^ENTRYPOINT \["(\/[^"]+)"\]$/m.exec(lastStage) ?? [];
const [, user = ''] = /^USER (\d+):\1$/m.exec(lastStage) ?? [];
const [, name = '', value = ''] = /^ENV (\w+)=(\S+)$/m.exec(lastStage) ?? [];

/** The libraries in gcr.io/distroless/cc: those of glibc, of GCC and the dynamic linker. */
const inBase = /^(?:lib(?:c|m|dl|pthread|stdc\+\+|gcc_s)|ld-linux[\w-]*)\.so\.\d+$/;

/** The libraries that the executable loads: the paths on this machine. */
function libraries(): string[] {
  const printed = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...printed.matchAll(/^\t(?:\S+ => )?(\/\S+) \(/gm)].map(([, path = '']) => path);
}

/** A root file system with the executable, its libraries and an empty folder for the keys. */
function rootFileSystem(): string {
  const root = mkdtempSync(join(tmpdir(), 'kseal-image-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  chmodSync(root, 0o755);
  for (const folder of ['keys', 'proc', 'dev']) mkdirSync(join(root, folder));
  for (const [from, to] of [[program, entryPoint], ...libraries().map((path) => [path, path])]) {
    mkdirSync(join(root, dirname(`${to}`)), { recursive: true });
    cpSync(`${from}`, join(root, `${to}`), { dereference: true });
  }
  return root;
}

/** Runs a program in the root file system `$0` with the keys in `$1`, in place of this shell. */
const CONTAINER = `
mount --bind "$0" "$0" && mount --bind "$1" "$0/keys" && mount --bind /proc "$0/proc" &&
mount -o remount,bind,ro "$0" && mount -o remount,bind,ro "$0/keys" || exit 99
root=$0 user=$2; shift 2
exec unshare --root="$root" --wd=/keys --setgid="$user" --setuid="$user" "$@"`;

function container(keys: string): string[] {
  const shell = ['unshare', '--mount', 'sh', '-c', CONTAINER];
  return [...shell, rootFileSystem(), keys, user, entryPoint];
}

/** A folder with the keys of the run, which only the user of the image may read. */
function keysOfUser(): string {
  const cwd = folderWithKeys();
  chmodSync(join(cwd, 'k.pem'), 0o400);
  chownSync(join(cwd, 'k.pem'), Number(user), Number(user));
  chmodSync(cwd, 0o755);
  return cwd;
}

test('it needs no library that the base image does not have', () => {
  expect(
    libraries()
      .map((path) => basename(path))
      .filter((one) => !inBase.test(one)),
  ).toEqual([]);
});

// Only root may mount folders and change the root folder.
test.runIf(process.getuid?.() === 0)(
  'it seals, opens and answers a review, read-only, unprivileged and without a shell',
  async () => {
    const cwd = keysOfUser();
    const command = container(cwd);
    const seal = ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--stdin', 'password'];
    const sealedHere = await runBin(seal, { cwd, command, stdin: 'CANARY-in-the-image' });
    expect([sealedHere.code, `${sealedHere.stdout}`]).toEqual([
      0,
      expect.stringMatching(/^kind:/m),
    ]);
    const refused = await runBin([...seal, '-o', 'db.yaml'], { cwd, command, stdin: 'CANARY' });
    expect(`${refused.stderr}`).toMatch(/^kseal: error: db\.yaml: cannot write/m);
    const served = await startWebhookProcess(['-k', 'k.pem', '--drain', '0'], {
      cwd,
      command,
      env: { [name]: value },
      prepare: () => chownSync(join(cwd, 'tls.key'), Number(user), Number(user)),
    });
    const password = sealed('CANARY', readFileSync(join(cwd, 'k.pub')), 'password');
    const answer = await post(served, creation({ password }));
    expect(answered(answer.text).opened).toEqual({ password: 'CANARY' });
  },
);
