import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { formats } from '../../src/cli/verify.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { positions } from '../verify/positions.ts';

const canary = 'CANARY-9f3Ab7';

const seal = ['seal', '-k', 'k.pub', '--debug'];
const decrypt = ['decrypt', '-k', 'k.pem', '--debug', '-o', 'out'];

/** Commands that read f.yaml. A manifest, which may keep plaintext, goes to the file out. */
const commands: readonly (readonly string[])[] = [
  ...Object.keys(formats).map((format) => ['verify', 'f.yaml', '-k', 'k.pub', '--format', format]),
  [...seal, '-f', 'f.yaml', '-o', 'out'],
  [...seal, '-f', 'f.yaml', '-i'],
  [...seal, '-f', 'f.yaml', '-i', '--strict'],
  [...seal, '-f', '.', '-i'],
  [...seal, '--into', 'f.yaml', '--stdin', 'zzz'],
  [...seal, '--into', 'f.yaml', '--remove', 'zzz'],
  [...seal, 'db', '-n', 'hr', '--from-file', 'f.yaml', '-o', 'out'],
  [...seal, 'db', '-n', 'hr', '--from-env-file', 'f.yaml', '-o', 'out'],
  ['seal', '--from-jwe', 'f.yaml'],
  ['inspect', 'f.yaml'],
  ['inspect', 'f.yaml', '--json'],
  ['inspect', 'f.yaml', '--by-key'],
  ['inspect', '--textconv', 'f.yaml'],
  [...decrypt, 'f.yaml'],
  [...decrypt, 'f.yaml', '--only', 'a'],
  [...decrypt, '.'],
  [...decrypt, '--raw', 'f.yaml', '--name', 'db', '-n', 'hr', '--data-key', 'a'],
  [...decrypt, '--review', 'f.yaml'],
  ['decrypt', 'f.yaml', '-k', './f.yaml'],
  ['verify', '--config', 'f.yaml', '.'],
  ['fetch-pubkey', './f.yaml'],
];

/** The arguments of commands that show such a text on purpose, because it is not a value. */
const shown: Readonly<Record<string, string>> = {
  'a SOPS file': '--textconv',
  'a document of another kind': '--textconv',
  'another document': '--textconv',
  'the kid of another tool': 'inspect',
};

test.each(Object.entries(positions))('no command shows %s', async (name, textWith) => {
  const cwd = folderWithKeys();
  const text = textWith(canary);
  for (const argv of commands) {
    if (argv.includes(shown[name] ?? 'none')) continue;
    for (const typed of [undefined, ['k', 'k', 'k', 'no'], ['r', 's', 'yes']]) {
      if (typed !== undefined && argv[0] !== 'seal') continue;
      writeFileSync(join(cwd, 'f.yaml'), text);
      rmSync(join(cwd, 'out'), { force: true, recursive: true });
      const io = testIO({ cwd, stdin: Buffer.from(`${canary}\n`), typed });
      const code = await main(argv, io);
      const terminal = io.terminal?.shown ?? Buffer.alloc(0);
      const written = Buffer.concat([io.stdout.bytes, io.stderr.bytes, terminal]);
      expect([argv, leaksOf(Buffer.from(canary), written)]).toEqual([argv, []]);
      expect([argv, code]).not.toEqual([argv, 70]);
      if (code !== 0)
        expect([readFileSync(join(cwd, 'f.yaml'), 'utf8'), readdirSync(cwd)]).toEqual([
          text,
          expect.not.arrayContaining(['out']),
        ]);
      expect(readdirSync(cwd).filter((file) => file.startsWith('.'))).toEqual([]);
    }
  }
});
