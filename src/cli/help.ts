import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Help, type Option } from 'commander';
import { type ErrorCode, type EXIT_BUG, type exitCodes, KsealError } from '../errors.ts';
import { commandFor, filled, shellWord, suggest, wrapped } from '../text.ts';
import { shells } from './completion-shells.ts';
import type { IO } from './io.ts';
import { writeStdout } from './print.ts';

/** A term and its explanation. */
export type Entry = readonly [term: string, text: string];

type ExitCode = 0 | 1 | typeof EXIT_BUG | (typeof exitCodes)[ErrorCode] | '1-125';

/** The parts of the help and the man page of a command that commander does not know. */
interface Topic {
  /** Command lines without `kseal COMMAND`, if one is not enough. */
  readonly usage?: readonly Entry[];
  /** Whole sentences. */
  readonly about: string;
  /**
   * The long names of the options in each group. `--help` omits those after `|`, so that it fits
   * on a screen.
   */
  readonly groups: Readonly<Record<string, string>>;
  /** Command lines that `test/cli/help.test.ts` runs, and their effect. */
  readonly examples: readonly Entry[];
  readonly exits: readonly ExitCode[];
  /** Variables that the options do not mention. */
  readonly variables?: string;
  readonly guide: string;
}

const KMS_KEY = 'gcpkms://projects/acme/locations/eu/keyRings/k/cryptoKeys/hr';

