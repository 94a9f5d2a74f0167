import { debuglog } from 'node:util';
import { Command, CommanderError, Help, type Option } from 'commander';
import { KsealError } from '../errors.ts';
import { type IO, version } from './io.ts';

interface CommandModule {
  /** `exit` sets the exit code of a command whose answer is one. */
  configure(command: Command, io: IO, exit: (code: number) => void): void;
}

interface CommandRow {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** The commands. Each is loaded only when it is the one that runs. */
const commands: Readonly<Record<string, CommandRow>> = {
  keygen: {
    summary: 'make an RSA key pair for development or air-gapped use',
    load: () => import('./keygen.ts'),
  },
  'fetch-pubkey': {
    summary: 'get, check and print a public key',
    load: () => import('./fetch-pubkey.ts'),
  },
  keys: { summary: 'list the configured keys', load: () => import('./keys.ts') },
  seal: { summary: 'seal values into a Secret manifest', load: () => import('./seal.ts') },
  inspect: {
    summary: 'show what is sealed, for where, and with which key',
    load: () => import('./inspect.ts'),
  },
  verify: {
    summary: 'prove offline that manifests are soundly sealed',
    load: () => import('./verify.ts'),
  },
  decrypt: {
    summary: 'open sealed values locally, exactly as the webhook would',
    load: () => import('./decrypt.ts'),
  },
  webhook: {
    summary: 'the admission webhook, and the YAML that installs it',
    load: () => import('./webhook.ts'),
  },
};

/** Runs one command line; returns the exit code. Throws what a command throws, and USAGE. */
export async function run(argv: readonly string[], io: IO): Promise<number> {
  let exitCode = 0;
  if (argv.length === 0) {
    throw new KsealError('USAGE', 'no command given', { hint: 'kseal --help' });
  }
  const program = new Command('kseal')
    .description(
      'Seal Kubernetes Secrets to a public key, offline; only the holder of the private key opens them.',
    )
    .version(version)
    .option('--debug', 'show causes and stack traces of errors')
    // An option that may be repeated begins with an empty list, which is nothing to tell.
    .configureHelp({
      optionDescription: (option) =>
        new Help().optionDescription(option).replace(' (default: [])', ''),
    })
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {} });
  const [chosen] = argv.filter((word) => !word.startsWith('-') && word !== 'help');
  if (chosen !== undefined) refuseToTrace();
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary);
    if (name !== chosen) continue;
    (await load()).configure(command, io, (code) => {
      exitCode = code;
    });
    for (const { options } of [command, ...command.commands]) options.forEach(refuseTwice);
  }
  await program.parseAsync(argv, { from: 'user' }).catch((error: unknown) => {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageError(error, commandIn(program, argv));
  });
  return exitCode;
}

/** The command that was meant, with its group: `kseal webhook manifests`. */
function commandIn(program: Command, argv: readonly string[]): string {
  let command = program;
  const names = [program.name()];
  for (const word of argv.filter((word) => !word.startsWith('-'))) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) break;
    names.push(word);
    command = next;
  }
  return names.join(' ');
}

/** With this switch Node prints what its streams carry, values too, and cannot be told to stop. */
function refuseToTrace(): void {
  if (!debuglog('stream').enabled) return;
  throw new KsealError('USAGE', 'NODE_DEBUG makes Node print the values that it reads and writes', {
    hint: 'unset NODE_DEBUG',
  });
}

/** An option that may stand only once says so when it is repeated: the last would silently win. */
function refuseTwice(option: Option): void {
  const parse = option.parseArg;
  if (!option.required || Array.isArray(option.defaultValue)) return;
  let isGiven = false;
  option.argParser((text, previous: unknown) => {
    const isDefault = previous === option.defaultValue && !isGiven;
    isGiven = true;
    // An option whose values are collected elsewhere leaves no text here.
    if (typeof previous !== 'string' || previous === '' || isDefault) {
      return parse ? parse(text, previous) : text;
    }
    throw new KsealError('USAGE', `${option.flags} is given twice`, {
      hint: 'leave one of them away',
    });
  });
}

/** Commander's words, in our form, less what an option was given: that might be a value. */
function usageError({ message }: CommanderError, command: string): KsealError {
  const [first = '', second] = message.replace(/^error: /, '').split('\n');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(second ?? '')?.[1];
  const said = rewordings.reduce((text, [pattern, words]) => text.replace(pattern, words), first);
  return new KsealError('USAGE', said, {
    hint: meant ? `did you mean ${meant}?` : `${command} --help`,
  });
}

const rewordings: readonly (readonly [RegExp, string])[] = [
  // A group of commands without one of them: Commander would print its help as an error.
  [/^\(outputHelp\)$/, 'no command given'],
  [/^unknown option '(--[^=]*|-.).*'$/, "unknown option '$1'"],
  [/ argument '.*' is invalid\. Allowed choices are (.*)\.$/, ' must be one of $1'],
  [/ argument '.*' is invalid\. (.*)$/, ' $1'],
  [/^(too many arguments.*)\. Expected (.*)\.$/, '$1: expected $2'],
];
