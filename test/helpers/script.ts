import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { IO } from '../../src/cli/io.ts';
import type { KmsEmulator } from '../kms-emulator/emulator.ts';
import { canariesIn } from './canary.ts';
import { commands } from './script-commands.ts';
import { expand } from './script-expand.ts';
import type { Run } from './script-run.ts';
import { checkSecrets } from './script-secrets.ts';
import { parseTxtar, type ScriptLine } from './txtar.ts';

export type Main = (argv: readonly string[], io: IO) => Promise<number>;

/** The state of a running script. */
export interface Script {
  readonly main: Main;
  /** The folder of the script, with the keys and its inline files. */
  readonly folder: string;
  /** The temporary folder during the script. */
  readonly temporary: string;
  readonly env: Record<string, string>;
  /** The names that `let` has defined. */
  readonly names: Map<string, string>;
  readonly runs: Run[];
  cwd: string;
  line: number;
  /** The stdin of the next kseal, and the lines for its prompts. */
  stdin: Buffer | undefined;
  typed: string[] | undefined;
  /** The Cloud KMS of the script, after it has been started. */
  kms: KmsEmulator | undefined;
  /** Private keys that are not in the folder. */
  readonly pems: string[];
  /** Called at the end of the script. */
  readonly atEnd: (() => void)[];
}

export interface ScriptOptions {
  readonly main: Main;
  readonly text: string;
  /** For failures: `fixtures/scripts/seal-new.txtar:12: ...`. */
  readonly path: string;
  /** The folder with the key files for every script. */
  readonly keys: string;
}

/**
 * Runs the commands of a script (script-commands.ts) in a new folder with the keys and its inline
 * files. Throws at the first line that fails, and at the end if a secret of the script has leaked.
 */
export async function runScript({ main, text, path, keys }: ScriptOptions): Promise<Script> {
  const { lines, files } = parseTxtar(text);
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-script-')));
  const script = start(root, main);
  fill(script.folder, keys, files);
  const outside = process.env.TMPDIR;
  process.env.TMPDIR = script.temporary;
  try {
    for (const line of lines) await runLine(script, line, path);
    checkSecrets(script, canariesIn(text), path);
    return script;
  } finally {
    if (outside === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = outside;
    for (const stop of script.atEnd) stop();
    rmSync(root, { recursive: true, force: true });
  }
}

function start(root: string, main: Main): Script {
  const [folder, temporary, home] = ['work', 'tmp', 'home'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  for (const made of [folder, temporary, home]) mkdirSync(made);
  const next = { stdin: undefined, typed: undefined, kms: undefined, pems: [], atEnd: [] };
  const names = new Map([
    ['work', folder],
    ['home', home],
  ]);
  const env = {
    HOME: home,
    // For git, the only program that kseal runs.
    PATH: process.env.PATH ?? '',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
  return { main, folder, temporary, env, names, runs: [], cwd: folder, line: 0, ...next };
}

function fill(folder: string, keys: string, files: ReadonlyMap<string, Buffer>): void {
  for (const name of readdirSync(keys)) copyFileSync(join(keys, name), join(folder, name));
  for (const [name, content] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

async function runLine(script: Script, { number, text, words }: ScriptLine, path: string) {
  const negated = words[0] === '!';
  const [name = '', ...args] = negated ? words.slice(1) : words;
  script.line = number;
  try {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new Error(`no such script command: ${name}`);
    if (negated && !command.negatable) throw new Error(`${name} takes no !`);
    const expanded = args.map((arg) => expand(script, arg));
    await command.run(script, expanded, negated);
  } catch (error) {
    throw new Error(`${path}:${number}: ${text}\n${(error as Error).message}`);
  }
}
