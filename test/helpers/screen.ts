import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { spawn } from '@lydell/node-pty';
import { within } from '../../src/deadline.ts';
import { kseal } from './spawn.ts';
import { keystrokes } from './terminal.ts';

const { Terminal } = createRequire(import.meta.url)('@xterm/headless') as {
  Terminal: typeof import('@xterm/headless').Terminal;
};

/** A step that waits longer fails. The machine may be busy. */
const LIMIT_MS = 30_000;

/** Keeps the modes of the terminal before and after the command. Ctrl-C must not end the shell. */
const WRAPPER = 'trap : INT; stty -g >"$0/before"; "$@"; code=$?; stty -g >"$0/after"; exit $code';

/** A program in a pseudo-terminal, and what a person sees of it. */
export interface Screen {
  /** Waits until the program has written `text` since the last keys; white space does not count. */
  readonly wait: (text: string) => Promise<void>;
  /** Types keys, with the escapes of `keystrokes`, and without an Enter of their own. */
  readonly type: (keys: string) => void;
  /** The lines on the screen, without trailing blanks and empty lines. */
  readonly lines: () => readonly string[];
  /** Returns the exit code. Throws unless the terminal is as it was before. */
  readonly end: () => Promise<number>;
  /** All output, without escape sequences. */
  readonly shown: () => Buffer;
}

interface ScreenOptions {
  readonly columns: number;
  readonly rows: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Another program than the built kseal, with its first arguments. */
  readonly command?: readonly string[];
}

/** Starts the built kseal, or another program, in a real pseudo-terminal. */
export function openScreen(args: readonly string[], options: ScreenOptions): Screen {
  const { columns, rows, cwd, env, command = kseal } = options;
  const modes = mkdtempSync(join(tmpdir(), 'kseal-screen-'));
  const emulator = new Terminal({ cols: columns, rows, allowProposedApi: true });
  const pty = spawn('sh', ['-c', WRAPPER, modes, ...command, ...args], {
    name: 'xterm-256color',
    cols: columns,
    rows,
    cwd,
    env: { ...env, LANG: 'C.UTF-8' },
  });
  let output = '';
  let typedAt = 0;
  /** The emulator is behind the output. */
  let drawn = 0;
  let check = () => {};
  pty.onData((data) => {
    output += data;
    const end = output.length;
    emulator.write(data, () => {
      drawn = end;
      check();
    });
  });
  const exited = new Promise<number>((resolve) => {
    // After the emulator has drawn everything.
    pty.onExit(({ exitCode }) => emulator.write('', () => resolve(exitCode)));
  });
  const lines = () => {
    const { active } = emulator.buffer;
    const all = Array.from({ length: rows }, (_, row) =>
      (active.getLine(active.baseY + row)?.translateToString() ?? '').trimEnd(),
    );
    return all.slice(0, all.findLastIndex((line) => line !== '') + 1);
  };
  const failure = (problem: string) => new Error(`${problem}; the screen is\n${framed(lines())}`);
  return {
    lines,
    shown: () => Buffer.from(stripVTControlCharacters(output)),
    type: (keys) => {
      typedAt = output.length;
      pty.write(keystrokes(`${keys}\0`).slice(0, -1));
    },
    wait: async (text) => {
      const seen = new Promise<void>((resolve) => {
        check = () => {
          if (spaceless(output.slice(typedAt, drawn)).includes(spaceless(text))) resolve();
        };
        check();
      });
      const early = exited.then((code) => {
        check();
        return Promise.race([seen, Promise.reject(failure(`exited with ${code}, no "${text}"`))]);
      });
      await within(LIMIT_MS, Promise.race([seen, early]), () => {
        throw failure(`waited in vain for "${text}"`);
      });
      // The emulator may lag behind the output.
      await new Promise<void>((resolve) => emulator.write('', resolve));
    },
    end: async () => {
      const code = await within(LIMIT_MS, exited, () => {
        pty.kill();
        throw failure('it does not end');
      });
      // The emulator interprets output later than it arrives.
      await new Promise<void>((done) => {
        emulator.write('', done);
      });
      const [before, after] = ['before', 'after'].map((name) =>
        readFileSync(join(modes, name), 'utf8'),
      );
      rmSync(modes, { recursive: true });
      if (before !== after) throw failure(`the terminal was ${before}, and is now ${after}`);
      for (const [on, off] of switches)
        if (output.lastIndexOf(on) > output.lastIndexOf(off)) throw failure('a mode was left on');
      return code;
    },
  };
}

/** Sequences that switch a mode on and off: a hidden cursor, bracketed paste. */
const switches = [
  ['\x1b[?25l', '\x1b[?25h'],
  ['\x1b[?2004h', '\x1b[?2004l'],
] as const;

function spaceless(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/\s/g, '');
}

function framed(lines: readonly string[]): string {
  return lines.map((line) => `|${line}\n`).join('');
}

/**
 * Follows the steps of a fixture: `wait TEXT`, `type KEYS`, and `screen`, followed by the lines of the
 * screen after `|`. There `#` is shown for the digits of fingerprints and the letters of `kids`, which
 * are others in every run. Returns the exit code and the output.
 */
export async function followSteps(
  steps: string,
  kids: readonly string[],
  args: readonly string[],
  options: ScreenOptions,
): Promise<{ readonly exit: number; readonly shown: Buffer }> {
  const screen = openScreen(args, options);
  for (const step of steps.trimEnd().split(/\n(?!\|)/)) {
    const [, verb, rest = ''] = /^(wait|type|screen)\b ?(.*)$/s.exec(step) ?? [];
    if (verb === 'wait') await screen.wait(rest);
    else if (verb === 'type') screen.type(rest);
    else if (verb === 'screen') compare(masked(framed(screen.lines()), kids), `${rest.trim()}\n`);
    else throw new Error(`no such step: ${step}`);
  }
  return { exit: await screen.end(), shown: screen.shown() };
}

function masked(text: string, kids: readonly string[]): string {
  // A line of the screen may end anywhere within.
  const wrapped = (word: string) => [...word].join('(?:\\n\\|)?');
  return kids.reduce((shown, kid) => {
    const groups = Buffer.from(kid, 'base64url').toString('hex').match(/.{4}/g) ?? [];
    const whole = groups.map(wrapped).join('[ \\n|]*');
    // A fingerprint may have scrolled off the screen in part.
    const part = `\\b(?:${groups.join('|')})\\b`;
    const pattern = new RegExp(`${whole}|${wrapped(kid)}|${part}`, 'g');
    return shown.replace(pattern, (found) => found.replaceAll(/[\w-]/g, '#'));
  }, text);
}

function compare(shown: string, wanted: string): void {
  if (shown !== wanted) throw new Error(`the screen differs; it is\n${shown}`);
}
