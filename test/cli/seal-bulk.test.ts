import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactDecrypt } from 'jose';
import { expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { jwesIn } from '../helpers/jwe.ts';
import { leftovers } from '../helpers/killed.ts';
import { runBin, startBin } from '../helpers/spawn.ts';

// More values than kseal seals in one thread.

const FILES = 70;
const names = Array.from({ length: FILES }, (_, at) => `${at}.yaml`);

const plain = (at: number) => `# Secret ${at}
apiVersion: v1
kind: Secret
metadata: {name: s${at}, namespace: hr}
data:
  a: ${Buffer.from(`CANARY-a-${at}`).toString('base64')} # kept
  b: '${Buffer.from(`CANARY-b-${at}`).toString('base64')}'
  "c": ${Buffer.from(`CANARY-c-${at}`).toString('base64')}
  d: ${Buffer.from(`CANARY-d-${at}`).toString('base64')}
type: Opaque
`;

/** A manifest without its values. */
const skeleton = (text: string) => text.replace(/(?<=: '?)(?:ZXlK|Q0FOQVJZ)[A-Za-z0-9+/]+=*/g, '…');

function folderWithMany(): { readonly cwd: string; readonly read: (name: string) => string } {
  const cwd = folderWithKeys();
  mkdirSync(join(cwd, 'many'));
  for (const [at, name] of names.entries()) writeFileSync(join(cwd, 'many', name), plain(at));
  return { cwd, read: (name) => readFileSync(join(cwd, 'many', name), 'utf8') };
}

const args = ['seal', '-f', 'many', '-i', '-k', 'k.pub'];

test('many values keep their places, and all bytes around them', async () => {
  const { cwd, read } = folderWithMany();
  writeFileSync(join(cwd, 'one.yaml'), names.map((_, at) => plain(at)).join('---\n'));
  const sealed = await runBin([...args, 'one.yaml'], { cwd });
  expect([sealed.code, `${sealed.stderr}`]).toEqual([
    0,
    expect.stringContaining(`kseal: ${FILES + 1} files: ${8 * FILES} values sealed\n`),
  ]);
  for (const [at, name] of names.entries()) expect(skeleton(read(name))).toBe(skeleton(plain(at)));
  const one = readFileSync(join(cwd, 'one.yaml'), 'utf8');
  expect(skeleton(one)).toBe(skeleton(names.map((_, at) => plain(at)).join('---\n')));

  const key = createPrivateKey(readFileSync(join(cwd, 'k.pem')));
  const opened = jwesIn(one).map(async (jwe) => {
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, key);
    return [`${Buffer.from(plaintext)}`, protectedHeader.kseal];
  });
  expect(await Promise.all(opened)).toEqual(
    names.flatMap((_, at) =>
      ['a', 'b', 'c', 'd'].map((data) => [
        `CANARY-${data}-${at}`,
        { scope: 'strict', namespace: 'hr', name: `s${at}`, key: data },
      ]),
    ),
  );

  const files = names.map((name) => join('many', name));
  const { code } = await runBin(['decrypt', ...files, '-k', 'k.pem', '-o', 'out'], { cwd });
  expect(code).toBe(0);
  for (const [at, name] of names.entries())
    expect(readFileSync(join(cwd, 'out/many', name), 'utf8')).toBe(plain(at));
});

test('an error in one file stops all others, and no thread keeps the command alive', async () => {
  const { cwd, read } = folderWithMany();
  writeFileSync(join(cwd, 'many/z.yaml'), plain(0).replace('namespace: hr', 'labels: {}'));
  const { code, stderr } = await runBin(args, { cwd });
  expect(`${stderr}`).toContain('kseal: error: many/z.yaml:');
  expect(code).toBe(2);
  for (const [at, name] of names.entries()) expect(read(name)).toBe(plain(at));
});

test.each([
  ['SIGKILL', null],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s leaves each of many files with its old or its new content',
  async (signal, code) => {
    for (;;) {
      const { cwd, read } = folderWithMany();
      const spawned = startBin(args, { cwd });
      const watcher = watch(join(cwd, 'many'), () => spawned.child.kill(signal));
      const ended = await spawned.ended;
      watcher.close();
      const left = leftovers(join(cwd, 'many'));
      for (const [at, name] of names.entries()) {
        if (read(name) === plain(at)) continue;
        expect(skeleton(read(name))).toBe(skeleton(plain(at)));
        expect(leaksOf(Buffer.from('CANARY'), Buffer.from(read(name)))).toEqual([]);
      }
      if (signal !== 'SIGKILL') expect(left).toEqual([]);
      for (const name of left)
        expect(leaksOf(Buffer.from('CANARY'), readFileSync(join(cwd, 'many', name)))).toEqual([]);
      // The command may end before the signal arrives.
      if (signal === 'SIGKILL' ? ended.signal === signal : ended.code === code) break;
    }
  },
  60_000,
);