/** By the name of the command, without `kseal`. A command that is missing here gets plain help. */
export const topics: Readonly<Record<string, Topic>> = {
  '': {
    usage: [['COMMAND [options]', '']],
    about:
      'Seals the values of Kubernetes Secrets to a public key, so that the manifests can live in Git. An admission webhook opens them in the cluster, and only in the place they were sealed for. Results go to stdout, messages to stderr.',
    groups: { Other: '| color debug' },
    examples: [],
    exits: [0, 1, 2, 3, 4, 130],
    variables: 'KSEAL_CONFIG',
    guide: 'README.md',
  },
  seal: {
    usage: [
      ['[NAME]', 'create a manifest; asks for what you omit'],
      ['--into FILE', 'add, replace or remove values'],
      ['-f FILE -i', 'seal all values of a manifest in place'],
    ],
    about:
      'Encrypts values with a public key, so that the manifest can be published. Each value opens only in the namespace, the Secret and the data key that it is sealed for. Needs no network and no account, unless the key is in a KMS. The options that provide a value can be combined and repeated.',
    groups: {
      Target: 'namespace into file | in-place remove scope type label annotation',
      Values:
        'prompt stdin from-file | from-env-file from-literal from-jwe keep-newline allow-empty strict allow',
      Key: 'key | pin config kms-endpoint verify-signature',
      Output: 'output | force string-data raw',
    },
    examples: [
      ['kseal seal', 'asks for everything'],
      ['kseal seal mail -n hr -k prod.pub --prompt password -o mail.yaml', 'a new Secret'],
      ['kseal seal --into db.yaml --from-file tls.key', 'one more value'],
    ],
    exits: [0, 2, 4, 130],
    guide: 'docs/custodian.md',
  },
  request: {
    about:
      'Writes a small file that lists values which somebody else is to provide, in words that they know, and where the values go. It contains no value. They answer it with kseal fill. Without -o it is printed. On a terminal, it asks for what you omit. A format (text, lines, pem-certificate, pem-private-key, json, url, file), min=, max=, pattern=, help=, generate= and alphabet= can follow KEY:LABEL, each after a colon; \\: is a colon in a text. In the same way, key=, namespace=, name=, type=, scope= and field= can follow --target FILE.',
    groups: {
      Target: 'namespace target | type scope',
      Values: 'ask | title from note',
      Key: 'key | config',
      Output: 'output | force schema',
    },
    examples: [
      ['kseal request', 'asks for everything'],
      [
        "kseal request db -n hr -k prod --ask 'password:Password of the database' -o requests/new.yaml",
        'one value',
      ],
      [
        "kseal request db -n hr -k prod --target a.yaml --target b.yaml:namespace=hr2 --ask 'pin:PIN:pattern=[0-9]{4}'",
        'one answer for two places',
      ],
    ],
    exits: [0, 2, 130],
    guide: 'docs/requests.md',
  },
  fill: {
    about:
      'Asks for the values of a request in the words of the person who wrote it, checks each answer, and encrypts it for the places that the request names. No value that you type is shown, and nothing is written before you have seen a summary. All files are written, or none.',
    groups: {
      Values: 'from-file stdin',
      Key: 'pin | config',
    },
    examples: [
      ['kseal fill requests/db.yaml', 'asks for every value'],
      ['kseal fill requests/db.yaml --from-file password=new.txt', 'takes one from a file'],
      ['kseal fill requests/db.yaml --stdin password', 'takes one from a pipe'],
    ],
    exits: [0, 2, 130],
    guide: 'docs/requests.md',
  },
  inspect: {
    about:
      'Prints facts that are not secret: the place in which each value opens, its approximate length and the fingerprint of its key. Needs no private key. For a key file it prints the fingerprint, to compare it over the phone.',
    groups: { Target: 'file namespace ref', Key: 'config', Output: 'output by-key textconv json' },
    examples: [
      ['kseal inspect prod.pub', 'the fingerprint of a key'],
      ['kseal inspect db.yaml', 'where the values open'],
      ['kseal inspect --by-key .', 'which values need which key'],
    ],
    exits: [0, 2],
    guide: 'docs/custodian.md',
  },
  verify: {
    about:
      'Checks, using only the files, that every value is sealed, well-formed, for the right place and to the right key, and that there is no plaintext. Needs only public keys: no network, no credentials. Without a path it checks the current folder.',
    groups: {
      Target: 'staged ref | file',
      Key: 'key config-from | config',
      Output: 'format explain | quiet json max-findings fail-on fail-if-kid',
    },
    examples: [
      ['kseal verify -k prod.pub db.yaml', 'one file'],
      ['kseal verify --staged', 'the next commit'],
      ['kseal verify --config-from main --fail-on warning', 'in CI'],
    ],
    exits: [0, 1, 2],
    guide: 'docs/ci.md',
  },
  decrypt: {
    about:
      'Opens a manifest, or one value of it, with the code that the webhook runs. A value opens only in the place it was sealed for. With a key in a KMS, only the encrypted key of a value goes to the KMS, never the value.',
    groups: {
      Target: '| namespace file',
      Values: 'only review | name raw data-key',
      Key: 'key | config kms-endpoint verify-signature',
      Output: 'output | force',
      Policy: '| max-scope accept-unbound allow-revoked',
    },
    examples: [
      ['kseal decrypt db.yaml -k prod.pem', 'the whole manifest'],
      ['kseal decrypt db.yaml -k prod.pem --only password', 'one value'],
      [`kseal decrypt db.yaml -k ${KMS_KEY}`, 'with a key in a KMS'],
    ],
    exits: [0, 2, 3, 4, 130],
    variables: 'KSEAL_KEY_PASSPHRASE_FILE',
    guide: 'docs/kms-manager.md',
  },
  rekey: {
    about:
      'Opens every sealed value that is not yet on the key of --to, and seals it to that key, in place: in manifests, Helm values, templates, patches and requests. Only the sealed text changes; each value still opens in the same place. Everything is opened before the first file is written, and a second run continues where the first ended. With a key in a KMS, only the encrypted key of a value goes to the KMS, never the value.',
    groups: {
      Target: 'dry-run continue-on-error',
      Key: 'to from | pin config kms-endpoint verify-signature',
      Policy: '| accept-unbound allow-revoked',
      Output: '| output',
    },
    examples: [
      ['kseal rekey --to next.pub --dry-run', 'what would be moved'],
      ['kseal rekey --to next.pub', 'all files here, with the configured keys'],
      ['kseal rekey db.yaml --to next.pub --from prod.pem', 'one file, with a key file'],
    ],
    exits: [0, 2, 3, 4, 130],
    variables: 'KSEAL_KEY_PASSPHRASE_FILE',
    guide: 'docs/kms-manager.md',
  },
  init: {
    about:
      'Writes a first .kseal.yaml, with the public key that seals and the files that it is for, and sets up git if you want it. It asks, shows every line, and asks once more before it writes anything. It never overwrites a file: run it again to add another key, or in another clone. With --yes, or without a terminal, it does only what the options say.',
    groups: {
      Target: 'rule namespace | config',
      Key: 'key practice name | title pin kms-endpoint verify-signature',
      Other: 'pre-commit diff ignore-pem yes',
    },
    examples: [
      ['kseal init', 'asks for everything'],
      ["kseal init -k prod.pub --rule 'clusters/prod/**'", 'for these files'],
      ['kseal init --pre-commit --diff', 'in another clone'],
    ],
    exits: [0, 2, 4, 130],
    guide: 'docs/kms-manager.md',
  },
  keygen: {
    about:
      'Writes an RSA key pair: PREFIX.pem, the private key, readable only by you, and PREFIX.pub. It never overwrites a file. In production, prefer a key that never leaves a KMS.',
    groups: { Key: 'bits', Output: 'output' },
    examples: [
      ['kseal keygen -o practice', 'a pair to practise with'],
      ['kseal keygen -o dev --bits 3072', 'a shorter key'],
      ['kseal keygen -o keys/airgap', 'in a folder'],
    ],
    exits: [0, 2],
    guide: 'docs/kms-manager.md',
  },
  keys: {
    about:
      'Lists the keys in .kseal.yaml with their state, pin, fingerprint and file, how long that file has been in Git, and how many values in the repository are sealed to each key. With --online it also asks the source of each key, in Git or Cloud KMS. It needs no permission to decrypt.',
    groups: {
      Key: 'online | config kms-endpoint verify-signature',
      Output: 'output json',
    },
    examples: [
      ['kseal keys -o wide', 'for people, in full'],
      ['kseal keys --json', 'for programs'],
      ['kseal keys --online', 'whether the keys can be used'],
    ],
    exits: [0, 2, 4],
    guide: 'docs/kms-manager.md',
  },
  'fetch-pubkey': {
    usage: [
      ['SOURCE [-o FILE]', 'get, check and print a public key'],
      ['NAME', 'update the file of a configured key'],
      ['--check [NAME...]', 'compare file, source and pin'],
    ],
    about:
      'Gets a public key from a KMS, a Git repository or a file, checks it and prints its fingerprint, which custodians compare with you. It does not touch a file that already contains the key, and refuses to replace a different one without --force.',
    groups: {
      Key: 'check pin | config kms-endpoint verify-signature',
      Output: 'output force format json',
    },
    examples: [
      [`kseal fetch-pubkey ${KMS_KEY} -o hr.pub`, 'from a KMS'],
      ['kseal fetch-pubkey prod', 'update a configured key'],
      ['kseal fetch-pubkey --check', 'a daily check in CI'],
    ],
    exits: [0, 2, 4],
    guide: 'docs/kms-manager.md',
  },
  doctor: {
    about:
      'Checks the configuration, the keys, the sealed values and git, offline and without a private key, and prints a line for each check, with the next command for each warning and failure. With --online it also asks the source of each key, and opens a random value with it; with --cluster it checks the webhook. It changes nothing, and never prompts.',
    groups: {
      Key: 'online config | kms-endpoint verify-signature',
      Cluster: 'cluster kubeconfig namespace | context audit-policy',
      Output: 'json',
    },
    examples: [
      ['kseal doctor', 'offline'],
      ['kseal doctor --online --cluster', 'with the KMS and the cluster'],
      ['kseal doctor --json', 'for programs'],
    ],
    exits: [0, 1, 2],
    variables: 'KSEAL_KEY_PASSPHRASE_FILE',
    guide: 'docs/doctor.md',
  },
  webhook: {
    about:
      'The admission webhook opens sealed values when a Secret is created or updated in the cluster.',
    groups: {},
    examples: [
      ['kseal webhook manifests --help', 'print the YAML that installs it'],
      ['kseal webhook serve --help', 'run it'],
      ['kseal webhook sweep --help', 'open what was stored sealed before it ran'],
    ],
    exits: [0, 2, 4],
    guide: 'docs/cluster.md',
  },
  'webhook serve': {
    about:
      'Serves the admission webhook over HTTPS until it gets SIGTERM. It opens the sealed values of each Secret that the API server sends, and refuses the Secret if one does not open. It never asks for a passphrase. Start it with --client-ca and --client-name, or with --allow-any-client if nothing else can reach its port.',
    groups: {
      Key: 'key | deprecated-kid revoked-kid kms-endpoint',
      Server: 'tls-cert tls-key port | host metrics-port drain kms-timeout',
      Clients: 'client-ca client-name allow-any-client',
      Policy: '| max-scope accept-unbound',
      Other: '| log-level no-memo',
    },
    examples: [
      [
        `kseal webhook serve -k ${KMS_KEY} --tls-cert tls.crt --tls-key tls.key --client-ca ca.crt --client-name kube-apiserver`,
        'with a key in a KMS',
      ],
      [
        'kseal webhook serve -k prod.pem --tls-cert tls.crt --tls-key tls.key --allow-any-client',
        'with a key file, on a managed control plane',
      ],
      [
        'kseal webhook serve -k prod.pem --tls-cert tls.crt --tls-key tls.key --allow-any-client --log-level debug',
        'with a detailed log',
      ],
    ],
    exits: [0, 2, 3, 4],
    variables:
      'KSEAL_KEY_PASSPHRASE_FILE KSEAL_WEBHOOK_TLS_CERT KSEAL_WEBHOOK_TLS_KEY KSEAL_WEBHOOK_HOST KSEAL_WEBHOOK_PORT KSEAL_WEBHOOK_METRICS_PORT KSEAL_WEBHOOK_DRAIN KSEAL_WEBHOOK_LOG_LEVEL',
    guide: 'docs/cluster.md',
  },
  'webhook manifests': {
    about:
      'Prints the YAML that installs the webhook, or writes it to a folder for kubectl apply -k or, with --format helm, for Helm. The states of the keys in .kseal.yaml are copied. A private key is never part of the YAML.',
    groups: {
      Target: 'image namespace | replicas service-account-annotation priority-class',
      Key: 'key key-secret | deprecated-kid revoked-kid kms-endpoint kms-timeout config',
      Certificate: 'tls | tls-cert tls-key tls-ca rotate',
      Clients: 'client-name allow-any-client | client-ca api-server-from',
      Policy: '| namespace-selector max-scope accept-unbound',
      Output: 'output | format private-dir force',
      Other: '| service-monitor alerts monitoring-label log-level no-memo',
    },
    examples: [
      [
        `kseal webhook manifests --image registry.example.org/kseal:1 -k ${KMS_KEY} --allow-any-client --api-server-from 172.16.0.0/28 -o kseal-webhook`,
        'on a managed control plane',
      ],
      [
        'kseal webhook manifests --image registry.example.org/kseal:1 -k prod.pem --key-secret kseal-keys --tls self-signed --client-name kube-apiserver -o kseal-webhook',
        'with a key file, without cert-manager',
      ],
      [
        'kseal webhook manifests --image registry.example.org/kseal:1 -k prod --allow-any-client',
        'with a key of .kseal.yaml, to stdout',
      ],
    ],
    exits: [0, 2, 4],
    guide: 'docs/cluster.md',
  },
  'webhook sweep': {
    about:
      'Lists the Secrets that are stored sealed in a cluster, because they were applied while the webhook was absent, with those that cannot be opened where they are, and why. With --write it sends each to the API server with a change of nothing, so that the webhook opens the values. A Secret that somebody changes at the same time is read again, and never overwritten. The exit code is the number of Secrets that are still stored sealed, so it is 2 for two of them as well as for an error.',
    groups: { Target: 'namespace kubeconfig context', Output: 'write' },
    examples: [
      ['kseal webhook sweep', 'list them'],
      ['kseal webhook sweep --write', 'have the webhook open them'],
      ['kseal webhook sweep -n hr --write', 'only those in one namespace'],
    ],
    exits: [0, '1-125', 2],
    guide: 'docs/cluster.md',
  },
  completion: {
    usage: [
      ['SHELL', `print the script for ${Object.keys(shells).join(', ')}`],
      ['', 'print the line that turns it on in your shell'],
    ],
    about:
      'Completes commands, options, names of keys, namespaces, Secrets and data keys with Tab. Add the line of your shell to its start-up file, and open a new terminal. The script asks kseal, which uses no network and shows no value.',
    groups: {},
    examples: Object.values(shells).map(({ line, file }) => [line, file]),
    exits: [0, 2],
    guide: 'README.md',
  },
  help: {
    about:
      'Prints everything about a command: its options, examples, exit codes and environment variables. The option --help of a command prints what fits on a screen.',
    groups: {},
    examples: [
      ['kseal help seal', 'a command'],
      ['kseal help webhook serve', 'a command in a group'],
      ['kseal help', 'all commands'],
    ],
    exits: [0, 2],
    guide: 'README.md',
  },
  version: {
    about: 'Prints the version of kseal.',
    groups: {},
    examples: [
      ['kseal version', 'as a command'],
      ['kseal -v', 'for short'],
      ['kseal --version', 'as most programs do'],
    ],
    exits: [0],
    guide: 'README.md',
  },
};

