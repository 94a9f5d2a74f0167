import { spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey, type KeyObject, randomInt } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compactDecrypt } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { type Binding, bindingTo, scopes } from '../../src/jwe/binding.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { jwesIn, kidOfPem } from '../helpers/jwe.ts';
import { runBin, startBin } from '../helpers/spawn.ts';

// A large repository with values on two keys, one of them in a KMS that takes 50 ms for an answer.

const FILES = 1000;
const KILLS = 10;
const KEY = 'projects/acme/locations/eu/keyRings/k/cryptoKeys/hr';

/** Starts the emulator in its own process. Returns its endpoint. */
async function startKms(): Promise<string> {
  const start = join(import.meta.dirname, '../kms-emulator/start.mjs');
  const options = { keys: { [KEY]: [{ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' }] } };
  const kms = spawn(process.execPath, [start, JSON.stringify(options)]);
  onTestFinished(() => void kms.kill());
  const lines = createInterface({ input: kms.stdout })[Symbol.asyncIterator]();
  const endpoint = `${(await lines.next()).value}`;
  kms.stdin.write('["fault","AsymmetricDecrypt",{"delay":50}]\n');
  await lines.next();
  return endpoint;
}

interface Value {
  readonly text: string;
  readonly binding: Binding;
}

/** A file with three values in different scopes, fields and forms. */
interface Made {
  readonly path: string;
  /** The text around the values. */
  readonly textWith: (jwes: readonly string[]) => string;
  readonly values: readonly Value[];
}

const encoded = (jwe = '') => Buffer.from(jwe).toString('base64');

/** Forms of a file, of which the last one folds its base64. */
const layouts: readonly ((at: number, jwes: readonly string[]) => string)[] = [
  (at, [a, b, c]) =>
    `# Secret ${at}\napiVersion: v1\nkind: Secret\nmetadata: { name: s${at}, namespace: hr }\ndata:\n  a: ${encoded(a)} # kept\n  b: "${encoded(b)}"\nstringData:\n  c: ${c}\n`,
  (_, [a, b, c]) => `db:\r\n  password: '${a}'\r\n  old: ${b}\r\n# ${c}`,
  (at, [a, b, c]) =>
    `apiVersion: v1\nkind: Secret\nmetadata: { name: {{ "s${at}" }} }\ndata:\n  a: {{ "${a}" | b64enc }}\n  b: ${encoded(b)}\n  c: |\n    ${(encoded(c).match(/.{1,76}/g) ?? []).join('\n    ')}\n`,
];

function madeFile(at: number): Made {
  const layout = layouts[at % layouts.length] ?? (() => '');
  const values = ['a', 'b', 'c'].map((key, index) => {
    const scope = scopes[(at + index) % scopes.length] ?? 'strict';
    const text = `CANARY-é-${at}-${key}`.repeat(1 + (at % 5));
    return { text, binding: bindingTo(scope, { namespace: 'hr', name: `s${at}`, key }) };
  });
  const path = join('repo', `${at % 37}`, `${at}.yaml`);
  return { path, values, textWith: (jwes) => layout(at, jwes) };
}

/** Seals all values: in files with an even number to the key in the KMS, and in others to k.pub. */
async function makeRepository() {
  const endpoint = await startKms();
  const cwd = folderWithKeys();
  const env = { KSEAL_KMS_ENDPOINT: endpoint };
  const fetched = await runBin(['fetch-pubkey', `gcpkms://${KEY}`, '-o', 'kms.pub'], { cwd, env });
  expect(fetched.code).toBe(0);
  const [kms, local] = ['kms.pub', 'small.pub'].map((name) => {
    const pem = fs.readFileSync(join(cwd, name));
    return { key: createPublicKey(pem), kid: kidOfPem(pem), bits: 2048 };
  });
  const files = Array.from({ length: FILES }, (_, at) => madeFile(at));
  for (const [at, { path, values, textWith }] of files.entries()) {
    const pair = (at % 2 === 0 ? kms : local) ?? raise();
    const jwes = values.map(({ text, binding }) =>
      encryptCompact(Buffer.from(text), binding, pair),
    );
    fs.mkdirSync(join(cwd, path, '..'), { recursive: true });
    fs.writeFileSync(join(cwd, path), textWith(jwes));
  }
  const from = ['--from', 'small.pem', '--from', `gcpkms://${KEY}`];
  const argv = ['rekey', 'repo', '--to', 'k.pub', ...from];
  return { cwd, env, files, argv };
}

function raise(): never {
  throw new Error('missing');
}

type Repository = Awaited<ReturnType<typeof makeRepository>>;

/** The number of files that are on the new key as a whole; none may be between both keys. */
function movedIn({ cwd, files }: Repository): number {
  const kid = kidOfPem(fs.readFileSync(join(cwd, 'k.pub')));
  const counts = files.map(({ path }) => {
    const kids = jwesIn(unfolded(fs.readFileSync(join(cwd, path), 'utf8'))).map(headerOf);
    return kids.filter((header) => header.kid === kid).length;
  });
  expect(counts.filter((count) => count !== 0 && count !== 3)).toEqual([]);
  return counts.filter((count) => count === 3).length;
}

const unfolded = (text: string) => text.replace(/(?<=[A-Za-z0-9]{76})\n +/g, '');

const headerOf = (jwe: string) =>
  JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString());

/** Checks that every value opens to what it was, in its scope, and that all other bytes are the same. */
async function expectAllMoved({ cwd, files }: Repository, key: KeyObject): Promise<void> {
  for (const { path, values, textWith } of files) {
    const text = fs.readFileSync(join(cwd, path), 'utf8');
    const found = jwesIn(unfolded(text));
    const opened = await Promise.all(
      found.map(async (jwe) => {
        const { plaintext, protectedHeader } = await compactDecrypt(jwe, key);
        return { jwe, text: `${Buffer.from(plaintext)}`, binding: protectedHeader.kseal };
      }),
    );
    const jwes = values.map((value) => {
      const [same, ...others] = opened.filter(({ text }) => text === value.text);
      expect([same?.binding, others]).toEqual([value.binding, []]);
      return same?.jwe ?? '';
    });
    expect(text).toBe(textWith(jwes));
  }
}

/** Files that kseal would use for a moment. */
function leftovers(cwd: string): readonly string[] {
  const all = fs.readdirSync(cwd, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => /(?:^|\/)\.kseal-/.test(name));
}

/** Kills the command after a random time, or in the moment when a file appears in one of the folders. */
async function killOnce(
  { cwd, env, argv }: Repository,
  signal: NodeJS.Signals,
  isWriting: boolean,
) {
  const { child, ended } = startBin(argv, { cwd, env, stdin: '' });
  const kill = () => child.kill(signal);
  let left = randomInt(1, 200);
  const folders = isWriting ? fs.readdirSync(join(cwd, 'repo')) : [];
  const watchers = folders.map((name) =>
    fs.watch(join(cwd, 'repo', name), () => {
      left--;
      if (left === 0) kill();
    }),
  );
  const timer = setTimeout(kill, isWriting ? 60_000 : randomInt(200, 4000));
  const outcome = await ended;
  clearTimeout(timer);
  for (const watcher of watchers) watcher.close();
  return outcome;
}

test('rekey survives ten kills, and a last run ends with every value on the new key', async () => {
  const repository = await makeRepository();
  const { cwd, env, argv } = repository;
  const moved: number[] = [];
  let left = 0;
  for (let at = 0; at < KILLS; at++) {
    const { signal, code } = await killOnce(repository, 'SIGKILL', at % 2 === 1);
    expect([signal, code]).toEqual(['SIGKILL', null]);
    moved.push(movedIn(repository));
    left += leftovers(cwd).length;
    for (const name of leftovers(cwd))
      expect(leaksOf(Buffer.from('CANARY'), fs.readFileSync(join(cwd, name)))).toEqual([]);
  }
  // Some kills have hit the writing, and some a file that was half written.
  expect(new Set(moved).size).toBeGreaterThan(3);
  expect(moved.at(-1)).toBeLessThan(FILES);
  expect(left).toBeGreaterThan(0);

  const { code, stderr } = await runBin(argv, { cwd, env });
  expect([code, `${stderr}`]).toEqual([0, expect.stringContaining('moved ')]);
  expect([movedIn(repository), leftovers(cwd)]).toEqual([FILES, []]);
  await expectAllMoved(repository, createPrivateKey(fs.readFileSync(join(cwd, 'k.pem'))));
}, 600_000);

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends rekey with every file whole, and nothing left behind',
  async (signal) => {
    const repository = await makeRepository();
    const { cwd, env, argv } = repository;
    for (const isWriting of [false, true]) {
      const { code } = await killOnce(repository, signal, isWriting);
      expect([code, leftovers(cwd)]).toEqual([signal === 'SIGINT' ? 130 : 143, []]);
      expect(movedIn(repository) > 0).toBe(isWriting);
    }
    expect((await runBin(argv, { cwd, env })).code).toBe(0);
    await expectAllMoved(repository, createPrivateKey(fs.readFileSync(join(cwd, 'k.pem'))));
  },
  600_000,
);
