import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  CONFIG_NAME,
  type Config,
  type ConfiguredKey,
  parseReference,
  ruleFor,
} from '../config/config.ts';
import { type ErrorCode, expected, KsealError, throwAll } from '../errors.ts';
import { folderWith } from '../fs/read.ts';
import { committedSince } from '../git/local.ts';
import { type KeyUsage, keyUsage, type RekeyArguments, rekeyArguments } from '../inspect/usage.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { describeKid, fingerprintOf, shortFingerprints } from '../jwe/thumbprint.ts';
import { parseKmsReference, versionNumber } from '../keys/gcpkms/name.ts';
import { dayOf, type KeyFile, publicKeyFromFile, readKeyFile } from '../keys/key-file.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { fetchKey, type KeyContext, openingProvider } from '../keys/resolve.ts';
import { type NamedText, repositoryAround, textsInRepository } from '../sources/texts.ts';
import { counted, grouped, jsonText, listOf, shellWord } from '../text.ts';
import { ifReadable } from './files.ts';
import type { Colour, IO } from './io.ts';
import {
  addKeyOptions,
  ageOf,
  branchesHint,
  commandLine,
  configFor,
  type KeyFlags,
  keyContext,
} from './options.ts';
import { type Message, paint, say, sayAll, warning, withProgress, writeStdout } from './print.ts';
import { addTableOption, type Column, type TableFlags, tableForm, tableOf } from './table.ts';

interface KeysFlags extends KeyFlags, TableFlags {
  readonly online?: boolean;
  readonly json?: boolean;
}

/** A configured key with the kid of its file; read without the network. */
interface KeyFacts {
  readonly name: string;
  readonly title: string | undefined;
  /** The strictest state of this kid under any name. */
  readonly state: KeyState;
  readonly kid: string | undefined;
  /** `pinned`, `not pinned`, or the problem. */
  readonly pin: string;
  /** The kid of a file that is not the pinned key. */
  readonly otherKid?: string | undefined;
  readonly file: string | undefined;
  readonly source: string | undefined;
}

/** A key with what the repository and its source say about it. */
interface ListedKey extends KeyFacts {
  /** The commit since which git has the file as it is now. */
  readonly since: Date | undefined;
  /** The values that are sealed to it; undefined if its kid is unknown, or if they were not counted. */
  readonly usage: KeyUsage | undefined;
  /** Undefined without --online, and for a key without a remote source. */
  readonly online: Answer | undefined;
}

/** The answer of the source of a key. */
interface Answer {
  readonly status: 'enabled' | 'found' | ErrorCode;
  /** The status or the problem in a few words. */
  readonly text: string;
  /** The kid of a source that has another key. */
  readonly otherKid?: string;
  /** The reason why the command fails; absent for a revoked key, which need not be usable. */
  readonly error?: KsealError | undefined;
}

const stateColours: Readonly<Record<KeyState, Colour>> = {
  active: 'green',
  deprecated: 'yellow',
  revoked: 'red',
};

function columnsFor(io: IO, keys: readonly ListedKey[]): readonly Column<ListedKey>[] {
  const short = shortFingerprints(
    keys.flatMap(({ kid = [], otherKid = [], online }) =>
      [kid, otherKid, online?.otherKid ?? []].flat(),
    ),
  );
  return [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'TITLE', cell: ({ title }) => title ?? '', prose: true },
    {
      title: 'STATE',
      cell: ({ state }) => state,
      paint: ({ state }, text) => paint(io, io.stdout, stateColours[state], text),
    },
    { title: 'PIN', cell: ({ pin, otherKid }) => withKid(pin, otherKid, short), ...narrow },
    { title: 'PIN', cell: ({ pin, otherKid }) => withKid(pin, otherKid), only: 'wide' },
    { title: 'FINGERPRINT', cell: ({ kid }) => (kid ? short(kid) : ''), only: 'narrow' },
    { title: 'FINGERPRINT', cell: ({ kid }) => (kid ? fingerprintOf(kid) : ''), only: 'wide' },
    { title: 'KID', cell: ({ kid }) => kid ?? '', only: 'wide' },
    { title: 'AGE', cell: ({ since }) => (since ? ageOf(since) : '') },
    { title: 'VALUES', cell: ({ usage }) => (usage ? grouped(usage.values) : '') },
    {
      title: 'ONLINE',
      cell: ({ online }) => withKid(online?.text ?? '', online?.otherKid, short),
      paint: ({ online }, text) => paint(io, io.stdout, colourOf(online), text),
      prose: true,
    },
    { title: 'FILE', cell: ({ file }) => file ?? '', spare: true },
    { title: 'SOURCE', cell: ({ source }) => shortSource(source), only: 'narrow', spare: true },
    { title: 'SOURCE', cell: ({ source }) => source ?? '', only: 'wide' },
  ];
}

