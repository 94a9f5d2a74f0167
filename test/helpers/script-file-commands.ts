import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { type Leaf, makeAuthority } from './certificates.ts';
import { flipBit, makeJwe } from './jwe.ts';
import type { Script } from './script.ts';
import type { ScriptCommand } from './script-commands.ts';
import { expand } from './script-expand.ts';

/** A command on files, with as many arguments as its usage line has. */
function onFiles(
  usage: string,
  run: (paths: Paths, args: readonly string[], script: Script) => unknown,
): ScriptCommand {
  return { usage, run: (script, args) => run(new Paths(script, usage, args), args, script) };
}

/** A command that checks something, and may be negated. */
function question(
  usage: string,
  ask: (paths: Paths, args: readonly string[]) => boolean,
): ScriptCommand {
  const run: ScriptCommand['run'] = (script, args, negated) => {
    if (ask(new Paths(script, usage, args), args) === negated) {
      throw new Error(negated ? 'it does' : 'it does not');
    }
  };
  return { usage, negatable: true, run };
}

/** The arguments of a command as paths. */
class Paths {
  readonly #cwd: string;
  readonly #args: readonly string[];

  constructor({ cwd }: Script, usage: string, args: readonly string[]) {
    const wanted = usage.split(':')[0]?.split(' ').slice(1) ?? [];
    if (args.length !== wanted.length) throw new Error(`usage: ${usage}`);
    this.#cwd = cwd;
    this.#args = args;
  }

  at(index: number): string {
    return resolve(this.#cwd, this.#args[index] ?? '');
  }

  bytes(index: number): Buffer {
    return fs.readFileSync(this.at(index));
  }

  text(index: number): string {
    return this.bytes(index).toString();
  }

  write(index: number, content: string | Buffer): void {
    fs.writeFileSync(this.at(index), content);
  }
}

export const fileCommands: Record<string, ScriptCommand> = {
  cmp: question('cmp A B: equal bytes', (p) => p.bytes(0).equals(p.bytes(1))),
  exists: question('exists FILE', (p) => fs.existsSync(p.at(0))),
  grep: question('grep REGEX FILE', (p, [regex = '']) => new RegExp(regex, 'm').test(p.text(1))),
  mode: question('mode FILE OCTAL', (p, [, mode = '']) => modeOf(p.at(0)) === mode),
  'is-link': question('is-link FILE', (p) => fs.lstatSync(p.at(0)).isSymbolicLink()),
  'changed-lines': question(
    'changed-lines A B N,M: only these lines differ',
    (p, [, , lines = '']) => changedLines(p.text(0), p.text(1)).join(',') === lines,
  ),
  save: onFiles('save STREAM FILE: the stdout or stderr of the last kseal', (p, args, s) => {
    const run = s.runs.at(-1);
    if (run === undefined || (args[0] !== 'stdout' && args[0] !== 'stderr')) {
      throw new Error('nothing to save');
    }
    p.write(1, run[args[0]]);
  }),
  expand: onFiles('expand FILE: replaces names in it as in a command', (p, _, script) =>
    p.write(0, expand(script, p.text(0))),
  ),
  age: onFiles('age FILE: makes it old', (p) => fs.utimesSync(p.at(0), 1, 1)),
  aged: question('aged FILE: it is still old', (p) => fs.statSync(p.at(0)).mtimeMs === 1000),
  cp: onFiles('cp A B', (p) => fs.copyFileSync(p.at(0), p.at(1))),
  mv: onFiles('mv A B', (p) => fs.renameSync(p.at(0), p.at(1))),
  rm: onFiles('rm FILE', (p) => fs.rmSync(p.at(0), { recursive: true })),
  mkdir: onFiles('mkdir FOLDER', (p) => fs.mkdirSync(p.at(0))),
  ln: onFiles('ln TARGET LINK', (p, [target = '']) => fs.symlinkSync(target, p.at(1))),
  chmod: onFiles('chmod OCTAL FILE', (p, [mode = '']) => fs.chmodSync(p.at(1), mode)),
  replace: onFiles(
    'replace FILE REGEX TEXT: replaces all matches, at least one; TEXT may have $& $1 \\n \\r',
    (p, a) => p.write(0, replaced(p.text(0), a[1], unescaped(a[2]))),
  ),
  insert: onFiles('insert FILE REGEX OTHER: the same with the text of OTHER', (p, [, regex]) =>
    p.write(0, replaced(p.text(0), regex, p.text(2).trimEnd().replaceAll('$', '$$$$'))),
  ),
  encode: onFiles('encode A B: writes A to B in base64', (p) =>
    p.write(1, p.bytes(0).toString('base64')),
  ),
  decode: onFiles('decode A B: the reverse', (p) => p.write(1, Buffer.from(p.text(0), 'base64'))),
  fill: onFiles('fill FILE LENGTH: writes bytes of all values', (p, [, length]) =>
    p.write(0, Buffer.from(Array.from({ length: Number(length) }, (_, i) => (i * 167 + 13) % 256))),
  ),
  lines: onFiles('lines FILE COUNT TEXT: writes lines, with N replaced by the number', (p, a) =>
    p.write(
      0,
      Array.from({ length: Number(a[1]) }, (_, i) => `${a[2]}\n`.replace('N', `${i + 1}`)).join(''),
    ),
  ),
  trim: onFiles('trim FILE: removes the last line break', (p) =>
    p.write(0, p.text(0).replace(/\n$/, '')),
  ),
  flip: onFiles('flip FILE SEGMENT BYTE: flips one bit of a bare JWE', (p, [, segment, byte]) =>
    p.write(0, flipBit(p.text(0), Number(segment), Number(byte))),
  ),
  jwe: onFiles('jwe PLAINTEXT OUT PUBLIC-KEY HEADER: writes a JWE with any header', (p, a) =>
    p.write(1, makeJwe(p.bytes(0), p.bytes(2), a[3] ?? '')),
  ),
  certificate: onFiles(
    'certificate NAME KIND: writes NAME.crt and NAME.key; sound, expired or nameless',
    async (_, [name, kind = ''], { cwd }) => {
      const { cert, key } = await (await makeAuthority()).issue(leaves[kind] ?? {});
      fs.writeFileSync(resolve(cwd, `${name}.crt`), cert);
      fs.writeFileSync(resolve(cwd, `${name}.key`), key);
    },
  ),
  flatten: onFiles('flatten JWE OUT: writes it in the Flattened JSON Serialization', (p) => {
    const names = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'];
    const segments = p.text(0).trim().split('.');
    p.write(1, JSON.stringify(Object.fromEntries(names.map((name, i) => [name, segments[i]]))));
  }),
};

const leaves: Readonly<Record<string, Leaf>> = {
  sound: { hosts: ['localhost'] },
  expired: { hosts: ['localhost'], expires: -1 },
  nameless: { subject: 'CN=localhost' },
};

function modeOf(path: string): string {
  return (fs.statSync(path).mode & 0o777).toString(8);
}

function replaced(text: string, regex = '', by = ''): string {
  if (!new RegExp(regex, 'm').test(text)) throw new Error(`no match in:\n${text}`);
  return text.replace(new RegExp(regex, 'gm'), by);
}

function unescaped(text = ''): string {
  return text.replaceAll('\\n', '\n').replaceAll('\\r', '\r');
}

/** The numbers of the lines that differ; all of them if the counts differ. */
function changedLines(a: string, b: string): number[] {
  const [old, now] = [a.split('\n'), b.split('\n')];
  const numbers = now.map((_, i) => i + 1);
  return old.length === now.length ? numbers.filter((n) => old[n - 1] !== now[n - 1]) : numbers;
}