/** The groups of `kseal --help`. A command that is missing here is in the group `Commands`. */
const commandGroups: Readonly<Record<string, string>> = {
  Values: 'seal fill request inspect decrypt verify',
  Keys: 'init keys rekey fetch-pubkey keygen doctor',
  More: 'webhook completion help version',
};

/** `kseal` alone: a first command for each person. */
const firstCommands: readonly Entry[] = [
  ['kseal seal', 'You have a password, and the cluster needs it'],
  ['kseal fill REQUEST', 'You have received a request for a password'],
  ['kseal request', 'You need a password from somebody'],
  ['kseal init', 'You set up a repository for sealed values'],
  ['kseal fetch-pubkey SOURCE', 'You manage the key in the KMS, and publish it'],
  ['kseal webhook manifests', 'You run the cluster that opens the values'],
  ['kseal verify', 'You review changes, or check them in CI'],
];

/** The meaning in a line of the brief help, and in a list. */
const exitMeanings: Readonly<Record<ExitCode, readonly [brief: string, complete: string]>> = {
  0: ['success', 'success'],
  1: ['findings', 'verify has findings, or a check of doctor has failed'],
  '1-125': [
    'Secrets still sealed',
    'the number of Secrets that are still stored sealed, at most 125',
  ],
  2: [
    'an error to fix',
    'an error you can fix: in the usage, a file, a manifest, a value or a key',
  ],
  3: ['no key opens it', 'none of the given keys opens the value'],
  4: ['key unavailable', 'the key cannot be used: not found, access denied, unavailable'],
  70: ['a bug', 'a bug in kseal'],
  130: ['interrupted', 'interrupted'],
};

