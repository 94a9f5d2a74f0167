import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import type { IO } from '../../src/cli/io.ts';
import { exitCodeOf, KsealError } from '../../src/errors.ts';
import { cekOf, makeJwe } from './jwe.ts';
import { runScript } from './script.ts';

// The harness detects commands that misbehave.

const keys = inject('keys');

type Verb = (io: IO, args: readonly string[]) => void | Promise<void>;

const refuse = (code: 'IO' | 'USAGE') => {
  throw new KsealError(code, 'no such thing');
};

const verbs: Record<string, Verb> = {
  copy: async (io) => {
    for await (const chunk of io.stdin) io.stdout.write(chunk);
  },
  decrypt: (io) => void io.stdout.write('CANARY-one'),
  refuse: () => refuse('IO'),
  'refuse-late': (io) => {
    io.stdout.write('half');
    refuse('IO');
  },
  'refuse-and-write': (io) => {
    writeFileSync(join(io.cwd, 'half.yaml'), '');
    refuse('IO');
  },
  'leave-temporary': (io) => writeFileSync(join(io.cwd, '.kseal-0123456789abc'), ''),
  'use-tmpdir': () => writeFileSync(join(tmpdir(), 'x'), ''),
  write: (io, [text = '']) => writeFileSync(join(io.cwd, 'out'), text),
  say: (io, [text = '']) => void io.stderr.write(`${text}\n`),
  ask: async (io) => {
    const terminal = io.openTerminal();
    terminal?.output.write('Value: \x1b[?2004h');
    for await (const key of terminal?.input ?? []) {
      terminal?.close();
      io.stdout.write(String(key));
      return;
    }
  },
  'leak-cek': (io) => {
    const jwe = makeJwe(
      Buffer.from('x'),
      readFileSync(join(keys, 'k.pub')),
      '{"alg":"RSA-OAEP-256"}',
    );
    const cek = cekOf(jwe, readFileSync(join(keys, 'k.pem')));
    io.stdout.write(`data: ${Buffer.from(jwe).toString('base64')}\n`);
    io.stderr.write(`kseal: ${cek?.toString('base64')}\n`);
  },
  bug: () => {
    throw new TypeError('undefined is not a function');
  },
};

async function fakeMain([verb = '', ...args]: readonly string[], io: IO): Promise<number> {
  try {
    await verbs[verb]?.(io, args);
    return 0;
  } catch (error) {
    io.onError?.(error);
    io.stderr.write('kseal: error: refused\n');
    return exitCodeOf(error);
  }
}

function run(text: string) {
  return runScript({ main: fakeMain, text, path: 'x.txtar', keys });
}

const files = '-- one --\nCANARY-one\n-- two --\nsomething\n-- keys-typed --\nCANARY-typed\n';

describe('a script fails', () => {
  test.each([
    ['an unknown command', 'sael db', /x\.txtar:2: sael db\nno such script command: sael/],
    ['! before a command that cannot be negated', '! cp one two', /takes no !/],
    ['too few arguments', 'cmp one', /usage: cmp A B/],
    ['an open quote', "stdout 'x", /a quote is not closed/],
    ['a wrong exit code', 'kseal refuse', /expected exit 0/],
    ['an unexpected exit code 0', 'exit 2 kseal copy', /expected exit 2/],
    ['a wrong error code', 'fails USAGE kseal refuse', /expected USAGE, not IO/],
    ['an unknown error code', 'fails NOPE kseal refuse', /unknown error code NOPE/],
    [
      'a pattern that does not match',
      "kseal copy\nstdout 'x'",
      /x\.txtar:3: .*\nstdout does not match/,
    ],
    ['a pattern that matches', "stdin two\nkseal copy\n! stdout '^some'", /stdout matches/],
    ['other bytes', 'stdin two\nkseal copy\nstdout-is one', /stdout differs/],
    ['files that differ', 'cmp one two', /it does not/],
    ['equal files', '! cmp one one', /it does/],
    ['a replacement of nothing', 'replace two nothing x', /no match in/],
    ['a mode that differs', 'chmod 644 two\nmode two 600', /it does not/],
    ['output of a failed command', 'exit 2 kseal refuse-late', /failed and wrote to stdout/],
    ['a file of a failed command', 'exit 2 kseal refuse-and-write', /failed and changed half.yaml/],
    ['a temporary file that stays', 'kseal leave-temporary', /temporary files are left: \.kseal-/],
    ['a file in the temporary folder', 'kseal use-tmpdir', /temporary files are left: x/],
    ['other output on stderr', 'kseal say oops', /not a message of kseal/],
    ['a terminal escape on stderr', "kseal say 'kseal: \x1b[2J'", /control characters/],
    ['a full stop', "kseal say 'kseal: error: no.'", /ends in a full stop/],
    ['a bug', 'exit 70 kseal bug', /a bug: TypeError/],
    ['lines that are not typed', 'terminal one\nkseal copy', /1 lines for the terminal/],
    [
      'an echo of what is typed',
      'terminal one\nkseal ask',
      /the terminal shows CANARY-one as text/,
    ],
    [
      'a plaintext on stdout',
      'stdin one\nkseal copy',
      /x\.txtar:3: stdout shows CANARY-one as text/,
    ],
    [
      'a plaintext on stderr',
      "kseal say 'kseal: 43414e4152592d6f6e65'",
      /stderr shows CANARY-one as hex/,
    ],
    ['a plaintext in a file', 'kseal write CANARY-one', /out shows CANARY-one as text/],
    ['a CEK', 'kseal leak-cek', /stderr shows the CEK [0-9a-f]{64} as base64/],
  ])('for %s', async (_, commands, message) => {
    await expect(run(`# a comment\n${commands}\n${files}`)).rejects.toThrow(message);
  });
});

describe('a script passes', () => {
  test.each([
    ['copied input', 'stdin two\nkseal copy\nstdout ^something$\nstdout-is two'],
    ['an expected error', 'fails IO kseal refuse\nstderr refused\n! stdout .'],
    ['the plaintext that decrypt prints', 'kseal decrypt\nstdout CANARY-one'],
    ['a plaintext that was in the file before', 'cp one out\nkseal write CANARY-one'],
    ['file commands', 'cp two a\nreplace a some any\ngrep ^anything a\nchanged-lines two a 1'],
    ['bytes and links', 'encode two a\ndecode a b\ncmp two b\nln b l\nis-link l\n! exists c'],
  ])('with %s', async (_, commands) => {
    await run(`${commands}\n${files}`);
  });

  test('the temporary folder is restored', async () => {
    const before = tmpdir();
    await expect(run('nothing-of-this-name')).rejects.toThrow();
    expect(tmpdir()).toBe(before);
  });
});
