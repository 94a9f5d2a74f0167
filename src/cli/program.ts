import { debuglog } from 'node:util';
import { Command, CommanderError, Option } from 'commander';
import { KsealError } from '../errors.ts';
import { type IO, version } from './io.ts';
import { colourChoices, writeStdout } from './print.ts';

/** Adds the options and the action of a command, if there is one of this name. */
type Load = (name: string | undefined) => Promise<void>;

interface CommandModule {
  /**
   * Adds the options and the action. `exit` sets the exit code of a command that uses it for its
   * answer; `load` loads another command.
   */
  configure(command: Command, io: IO, exit: (code: number) => void, load: Load): void;
}

interface CommandRow {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/**
 * Only the module of the command that runs is loaded. The groups, examples and exit codes that the
 * help of a command prints are in the table of help.ts.
 */
const commands: Readonly<Record<string, CommandRow>> = {
  init: {
    summary: 'set up a repository: its key, its path rules and a git hook',
    load: () => import('./init.ts'),
  },
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
  request: {
    summary: 'write a request for values that somebody else provides',
    load: () => import('./request.ts'),
  },
  fill: {
    summary: 'answer a request: asks for its values, and seals them',
    load: () => import('./fill.ts'),
  },
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
  rekey: {
    summary: 'move sealed values from one key to the next, in place',
    load: () => import('./rekey.ts'),
  },
  doctor: {
    summary: 'check the configuration, the keys, git and the cluster',
    load: () => import('./doctor.ts'),
  },
  webhook: {
    summary: 'run the admission webhook, or print the YAML that installs it',
    load: () => import('./webhook.ts'),
  },
  completion: {
    summary: 'complete commands with Tab in your shell',
    load: () => import('./completion.ts'),
  },
  help: {
    summary: 'print the complete help of a command',
    load: () => import('./help.ts'),
  },
  version: {
    summary: 'print the version, as -v and --version do',
    load: async () => ({
      // Alone, main.ts prints it.
      configure: (command, io) => command.action(() => writeStdout(io, `${version}\n`)),
    }),
  },
};

/**
 * The program with its commands, which have no options until they are loaded. Commander calls
 * `showHelp` for a command whose help is asked for, and then throws.
 */
function programOf(
  io: IO,
  showHelp: (command: Command) => void,
  exit: (code: number) => void,
): { readonly program: Command; readonly load: Load } {
  const program = new Command('kseal')
    .description('Seal Kubernetes Secrets to a public key, offline')
    .option('--debug', 'print all messages, and causes and stack traces of errors')
    // Taken out of the command line by main.ts; here for the help.
    .addOption(new Option('--color [when]', 'colour the output').choices(colourChoices))
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureHelp({
      formatHelp: (command) => {
        showHelp(command);
        return '';
      },
    })
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} });
  for (const [name, { summary }] of Object.entries(commands))
    program.command(name).description(summary);
  const loaded = new Set<Command>();
  const load: Load = async (name) => {
    const command = program.commands.find((candidate) => candidate.name() === name);
    if (command === undefined || loaded.has(command)) return;
    loaded.add(command);
    (await commands[command.name()]?.load())?.configure(command, io, exit, load);
    if (command.commands.length > 0) command.helpCommand(false);
    for (const { options } of [command, ...command.commands]) options.forEach(refuseTwice);
  };
  return { program, load };
}

/** The program with all commands loaded, for its documentation. */
export async function wholeProgram(io: IO): Promise<Command> {
  const { program, load } = programOf(
    io,
    () => {},
    () => {},
  );
  for (const name of Object.keys(commands)) await load(name);
  return program;
}

/** Runs a command line and returns the exit code. Throws the errors of the command, and USAGE. */
export async function run(argv: readonly string[], io: IO): Promise<number> {
  let exitCode = 0;
  let asked: Command | undefined;
  const { program, load } = programOf(
    io,
    (command) => {
      asked = command;
    },
    (code) => {
      exitCode = code;
    },
  );
  const names = argv.filter((word) => !word.startsWith('-'));
  if (names.length > 0) refuseToTrace();
  await load(names[0]);
  const words = helpFirst(program, argv);
  if (words !== argv) await load('help');
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const help = await import('./help.ts');
    if (asked !== undefined && (error.exitCode === 0 || asked === program)) {
      // commander.help: there are no words.
      const print = error.code === 'commander.help' ? help.printGuide : help.printHelp;
      await print(io, asked);
      return 0;
    }
    const { command, others } = help.commandIn(program, names);
    const [first = ''] = others;
    if (error.code === 'commander.unknownCommand')
      throw help.unknownCommand(io, command, argv.slice(argv.indexOf(first)));
    const isProgram = error.code === 'commander.unknownOption' && command === program;
    throw usageError(error, command, help, isProgram && help.commandMeant(io, program, argv));
  }
  return exitCode;
}

/** Turns `webhook help serve` into `help webhook serve`, and `seal help` into `help seal`. */
function helpFirst(program: Command, argv: readonly string[]): readonly string[] {
  const [name = '', second, ...others] = argv;
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (second !== 'help' || command === undefined) return argv;
  // A path may be `help`: `verify help` must not succeed without having verified it.
  const takesPath = command.registeredArguments.some((argument) => argument.name() !== 'name');
  const isHelp = command.commands.length > 0 || (others.length === 0 && !takesPath);
  return isHelp ? ['help', name, ...others] : argv;
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

/** Converts an error of commander about `command`; `known` is a hint that is better than a typo. */
function usageError(
  { code, message }: CommanderError,
  command: Command,
  { nameOf, optionMeant }: typeof import('./help.ts'),
  known: string | false | undefined,
): KsealError {
  const [, text = '', similar] =
    /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(message) ?? [];
  const [pattern, words] = rewordings[code] ?? [/^$/, ''];
  const problem = text.replace(pattern, words);
  const [, option = ''] = /^unknown option '(.*)'$/s.exec(problem) ?? [];
  const meant = optionMeant(command, option) ?? similar;
  return new KsealError('USAGE', problem, {
    hint: known || (meant ? `did you mean ${meant}?` : `${nameOf(command)} --help`),
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