/** Options document the variables with the same effect; these are the others. */
const variables: Readonly<Record<string, string>> = {
  KSEAL_KEY_PASSPHRASE_FILE: 'a file whose first line is the passphrase of a private key',
  KSEAL_CONFIG: 'a configuration to use instead of the nearest .kseal.yaml',
  KSEAL_DEBUG: 'if not empty, the same as --debug',
  NO_COLOR: 'if not empty, turns colours off',
  FORCE_COLOR: 'if not empty, turns colours on; 0 turns them off; NO_COLOR overrides it',
};

/**
 * Words and options from kubeseal, sops, age, openssl and gpg, with the purpose and the command line
 * of kseal, and the one for a file that was named.
 */
export const synonyms: readonly (readonly [
  words: string,
  purpose: string,
  line: string,
  forFile?: string,
])[] = [
  [
    'encrypt enc lock hide protect create pkeyutl rsautl -e -c --encrypt --symmetric',
    'to seal values',
    'kseal seal',
    'kseal seal -f FILE',
  ],
  [
    '--cert --raw --scope --merge-into --secret-file --sealed-secret-file --format --from-file --name --namespace --key -f -k -n -o -r -w',
    'to seal the values of a manifest',
    'kseal seal -f FILE',
  ],
  [
    'dec unseal unlock open view cat exec-env exec-file recovery-unseal -d -decrypt --decrypt --recovery-unseal',
    'to open sealed values',
    'kseal decrypt FILE',
  ],
  [
    'rotate re-key updatekeys update-keys re-encrypt reencrypt recrypt reseal re-seal --re-encrypt --rotate',
    'to move values to another key',
    'kseal rekey --to REF',
    'kseal rekey FILE --to REF',
  ],
  ['edit set add put merge-into update', 'to add or replace a value', 'kseal seal --into FILE'],
  ['unset rm remove delete', 'to remove a value', 'kseal seal --into FILE --remove KEY'],
  [
    'lint check validate test scan audit --validate',
    'to check manifests',
    'kseal verify',
    'kseal verify FILE',
  ],
  [
    'fetch-cert fetch-key get-key pubkey public-key publish --fetch-cert',
    'to get a public key',
    'kseal fetch-pubkey SOURCE',
  ],
  [
    'genkey gen-key generate-key key-gen age-keygen genrsa genpkey generate --gen-key --generate-key',
    'to make a key pair',
    'kseal keygen -o PREFIX',
  ],
  [
    'show ls list info status filestatus describe fingerprint',
    'to see what is sealed, and to which key',
    'kseal inspect FILE',
  ],
  ['key list-keys --list-keys', 'to list the configured keys', 'kseal keys'],
  [
    'diagnose troubleshoot health status-check',
    'to check the configuration and the keys',
    'kseal doctor',
  ],
  ['serve server controller', 'to run the webhook', 'kseal webhook serve'],
  ['install deploy manifests', 'to install the webhook', 'kseal webhook manifests'],
  ['ask', 'to ask somebody for values', 'kseal request'],
  ['answer reply', 'to answer a request', 'kseal fill REQUEST'],
  ['setup configure config', 'to set up a repository', 'kseal init'],
  ['completions autocomplete', 'to complete commands with Tab', 'kseal completion'],
  ['man usage', 'to read about a command', 'kseal help COMMAND'],
];