function colourOf(answer: Answer | undefined): Colour {
  if (answer?.error !== undefined) return 'red';
  return answer?.status === 'enabled' || answer?.status === 'found' ? 'green' : 'yellow';
}

/** A source without its middle: `gcpkms://…/hr/3` or `git+https://…#prod.pub`. */
function shortSource(source = ''): string {
  return source
    .replace(/^(gcpkms:\/\/).*\/cryptoKeys\//i, '$1…/')
    .replace('/cryptoKeyVersions/', '/')
    .replace(/^(git\+\w+:\/\/)[^#]*/i, '$1…');
}

const narrow = { prose: true, only: 'narrow' } as const;

function withKid(
  text: string,
  kid: string | undefined,
  shown: (kid: string) => string = String,
): string {
  return kid === undefined ? text : `${text}: ${shown(kid)}`;
}

export function configure(command: Command, io: IO): void {
  addKeyOptions(addTableOption(command))
    .option('--online', 'ask the source of each key whether the key can be used')
    .addOption(new Option('--json', 'print JSON').conflicts('output'))
    .action((flags: KeysFlags) => listKeys(io, flags));
}

async function listKeys(io: IO, flags: KeysFlags): Promise<void> {
  const config = configFor(io, flags, undefined);
  if (config === undefined) {
    throw new KsealError('CONFIG_INVALID', 'no .kseal.yaml here or above', {
      hint: 'kseal init',
    });
  }
  const statuses = await keyStatuses(config);
  const facts = await Promise.all(
    [...config.keys].map(async ([name, entry]): Promise<KeyFacts> => {
      const key = await factsOf(name, entry, config);
      return key.kid === undefined ? key : { ...key, state: statuses.of(key.kid).state };
    }),
  );
  const [count, answers] = await Promise.all([
    countValues(io, config),
    flags.online ? askSources(facts, config, keyContext(io, flags, config)) : [],
  ]);
  const sinceOf = commitsOf(io, config);
  const keys = facts.map(
    (key, at): ListedKey => ({
      ...key,
      since: key.file === undefined ? undefined : sinceOf.get(resolve(config.folder, key.file)),
      usage: key.kid === undefined ? undefined : count.usage && usageOf(count.usage, [key.kid]),
      online: answers[at],
    }),
  );
  if (flags.json) await writeStdout(io, jsonText({ keys: keys.map(asJson) }));
  else if (keys.length === 0) say(io, 'note', 'no keys are configured');
  else await writeStdout(io, tableOf(keys, columnsFor(io, keys), tableForm(io, flags)));
  const configured = new Set(statuses.kids);
  sayAll(io, 'warning', [
    ...count.unread,
    ...(count.usage ? remarks(keys, count.usage, configured, hintsFor(io, config, flags)) : []),
  ]);
  throwAll(keys.flatMap(({ online }) => online?.error ?? []));
}

function asJson({ otherKid, since, usage, online, ...key }: ListedKey) {
  const answer = online && {
    status: online.status,
    text: withKid(online.text, online.otherKid),
  };
  return {
    ...key,
    pin: withKid(key.pin, otherKid),
    since: since && dayOf(since),
    values: usage?.values,
    files: usage?.files.length,
    online: answer,
  };
}

async function factsOf(name: string, entry: ConfiguredKey, { folder }: Config): Promise<KeyFacts> {
  const { title, file, private: secret, source, kid: pin, state = 'active' } = entry;
  const facts = { name, title, state, file, source };
  if (file === undefined) {
    const kid = pin ?? (secret && (await kidOrError(readKeyFile(resolve(folder, secret), secret))));
    const pinned = pin === undefined ? 'not pinned' : 'pinned';
    // A private key may need a passphrase, which is not asked for here.
    return { ...facts, kid: kid instanceof KsealError ? undefined : kid, pin: pinned };
  }
  const kid = await kidOrError(publicKeyFromFile(resolve(folder, file), file));
  if (kid instanceof KsealError) return { ...facts, kid: pin, pin: kid.message };
  if (pin === undefined) return { ...facts, kid, pin: 'not pinned' };
  if (kid === pin) return { ...facts, kid, pin: 'pinned' };
  return { ...facts, kid: pin, pin: 'the file has another key', otherKid: kid };
}

async function kidOrError(reading: Promise<KeyFile>): Promise<string | KsealError> {
  try {
    return (await reading).kid;
  } catch (error) {
    return expected(error);
  }
}

/** The dates since which git has the key files as they are now, by absolute path; none without git. */
function commitsOf({ env }: IO, { folder, keys }: Config): ReadonlyMap<string, Date> {
  const top = folderWith('.git', folder);
  const files = [...keys.values()].flatMap(({ file }) => (file ? resolve(folder, file) : []));
  const found = top && ifReadable(() => committedSince({ folder: top, env }, files));
  return found || new Map();
}

type Usage = ReadonlyMap<string, KeyUsage>;

/** Counts the values of the repository by kid; `usage` is undefined if it cannot be searched. */
async function countValues(
  io: IO,
  { folder }: Config,
): Promise<{ readonly usage: Usage | undefined; readonly unread: readonly Message[] }> {
  const unread: Message[] = [];
  const note = (error: KsealError) => {
    const { message, hint } = error;
    unread.push(warning({ message: `values not counted: ${message}`, hint }));
  };
  async function* texts(): AsyncGenerator<NamedText> {
    const found = textsInRepository(io.cwd, folder);
    for await (const text of withProgress(io, 'searched', found, ({ left }) => left)) {
      if (text.content instanceof KsealError) note(text.content);
      yield text;
    }
  }
  try {
    return { usage: await keyUsage(texts()), unread };
  } catch (error) {
    note(expected(error));
    return { usage: undefined, unread };
  }
}

/** The values that are sealed to any of these keys. */
function usageOf(usage: Usage, kids: readonly string[]): KeyUsage {
  const found = kids.flatMap((kid) => usage.get(kid) ?? []);
  return {
    values: found.reduce((sum, { values }) => sum + values, 0),
    files: [...new Set(found.flatMap(({ files }) => files))],
  };
}

/** The commands for hints, with the same configuration. */
interface Hints {
  readonly byKey: string;
  /** Undefined without another branch. */
  readonly branches: string | undefined;
  readonly rekey: (moved: RekeyArguments, state: KeyState) => string;
  /** The name of the key for a file. */
  readonly ruled: (path: string) => string | undefined;
  /** Whether the configuration is the one for a file. */
  readonly isFor: (path: string) => boolean;
}

function hintsFor(io: IO, config: Config, flags: KeysFlags): Hints {
  const options = { '--config': flags.config };
  const isNamed = Boolean(flags.config ?? io.env.KSEAL_CONFIG);
  return {
    byKey: `${commandLine('kseal inspect --by-key', options)} ${shellWord(repositoryAround(io.cwd, config.folder))}`,
    branches: branchesHint(io, config.folder, flags),
    rekey: ({ paths, from, to }, state) =>
      commandLine(`kseal rekey ${paths.map(shellWord).join(' ')}`, {
        ...{ '--from': from, '--to': to, ...options, '--kms-endpoint': flags.kmsEndpoint },
        '--allow-revoked': state === 'revoked',
      }),
    ruled: (path) => ruleFor(config, resolve(io.cwd, path))?.key,
    isFor: (path) =>
      isNamed || folderWith(CONFIG_NAME, dirname(resolve(io.cwd, path))) === config.folder,
  };
}

/** Values that need attention, one message for each kind. */
function remarks(
  keys: readonly ListedKey[],
  usage: Usage,
  configured: ReadonlySet<string>,
  { byKey, branches, rekey, ruled, isFor }: Hints,
): readonly Message[] {
  const messages: Message[] = [];
  const add = (subject: string, kids: readonly string[], hint: string) => {
    const { values, files } = usageOf(usage, kids);
    const amount = `${counted(values, 'value')} in ${counted(files.length, 'file')}`;
    if (values > 0) messages.push(warning({ message: `${subject}: ${amount}`, hint }));
  };
  // Values below another configuration may be sealed to its keys.
  const own = [...usage].filter(([, { files }]) => files.some(isFor)).map(([kid]) => kid);
  const unknown = own.filter((kid) => kid !== '' && !configured.has(kid));
  add('sealed to keys that are not configured', unknown, byKey);
  add('sealed without the name of a key', [''], byKey);
  const active = keys.filter(({ state, file }) => state === 'active' && file !== undefined);
  for (const state of ['revoked', 'deprecated'] as const) {
    const old = keys.filter((key) => key.state === state && (key.usage?.values ?? 0) > 0);
    const hint = rekey(rekeyArguments(usage, old, active, ruled), state);
    const kids = new Set(old.flatMap(({ kid }) => kid ?? []));
    add(`sealed to ${state} keys (${listOf(old.map(({ name }) => name))})`, [...kids], hint);
  }
  const unused = keys.filter(({ state, usage }) => state === 'deprecated' && usage?.values === 0);
  if (unused.length > 0 && branches !== undefined) {
    const names = listOf(unused.map(({ name }) => name));
    const text = `no value in the working tree is sealed to ${names}, but other branches may have some`;
    messages.push({ kind: 'note', text, hint: branches });
  }
  return messages;
}

/** Asks the remote source of each key, in the order of `keys`. Rejects with USAGE. */
function askSources(
  keys: readonly KeyFacts[],
  config: Config,
  context: KeyContext,
): Promise<readonly (Answer | undefined)[]> {
  let turn: Promise<unknown> = Promise.resolve();
  return Promise.all(
    keys.map((key) => {
      const { source } = key;
      if (source === undefined) return undefined;
      const ask = () => answerOf({ ...key, source }, config, context);
      if (isKms(source)) return ask();
      // Git may ask for a password, so only one runs at a time.
      const answer = turn.then(ask);
      turn = answer;
      return answer;
    }),
  );
}

function isKms(source: string): boolean {
  return /^gcpkms:/i.test(source);
}

async function answerOf(
  key: KeyFacts & { readonly source: string },
  config: Config,
  context: KeyContext,
): Promise<Answer | undefined> {
  const isRevoked = key.state === 'revoked';
  try {
    if (parseReference(key.source).kind !== 'remote') return undefined;
    const { kids, ...answer } = await lookUp(key.source, config, context);
    const [found = ''] = kids;
    if (key.kid === undefined || kids.includes(key.kid)) return answer;
    const error = isRevoked ? undefined : otherKey(key.name, key.kid, found);
    return { status: 'KEY_MISMATCH', text: 'another key', otherKid: found, error };
  } catch (thrown) {
    const error = expected(thrown);
    const { code, problem } = error;
    // A malformed option is about no key.
    if (code === 'USAGE') throw error;
    return { status: code, text: problems[code] ?? problem, error: isRevoked ? undefined : error };
  }
}

/** Short forms of problems that fill a table, or that do not say what they are about. */
const problems: Readonly<Partial<Record<ErrorCode, string>>> = {
  KEY_DENIED: 'access denied',
  KEY_CREDENTIALS: 'no valid credentials',
};

/** The kids of a source, and its status. A key in a KMS without a version has several. */
async function lookUp(
  source: string,
  { folder }: Config,
  context: KeyContext,
): Promise<Answer & { readonly kids: readonly string[] }> {
  const { kid, origin } = await fetchKey(source, folder, context);
  if (!isKms(source)) return { status: 'found', text: 'found', kids: [kid] };
  if (parseKmsReference(source).isVersion)
    return { status: 'enabled', text: 'enabled', kids: [kid] };
  const { fetchOpeningKeys } = await openingProvider(source);
  const kids = (await fetchOpeningKeys(source, context)).map((key) => key.kid);
  const more = kids.length > 1 ? ` and ${kids.length - 1} more` : '';
  return { status: 'enabled', text: `enabled: version ${versionNumber(origin)}${more}`, kids };
}

function otherKey(name: string, kid: string, found: string): KsealError {
  return new KsealError('KEY_MISMATCH', 'its source has another key', {
    thing: `key ${name}`,
    hint: 'do not seal to it; ask the KMS manager which of them is right',
    fingerprints: [
      ['configured', describeKid(kid)],
      ['in the source', describeKid(found)],
    ],
  });
}
