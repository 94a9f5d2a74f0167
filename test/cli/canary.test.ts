import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

const rekeyAll = [
  'rekey',
  '--to',
  'small.pub',
  '--accept-unbound',
  '--continue-on-error',
  '--debug',
];

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
  ['rekey', 'f.yaml', '--to', 'small.pub', '--from', 'k.pem', '--debug'],
  [...rekeyAll, '--dry-run'],
  [...rekeyAll, '--from', './f.yaml'],
  ['verify', '--config', 'f.yaml', '.'],
  ['doctor', '--config', 'f.yaml', '--online', '--debug'],
  ['fetch-pubkey', './f.yaml'],
  ['init', '--yes', '-k', './f.yaml', '--name', 'prod'],
  ['request', 'db', '-n', 'hr', '-k', 'k.pub', '--ask', 'a:It', '--target', 'f.yaml', '-o', 'out'],
  ['fill', 'f.yaml', '--stdin', 'a', '--debug'],
  ['fill', 'request', '--stdin', 'a', '--debug'],
  ['fill', 'request', '--from-file', 'a=f.yaml', '--debug'],
  ['completion', 'bash', '--words'],
];

/** A request whose answer goes to f.yaml. */
const request = `ksealRequest: 1
title: It
targets: [{ file: f.yaml, namespace: hr, name: db, key: k.pub }]
values: { a: { label: It } }
`;

/** The line that the shell sends for completion: data keys are offered, but no values. */
const line = 'kseal seal --into f.yaml --prompt \0\0';

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
  writeFileSync(join(cwd, 'request'), request);
  const file = join(cwd, 'f.yaml');
  writeFileSync(file, text);
  for (const argv of commands) {
    if (argv.includes(shown[name] ?? 'none')) continue;
    for (const typed of [undefined, ['k', 'k', 'k', 'no'], ['r', 's', 'yes'], ['y', 'y', 'y']]) {
      const asks = typed?.[0] === 'y' ? 'fill' : 'seal';
      if (typed !== undefined && argv[0] !== asks) continue;
      // Writing a file takes longer than reading it.
      if (readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
      if (existsSync(join(cwd, 'out'))) rmSync(join(cwd, 'out'), { recursive: true });
      const stdin = Buffer.from(argv[0] === 'completion' ? line : `${canary}\n`);
      const io = testIO({ cwd, stdin, typed });
      const code = await main(argv, io);
      const terminal = io.terminal?.shown ?? Buffer.alloc(0);
      const written = Buffer.concat([io.stdout.bytes, io.stderr.bytes, terminal]);
      expect([argv, leaksOf(Buffer.from(canary), written)]).toEqual([argv, []]);
      expect([argv, code]).not.toEqual([argv, 70]);
      if (code !== 0)
        expect([readFileSync(file, 'utf8'), readdirSync(cwd)]).toEqual([
          text,
          expect.not.arrayContaining(['out']),
        ]);
      expect(readdirSync(cwd).filter((file) => file.startsWith('.'))).toEqual([]);
    }
  }
});