/** Options of the same tools, by the option of kseal that is meant. */
const optionSynonyms: Readonly<Record<string, string>> = {
  '--key':
    '--cert --certificate --public-key --pubkey --recipient --recipients-file -r --recovery-private-key --identity --age --gcp-kms',
  '--output': '-w --out --output-file --sealed-secret-file',
  '--file': '--secret-file --filename --input --in',
  '--into': '--merge-into',
  '--in-place': '--inplace',
  '--force': '--overwrite',
  '--namespace': '--ns',
  '--prompt': '--password',
  '--only': '--extract',
  '--format': '--output-format',
  '--json': '--json-output',
};

/** Their argument is a key. */
const keyOptions = [...['-k', '--key', '-inkey'], ...(optionSynonyms['--key'] ?? '').split(' ')];

/** `kseal help COMMAND`: the complete help. Throws USAGE for an unknown command. */
export function configure(
  command: Command,
  io: IO,
  _exit: (code: number) => void,
  load: (name: string | undefined) => Promise<void>,
): void {
  command
    .argument('[command...]', 'the name of a command')
    .action(async (words: readonly string[]) => {
      await load(words[0]);
      const found = commandIn(command.parent ?? command, words);
      if (found.others.length > 0) throw unknownCommand(io, found.command, found.others);
      await writeStdout(io, completeHelp(pageOf(found.command), widthOf(io)));
    });
}

/** Prints the help that fits on a screen. */
export function printHelp(io: IO, command: Command): Promise<void> {
  return writeStdout(io, briefHelp(pageOf(command, true), widthOf(io)));
}

/** Prints a first command for each person. */
export function printGuide(io: IO, program: Command): Promise<void> {
  const width = widthOf(io);
  const text = textOf([
    wrapped(`${program.description()}. A first command for you:`, width),
    definitions(firstCommands, width, columnOf(firstCommands, width)),
    joined(['All commands: kseal --help', 'One command: kseal help seal'], width),
  ]);
  return writeStdout(io, text);
}

/** The command that the words begin with, and the words after its name. */
export function commandIn(
  program: Command,
  words: readonly string[],
): { readonly command: Command; readonly others: readonly string[] } {
  const [name] = words;
  const next = program.commands.find((candidate) => candidate.name() === name);
  return next ? commandIn(next, words.slice(1)) : { command: program, others: words };
}

/** The full name of a command: `kseal webhook manifests`. */
export function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

/**
 * The error for `words`, of which the first is not a command of `group`. The hint is for typos and
 * for words of other tools.
 */
