import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorsOf, exitCodes, KsealError } from '../../src/errors.ts';
import { kidOfPem } from './jwe.ts';
import { followSteps } from './screen.ts';
import type { Script } from './script.ts';
import { fileCommands } from './script-file-commands.ts';
import { kmsCommands } from './script-kms-commands.ts';
import { describeRun, type Run, runKseal, runOutside, unknownError } from './script-run.ts';

export interface ScriptCommand {
  /** The arguments and the effect. */
  readonly usage: string;
  /** Whether `!` before it negates it. */
  readonly negatable?: true;
  readonly run: (script: Script, args: readonly string[], negated: boolean) => unknown;
}

/** Commands that run kseal, and those that check its output. */
const ksealCommands: Record<string, ScriptCommand> = {
  kseal: {
    usage: 'kseal ARGS: runs kseal, which must exit 0',
    run: (script, args) => expectExit(script, args, 0),
  },
  exit: {
    usage: 'exit N kseal ARGS: runs kseal, which must exit N',
    run: (script, [code, ...words]) => expectExit(script, afterKseal(words), Number(code)),
  },
  fails: {
    usage: 'fails CODE kseal ARGS: runs kseal, which must throw this error code',
    run: (script, [code = '', ...words]) => expectError(script, afterKseal(words), code),
  },
  stdin: {
    usage: 'stdin FILE: the stdin of the next kseal; `stdin stdout`: the stdout of the last one',
    run: (script, [file]) => {
      script.stdin = file === 'stdout' ? lastRun(script).stdout : read(script, file);
    },
  },
  terminal: {
    usage: 'terminal FILE: lines to type at the prompts of the next kseal (terminal.ts)',
    run: (script, [file]) => {
      script.typed = read(script, file).toString().split('\n').slice(0, -1);
    },
  },
  screen: {
    usage:
      'screen COLUMNSxROWS STEPS N kseal ARGS: runs the built kseal in a pseudo-terminal; it must exit N (screen.ts)',
    run: runScreen,
  },
  env: {
    usage: 'env NAME=VALUE: sets a variable for all following kseal commands',
    run: (script, [setting = '']) => {
      const [name = '', ...value] = setting.split('=');
      script.env[name] = value.join('=');
    },
  },
  let: {
    usage: 'let NAME TEXT: defines a name for the text (script-expand.ts)',
    run: ({ names }, [name = '', text = '']) => names.set(name, text),
  },
  cd: {
    usage: 'cd FOLDER',
    run: (script, [folder = '']) => {
      script.cwd = resolve(script.cwd, folder);
    },
  },
  git: {
    usage: 'git ARGS: runs git, without configuration of the user',
    run: ({ cwd, env }, args) => {
      const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
      execFileSync('git', [...who, ...args], { cwd, env, stdio: 'pipe' });
    },
  },
  stdout: {
    usage: "stdout 'REGEX': the stdout of the last kseal matches; ^ and $ match at lines",
    negatable: true,
    run: (script, [pattern], negated) => expectMatch(script, 'stdout', pattern, negated),
  },
  stderr: {
    usage: "stderr 'REGEX': the same for stderr",
    negatable: true,
    run: (script, [pattern], negated) => expectMatch(script, 'stderr', pattern, negated),
  },
  shown: {
    usage: "shown 'REGEX': the same for the output on the terminal",
    negatable: true,
    run: (script, [pattern], negated) => expectMatch(script, 'shown', pattern, negated),
  },
  'stdout-is': {
    usage: 'stdout-is FILE: stdout is equal to the file; `stdout-is` alone: it is empty',
    run: (script, [file]) => {
      const wanted = file === undefined ? Buffer.alloc(0) : read(script, file);
      const run = lastRun(script);
      if (!run.stdout.equals(wanted)) throw new Error(`stdout differs\n${describeRun(run)}`);
    },
  },
};

export const commands: Record<string, ScriptCommand> = {
  ...ksealCommands,
  ...fileCommands,
  ...kmsCommands,
};

function read({ cwd }: Script, file = ''): Buffer {
  return readFileSync(resolve(cwd, file));
}

function lastRun({ runs }: Script): Run {
  const run = runs.at(-1);
  if (run === undefined) throw new Error('no kseal has run yet');
  return run;
}

function afterKseal([first, ...args]: readonly string[]): string[] {
  if (first !== 'kseal') throw new Error(`expected kseal, not ${first}`);
  return args;
}

async function expectExit(script: Script, args: readonly string[], code: number): Promise<Run> {
  const run = await runKseal(script, args);
  if (run.exit !== code) throw new Error(`expected exit ${code}\n${describeRun(run)}`);
  return run;
}

async function runScreen(script: Script, args: readonly string[]): Promise<void> {
  const [size = '', steps, code, ...words] = args;
  const [columns = 0, rows = 0] = size.split('x').map(Number);
  const { cwd, env, folder } = script;
  const argv = afterKseal(words);
  const publicKeys = readdirSync(folder).filter((name) => name.endsWith('.pub'));
  const kids = publicKeys.map((name) => kidOfPem(readFileSync(resolve(folder, name))));
  await runOutside(script, argv, Number(code), async () =>
    followSteps(read(script, steps).toString(), kids, argv, { columns, rows, cwd, env }),
  );
}

async function expectError(script: Script, args: readonly string[], code: string): Promise<void> {
  const exits: Readonly<Record<string, number>> = exitCodes;
  const exit = exits[code];
  if (exit === undefined) throw new Error(`unknown error code ${code}`);
  const run = await expectExit(script, args, exit);
  if (run.thrown === unknownError) return;
  const codes = errorsOf(run.thrown).map((e) => (e instanceof KsealError ? e.code : String(e)));
  if (codes.includes(code as KsealError['code'])) return;
  throw new Error(`expected ${code}, not ${codes.join(', ')}\n${describeRun(run)}`);
}

function expectMatch(
  script: Script,
  output: 'stdout' | 'stderr' | 'shown',
  pattern: string | undefined,
  negated: boolean,
): void {
  if (pattern === undefined) throw new Error('missing pattern');
  const run = lastRun(script);
  const found = new RegExp(pattern, 'm').test(run[output].toString());
  if (found !== negated) return;
  throw new Error(`${output} ${found ? 'matches' : 'does not match'}\n${describeRun(run)}`);
}
