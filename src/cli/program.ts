import { debuglog } from 'node:util';
import { Command, CommanderError, Help, type Option } from 'commander';
import { KsealError } from '../errors.ts';
import { type IO, version } from './io.ts';

interface CommandModule {
  /** `exit` sets the exit code of a command that uses it for its answer. */
  configure(command: Command, io: IO, exit: (code: number) => void): void;
}

interface CommandRow {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** Only the module of the command that runs is loaded. */
const commands: Readonly<Record<string, CommandRow>> = {
  keygen: {
    summary: 'generate an RSA key pair for development or air-gapped use',
    load: () => import('./keygen.ts'),
  },
  'fetch-pubkey': {
    summary: 'get, check and print a public key',
    load: () => import('./fetch-pubkey.ts'),
  },
  keys: { summary: 'list the configured keys', load: () => import('./keys.ts') },
  seal: { summary: 'seal values into a Secret manifest', load: () => import('./seal.ts') },
  inspect: {
    summary: 'show where sealed values can be opened, and with which key',
    load: () => import('./inspect.ts'),
  },
  verify: {
    summary: 'check offline that manifests are sealed correctly',
    load: () => import('./verify.ts'),
  },
  decrypt: {
    summary: 'open sealed values locally, exactly as the webhook does',
    load: () => import('./decrypt.ts'),
  },
  webhook: {
    summary: 'run the admission webhook, or print the YAML that installs it',
    load: () => import('./webhook.ts'),
  },
};

/** Runs a command line and returns the exit code. Throws the errors of the command, and USAGE. */
export async function run(argv: readonly string[], io: IO): Promise<number> {
  let exitCode = 0;
  if (argv.length === 0) {
    throw new KsealError('USAGE', 'no command given', { hint: 'kseal --help' });
  }
  const program = new Command('kseal')
    .description(
      'Seal Kubernetes Secrets to a public key, offline; only the holder of the private key can open them.',
    )
    .version(version, '-V, --version', 'print the version')
    .option('--debug', 'print causes and stack traces of errors, and all messages')
    // Taken out of the command line by main.ts; here for the help.
    .option('--color [when]', 'colour the output: always, never or auto')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({
      minWidthToWrap: 30,
      // An option that may be repeated starts with an empty list.
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

/** The full name of the command: `kseal webhook manifests`. */
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

/** Refuses a variable with which Node prints all data in streams, including values. */
function refuseToTrace(): void {
  if (!debuglog('stream').enabled) return;
  throw new KsealError('USAGE', 'NODE_DEBUG makes Node print the values that it reads and writes', {
    hint: 'unset NODE_DEBUG',
  });
}

/** Makes it an error to repeat an option that takes one argument; commander would use the last. */
function refuseTwice(option: Option): void {
  const parse = option.parseArg;
  if (!option.required || Array.isArray(option.defaultValue)) return;
  let isGiven = false;
  option.argParser((text, previous: unknown) => {
    const isDefault = previous === option.defaultValue && !isGiven;
    isGiven = true;
    // The value sources of `seal`, such as --prompt, may repeat: their parser returns undefined.
    if (typeof previous !== 'string' || previous === '' || isDefault) {
      return parse ? parse(text, previous) : text;
    }
    throw new KsealError('USAGE', `${option.flags} is given twice`, {
      hint: 'omit one of them',
    });
  });
}

/** Converts an error of commander. */
function usageError({ code, message }: CommanderError, command: string): KsealError {
  const [, text = '', meant] =
    /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(message) ?? [];
  const [pattern, words] = rewordings[code] ?? [/^$/, ''];
  return new KsealError('USAGE', text.replace(pattern, words), {
    hint: meant ? `did you mean ${meant}?` : `${command} --help`,
  });
}

/** By commander's code. They remove arguments, which may be secret values. */
const rewordings: Readonly<Record<string, readonly [RegExp, string]>> = {
  // For a group without a command, commander prints the help.
  'commander.help': [/.*/s, 'no command given'],
  'commander.unknownOption': [/'(--[^=]*|-.).*'/s, "'$1'"],
  'commander.invalidArgument': [
    / argument '.*' is invalid\. .* are (.*)\.$/s,
    ' must be one of $1',
  ],
  'commander.excessArguments': [/\. Expected (.*)\.$/s, ': expected $1'],
};