export function unknownCommand(io: IO, group: Command, words: readonly string[]): KsealError {
  const [word = ''] = words;
  const meanings = meaningsIn(group);
  const names = new Help().visibleCommands(group).map((command) => command.name());
  const known = [...[...meanings.keys()].filter((one) => !one.startsWith('-')), ...names];
  // A typo such as `ecrypt` may mean `encrypt` or `decrypt`, so it gets no hint.
  const typos = [suggest(word, known), suggest(word, known.toReversed())];
  const whole = meanings.has(word) ? word : typos.find((typo) => typo?.startsWith(word));
  const meant = whole ? [whole] : typos.filter((typo) => typo !== undefined);
  const [hint, other] = new Set(
    meant.map((one) => {
      if (names.includes(one)) return `did you mean ${nameOf(group)} ${one}?`;
      return hintFor(io, meanings, [one, ...words.slice(1)]);
    }),
  );
  return new KsealError('USAGE', `unknown command '${word}'`, {
    hint: (other === undefined && hint) || `${nameOf(group)} --help`,
  });
}

/** The hint for options in the place of a command; undefined without one. */
export function commandMeant(
  io: IO,
  program: Command,
  words: readonly string[],
): string | undefined {
  const names = program.commands.map((command) => command.name());
  const name = words.find((word) => names.includes(word));
  return name ? `kseal ${name} --help` : hintFor(io, meaningsIn(program), ['', ...words]);
}

/** A row of the table of words. */
type Meaning = (typeof synonyms)[number];

/** The meaning of each word of another tool. */
function meaningsIn(group: Command): ReadonlyMap<string, Meaning> {
  const rows = group.parent ? [] : synonyms;
  return new Map(rows.flatMap((row) => row[0].split(' ').map((word) => [word, row] as const)));
}

/** The command line that is meant by the first of `words` and the options among the others. */
function hintFor(
  io: IO,
  meanings: ReadonlyMap<string, Meaning>,
  [word = '', ...others]: readonly string[],
): string | undefined {
  const options = others.filter((other) => other.startsWith('-'));
  const found = [word, ...options].flatMap((one) => {
    const row = meanings.get(one);
    return row === undefined ? [] : [row];
  });
  // `enc -d` decrypts, and `--cert FILE --validate` checks.
  const row = found.find(([, , line]) => !line.startsWith('kseal seal')) ?? found[0];
  if (row === undefined) return undefined;
  const [, purpose, line, forFile = line] = row;
  const { file, key } = filesIn(io, others);
  const command = file === undefined ? line : commandFor(forFile, file);
  if (key === undefined) return `${purpose}: ${command}`;
  // With two commands, it is the key to seal to.
  const taker = /kseal seal|^kseal (?:decrypt|verify)(?!.*\|)/;
  return `${purpose}: ${command.replace(taker, (name) => `${name} -k ${shellWord(key)}`)}`;
}

/** The file and the key file among arguments. Most tools take the file last. */
function filesIn(
  { cwd }: IO,
  words: readonly string[],
): { readonly file: string | undefined; readonly key: string | undefined } {
  const isFile = (word: string) => {
    const path = resolve(cwd, word);
    return !word.startsWith('-') && existsSync(path) && statSync(path).isFile();
  };
  const isKey = (_: string, index: number) => keyOptions.includes(words[index - 1] ?? '');
  return {
    file: words.findLast((word, index) => isFile(word) && !isKey(word, index)),
    key: words.find((word, index) => isFile(word) && isKey(word, index)),
  };
}

/** The option of `command` that users of another tool mean by `option`; undefined without one. */
export function optionMeant(command: Command, option: string): string | undefined {
  const [meant] =
    Object.entries(optionSynonyms).find(([, words]) => words.split(' ').includes(option)) ?? [];
  // The certificate of a server is not a key to open values with.
  const candidates = [option.replace(/^--/, '--tls-'), meant];
  return candidates.find((one) => command.options.some(({ long }) => long === one));
}

interface Section {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** The help of a command, for the terminal and for the man page. */
export interface Page {
  readonly name: string;
  /** In lower case, without a full stop. */
  readonly summary: string;
  readonly usage: readonly Entry[];
  /** Whole sentences. */
  readonly about: string;
  /** The commands of a group of commands. */
  readonly commands: readonly Section[];
  /** Arguments and options. */
  readonly options: readonly Section[];
  readonly examples: readonly Entry[];
  readonly exits: readonly Entry[];
  readonly variables: readonly Entry[];
  /** A page of the repository, or empty. */
  readonly guide: string;
}

/** The page of a command: what commander knows about it and the table of topics. */
export function pageOf(command: Command, isBrief = false): Page {
  const name = nameOf(command);
  const topic = topics[name.replace(/^kseal ?/, '')] ?? plain;
  const numberOf = (code: ExitCode) => Number.parseInt(`${code}`, 10);
  const exits = [...topic.exits, 70 as const].sort((a, b) => numberOf(a) - numberOf(b));
  const all = optionsOf(command);
  const shown = isBrief ? briefly(command, topic) : all;
  return {
    name,
    summary: command.description(),
    usage: topic.usage ?? [[usageOf(command), '']],
    about: topic.about,
    commands: commandsOf(command, isBrief),
    options: [
      ...(isBrief ? [] : argumentsOf(command)),
      ...sectionsOf(
        new Map(
          shown.map((option) => [nameIn(option), [option.flags, explained(option, isBrief)]]),
        ),
        topic.groups,
        'Other',
      ),
    ],
    examples: topic.examples,
    exits: exits
      .filter((code) => !isBrief || numberOf(code) < 70)
      .map((code) => [`${code}`, exitMeanings[code][isBrief ? 0 : 1]]),
    variables: variablesFor(all, topic),
    guide: topic.guide,
  };
}

/** The arguments in upper case, as in messages: `[options] [PATH...]`. */
function usageOf(command: Command): string {
  const usage = command.usage().replace(/<(.*?)>/g, '$1');
  return usage.replace(/\b(?!options\b)\w+/g, (name) => name.toUpperCase());
}

/** The topic of a command without one. */
const plain: Topic = { about: '', groups: {}, examples: [], exits: [0, 2], guide: '' };

function argumentsOf(command: Command): Section[] {
  const entries = new Help()
    .visibleArguments(command)
    .map((argument): Entry => [argument.name().toUpperCase(), argument.description]);
  return entries.length === 0 ? [] : [{ title: 'Arguments', entries }];
}

/** The commands that the last line of the brief help has, so that the list fits on a screen. */
const atTheEnd = ['help', 'version'];

function commandsOf(command: Command, isBrief: boolean): Section[] {
  const entries = new Help()
    .visibleCommands(command)
    .filter((child) => !isBrief || !atTheEnd.includes(child.name()))
    .map((child) => [child.name(), [child.name(), child.description()]] as const);
  return sectionsOf(new Map(entries), command.parent ? {} : commandGroups, 'Commands');
}

/** The options of a command, and after them those of the program. */
export function optionsOf(command: Command): readonly Option[] {
  const own = new Help().visibleOptions(command);
  const isOwn = ({ long }: Option) => own.some((option) => option.long === long);
  const others = command.parent ? optionsOf(command.parent) : [];
  return [...own, ...others.filter((option) => !isOwn(option))];
}

/** The options for `--help`: without itself, those of the program and those after `|`. */
function briefly(command: Command, { groups }: Topic): readonly Option[] {
  const omitted = Object.values(groups).flatMap((names) => wordsIn(names.split('|')[1] ?? ''));
  return command.options.filter((option) => !option.hidden && !omitted.includes(nameIn(option)));
}

/** Distributes entries to groups, which list their names. The rest are in the group `last`. */
function sectionsOf(
  entries: ReadonlyMap<string, Entry>,
  groups: Readonly<Record<string, string>>,
  last: string,
): Section[] {
  const grouped = wordsIn(Object.values(groups).join(' '));
  const rest = [...entries.keys()].filter((name) => !grouped.includes(name));
  return [...new Set([...Object.keys(groups), last])]
    .map(
      (title) =>
        [title, [...wordsIn(groups[title] ?? ''), ...(title === last ? rest : [])]] as const,
    )
    .map(([title, names]) => ({
      title,
      entries: names.map((name) => entries.get(name)).filter((entry) => entry !== undefined),
    }))
    .filter((section) => section.entries.length > 0);
}

const wordsIn = (text: string) => text.split(/[ |]+/).filter(Boolean);

/** The long name without dashes, such as `no-memo`. */
const nameIn = ({ long }: Option) => (long ?? '').replace(/^--/, '');

/** The description with the choices and the default; a brief one omits the variable. */
function explained({ description, argChoices, defaultValue }: Option, isBrief: boolean): string {
  const text = isBrief ? description.replace(variableIn, '') : description;
  const isShown = typeof defaultValue === 'string';
  const more = [argChoices?.join(', ') ?? '', isShown ? `default: ${defaultValue}` : ''];
  const added = more.filter(Boolean).join('; ');
  return added === '' ? text : `${text} (${added})`;
}

const variableIn = / \(env: (\w+)\)/;

function variablesFor(options: readonly Option[], { variables: more = '' }: Topic): Entry[] {
  const same = options.flatMap(({ description, long }): Entry[] => {
    const [, name] = variableIn.exec(description) ?? [];
    return name === undefined ? [] : [[name, `the same as ${long}`]];
  });
  const others = [...wordsIn(more), 'KSEAL_DEBUG', 'NO_COLOR', 'FORCE_COLOR'].map((name): Entry => {
    const option = name.replace('KSEAL_WEBHOOK', '-').replaceAll('_', '-').toLowerCase();
    return [name, variables[name] ?? `the same as ${option}`];
  });
  return [...same, ...others];
}

/** The width for help: of COLUMNS, or else of the terminal, and at most 80. */
function widthOf({ env, stdout }: IO): number {
  const width = Number(env.COLUMNS) || (stdout.columns ?? 0);
  return width > 0 ? Math.min(Math.max(width, MIN_WIDTH), MAX_WIDTH) : MAX_WIDTH;
}

const MIN_WIDTH = 30;
const MAX_WIDTH = 80;

/** Help that fits on a screen, if the command does not have too many options. */
function briefHelp(page: Page, width: number): string {
  const { name, summary, exits } = page;
  const sections = [...page.commands, ...page.options];
  const column = columnOf(
    sections.flatMap(({ entries }) => entries),
    width,
  );
  const codes = exits.map(([code, meaning]) => `${code} ${meaning}`).join(', ');
  const isProgram = name === 'kseal';
  const more = isProgram
    ? 'One command: kseal help COMMAND'
    : `All options: ${name.replace('kseal', 'kseal help')}`;
  return textOf([
    usageIn(page, width),
    // With several command lines, each has a note.
    page.usage.length > 1 ? [] : wrapped(summary, width),
    sections.flatMap((section) => listed(section, width, column)),
    [
      ...examplesIn(page, width, true),
      ...(isProgram ? [] : wrapped(`Exit codes: ${codes}`, width, 2)),
      ...joined([more, ...(isProgram ? ['Version: kseal -v'] : []), ...guideIn(page)], width),
    ],
  ]);
}

function completeHelp(page: Page, width: number): string {
  const { summary, about, exits, variables } = page;
  const sections = [...page.commands, ...page.options];
  const column = columnOf([...sections.flatMap(({ entries }) => entries), ...variables], width);
  return textOf([
    usageIn(page, width),
    wrapped(about || summary, width),
    ...sections.map((section) => listed(section, width, column)),
    examplesIn(page, width, false),
    listed({ title: 'Exit codes', entries: exits }, width, column),
    listed({ title: 'Environment', entries: variables }, width, column),
    guideIn(page),
  ]);
}

/** Blocks of lines with an empty line between them. */
function textOf(blocks: readonly (readonly string[])[]): string {
  const texts = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${texts.join('\n\n')}\n`;
}

const guideIn = ({ guide }: Page) => (guide === '' ? [] : [`Guide: ${guide}`]);

function usageIn({ name, usage }: Page, width: number): string[] {
  const label = 'Usage: ';
  const entries = usage.map(([line, note]): Entry => [`${name} ${line}`.trim(), note]);
  const lines = definitions(entries, width, columnOf(entries, width, label.length), label.length);
  return lines.map((line, index) => (index === 0 ? line.replace(/^ */, label) : line));
}

function listed({ title, entries }: Section, width: number, column: number): string[] {
  return entries.length === 0 ? [] : [`${title}:`, ...definitions(entries, width, column)];
}

/** The examples, each with its note: in a brief help on the same line, if there is room for it. */
function examplesIn({ examples }: Page, width: number, isBrief: boolean): string[] {
  const room = width - 2;
  const short = examples.filter(([line, note]) => line.length + note.length + 4 <= room);
  const longest = Math.max(0, ...short.map(([line]) => line.length));
  const lines = examples.flatMap(([command, note]) => {
    const shown = commandLines(command, room);
    if (!isBrief) return [...wrapped(note, room - 2).map((line) => `# ${line}`), ...shown];
    const whole = `${command.padEnd(longest)}  # ${note}`;
    return whole.length <= room ? [whole] : shown;
  });
  return lines.length === 0 ? [] : ['Examples:', ...lines.map((line) => `  ${line}`)];
}

/** A command line that continues after `\\`, so that it can be pasted. Options keep their argument. */
export function commandLines(command: string, width: number): string[] {
  const room = width - 2;
  const parts = command
    .split(/ (?=-)/)
    .flatMap((part) => (part.length > room - 4 ? part.split(' ') : [part]));
  const lines = filled(parts, room, 4);
  // A pipe at the end of a line continues it, in PowerShell as well.
  const isWhole = (line: string, index: number) => index === lines.length - 1 || line.endsWith('|');
  return lines.map((line, index) => (isWhole(line, index) ? line : `${line} \\`));
}

/** Short texts on one line, or on one line each. */
function joined(texts: readonly string[], width: number): string[] {
  const given = texts.filter(Boolean);
  const line = given.join('    ');
  return line.length <= width ? [line] : given.flatMap((text) => wrapped(text, width, 2));
}

/** A longer term gets a line of its own. */
const MAX_TERM = 28;
/** In a narrower column, explanations are below their terms. */
const MIN_TEXT = 30;

/** The column in which explanations begin; 0 for a narrow screen. */
function columnOf(entries: readonly Entry[], width: number, indent = 2): number {
  const lengths = entries.map(([term]) => term.length);
  const most = indent > 2 ? width : MAX_TERM;
  const column = indent + 2 + Math.max(0, ...lengths.filter((length) => length <= most));
  const texts = entries.map(([, text]) => text.length);
  return width - column < Math.min(MIN_TEXT, Math.max(...texts)) ? 0 : column;
}

/** Terms with their explanations, which are in `column`, or below the terms. */
function definitions(
  entries: readonly Entry[],
  width: number,
  column: number,
  indent = 2,
): string[] {
  const at = column || indent + 4;
  return entries.flatMap(([term, text]) => {
    const start = ' '.repeat(indent);
    const terms = wrapped(term, width - indent, 4).map((line) => `${start}${line}`);
    const texts =
      text === '' ? [] : wrapped(text, width - at).map((line) => `${' '.repeat(at)}${line}`);
    const [first = '', ...others] = terms;
    if (others.length > 0 || texts.length === 0 || first.length + 2 > column)
      return [...terms, ...texts];
    return [`${first.padEnd(at)}${texts[0]?.trimStart()}`, ...texts.slice(1)];
  });
}
