import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import {
  CONFIG_NAME,
  type Config,
  type ConfiguredKey,
  fileReference,
  findConfig,
  type PathRule,
  parseConfig,
  parseReference,
  ruleFor,
} from '../config/config.ts';
import { configWith, problemWith, SCHEMA_PATH, withEntry } from '../config/write.ts';
import { compareText } from '../diagnostic.ts';
import { expected, KsealError } from '../errors.ts';
import {
  folderWith,
  isFile,
  MAX_MANIFEST,
  readFile,
  readIfThere,
  readRegularFile,
  statOf,
} from '../fs/read.ts';
import { replaceFiles } from '../fs/write.ts';
import { gitFiles, type LocalGit, repositoryOf, settingOf } from '../git/local.ts';
import { diffDriver, HOOK, hookPlace } from '../git/setup.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import { type KeyFile, publicKeyFromFile, publicKeyText } from '../keys/key-file.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { knownKeysPath, rememberKey } from '../keys/known-keys.ts';
import { checkPin, configuredKey, fetchKey } from '../keys/resolve.ts';
import { isNamespace } from '../kubernetes/secret.ts';
import { entryNamed, nameOf } from '../manifest/nodes.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import { manifestsIn } from '../sources/texts.ts';
import { decodeUtf8, shellWord } from '../text.ts';
import { ifReadable, repeated } from './files.ts';
import type { IO } from './io.ts';
import { makeKeyPair } from './keygen.ts';
import {
  addKeyOptions,
  commandLine,
  type KeyFlags,
  keyContext,
  keyFileNear,
  warnAboutKey,
} from './options.ts';
import { say, sayFingerprint, warn } from './print.ts';
import {
  askPath,
  askText,
  askYesNo,
  type Choice,
  canAsk,
  choose,
  search,
  showError,
  showOnTerminal,
} from './prompt.ts';
import { pinOf } from './sealing-key.ts';

interface InitFlags extends KeyFlags {
  readonly key?: string;
  readonly practice?: boolean;
  readonly name?: string;
  readonly title?: string;
  readonly pin?: string;
  readonly rule: readonly string[];
  readonly namespace?: string;
  readonly preCommit?: boolean;
  readonly diff?: boolean;
  readonly ignorePem?: boolean;
  readonly yes?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .option('-k, --key <ref>', "the public key: a file, 'gcpkms://…' or 'git+…'")
    .option('--practice', 'make a key pair to practise with, in keys/')
    .option('--name <name>', 'the name of the key, such as prod')
    .option('--title <title>', 'a title of the key for people')
    .option('--pin <kid>', 'the fingerprint that the key must have')
    .option('--rule <glob>', 'files that are sealed with this key', repeated, none)
    .option('-n, --namespace <namespace>', 'the namespace of the files of --rule')
    .option('--pre-commit', 'add a hook that refuses a commit with plaintext')
    .option('--diff', 'let git diff describe sealed values')
    .option('--ignore-pem', 'let git ignore private keys (*.pem)')
    .option('-y, --yes', 'ask nothing, and write what the options say');
  addKeyOptions(command).action((flags: InitFlags) => init(io, flags));
}

/** The command line with these options. */
function commandWith(flags: Partial<InitFlags>): string {
  return commandLine('kseal init', {
    '-k': flags.key,
    '--practice': flags.practice,
    '--name': flags.name,
    '--title': flags.title,
    '--pin': flags.pin,
    '--rule': flags.rule,
    '-n': flags.namespace,
    '--pre-commit': flags.preCommit,
    '--diff': flags.diff,
    '--ignore-pem': flags.ignorePem,
    '--config': flags.config,
    '--kms-endpoint': flags.kmsEndpoint,
    '--verify-signature': flags.verifySignature,
    '--yes': flags.yes,
  });
}

/** The folder and its files before anything is planned. */
interface Place {
  readonly io: IO;
  readonly flags: InitFlags;
  /** Whether questions are asked. */
  readonly asks: boolean;
  /** The configuration file, its path in messages, and its folder. */
  readonly path: string;
  readonly shown: string;
  readonly folder: string;
  readonly bytes: Buffer | undefined;
  readonly config: Config | undefined;
  /** The top of the working tree; undefined outside of a repository. */
  readonly top: string | undefined;
}

/** A file that is created or extended. */
interface Change {
  readonly path: string;
  readonly before: Buffer | undefined;
  readonly after: Buffer;
  /** Shown in place of the lines of a key file. */
  readonly summary?: string;
  readonly confidential?: boolean;
  readonly executable?: boolean;
  /** The option that repeats it in another clone, if no commit can contain it. */
  readonly again?: string;
  /** A further step, printed as a hint. */
  readonly next?: string;
}

/** The files to write, and the reasons why some are not written. */
interface Plan {
  readonly changes: readonly Change[];
  readonly obstacles: readonly KsealError[];
  readonly found?: FoundKey | undefined;
}

async function init(io: IO, flags: InitFlags): Promise<void> {
  const place = placeFor(io, flags);
  checkFlags(place);
  checkRules(place);
  const plan = await planFor(place);
  for (const { message, hint } of plan.obstacles) warn(io, { message, hint });
  if (plan.changes.length === 0) return say(io, 'note', `${place.shown}: nothing to do`);
  if (place.asks) {
    showOnTerminal(io, screenOf(place, plan));
    if (!(await askYesNo(io, 'Write it?', true))) return say(io, 'note', 'nothing was written');
  }
  await write(place, plan);
}

function placeFor(io: IO, flags: InitFlags): Place {
  const { cwd } = io;
  const top = folderWith('.git', cwd);
  const named = flags.config ?? io.env.KSEAL_CONFIG;
  const found = named ? undefined : findConfig(cwd, undefined)(cwd);
  const path = named ? resolve(cwd, named) : join(found?.folder ?? top ?? cwd, CONFIG_NAME);
  const [shown, folder] = [relative(cwd, path), dirname(path)];
  const bytes = readIfThere(path, shown);
  const config = bytes && parseConfig(bytes, shown, folder);
  const asks = !flags.yes && canAsk(io);
  return { io, flags, asks, path, shown, folder, bytes, config, top };
}

/** Whether a key is added, or the rules of one. */
function concernsKey({ key, practice, name, title, pin, rule, namespace }: InitFlags): boolean {
  return [key, practice, name, title, pin, rule[0], namespace].some((one) => one !== undefined);
}

/** Throws USAGE for options that contradict each other, and one error for all that are missing. */
function checkFlags({ io, asks, flags, config, top }: Place): void {
  const { key, practice, name, title, rule, namespace } = flags;
  const refuse = (problem: string, hint: string) => new KsealError('USAGE', problem, { hint });
  if (key !== undefined && practice)
    throw refuse('-k and --practice are mutually exclusive', 'omit one of them');
  const withGit = extras.filter(({ option }) => flags[option]).map(({ flag }) => flag);
  if (top === undefined && withGit.length > 0)
    throw refuse(`not in a git repository, which ${withGit.join(', ')} needs`, 'git init');
  if (name !== undefined) refuseInvalid('--name', problemWith({ key: [name, {}] }));
  if (title !== undefined) refuseInvalid('--title', problemWith({ key: ['a', { title }] }));
  for (const path of rule) refuseInvalid('--rule', problemWith({ rules: [{ path }] }));
  if (namespace !== undefined)
    refuseInvalid('-n', problemWith({ rules: [{ path: 'a', namespace }] }));
  const needsKey = concernsKey(flags) || (config?.keys.size ?? 0) === 0;
  const missing: [string, Partial<InitFlags>][] = [];
  if (!asks && needsKey && key === undefined && !practice)
    missing.push([
      '-k, the public key (or --practice, to make a key pair)',
      { key: keyFileNear(io, 'public') },
    ]);
  if (!asks && key !== undefined && name === undefined && !nameFor(key))
    missing.push(['--name, the name of the key', { name: 'prod' }]);
  if (!asks && namespace !== undefined && rule.length === 0)
    missing.push(['--rule, the files in the namespace', { rule: ['**'] }]);
  if (missing.length === 0) return;
  const all = Object.assign({}, flags, ...missing.map(([, added]) => added));
  throw refuse(`missing ${missing.map(([words]) => words).join('; ')}`, commandWith(all));
}

function refuseInvalid(thing: string, error: KsealError | undefined): void {
  if (error !== undefined)
    throw new KsealError('USAGE', error.problem, { thing, hint: error.hint });
}

/** Throws USAGE for the first glob of --rule that matches no file that anybody can mean. */
function checkRules({ flags, folder, shown }: Place): void {
  const meant = flags.rule.map((glob) => globMeant(glob, folder));
  const at = meant.findIndex((glob, index) => glob !== flags.rule[index]);
  if (at < 0) return;
  const thing = `--rule ${shellWord(flags.rule[at] ?? '')}`;
  if (meant[at] !== undefined)
    throw new KsealError('USAGE', 'is a folder, and matches no file in it', {
      thing,
      hint: commandWith({
        ...flags,
        rule: meant.map((glob, index) => glob ?? flags.rule[index] ?? ''),
      }),
    });
  throw new KsealError('USAGE', `starts outside of the folder of ${shown}`, {
    thing,
    hint: 'name files relative to that folder, such as clusters/prod/**',
  });
}

/** The glob for the files in a folder, if it is the name of one; undefined if it never matches. */
function globMeant(glob: string, folder: string): string | undefined {
  if (/^(?:\/|\.\.(?:\/|$))/.test(glob)) return undefined;
  const isFolder = statOf(join(folder, glob))?.isDirectory() ?? false;
  return isFolder || glob.endsWith('/') ? `${glob.replace(/\/+$/, '')}/**` : glob;
}

async function planFor(place: Place): Promise<Plan> {
  const { io, flags, asks, config, shown, top } = place;
  const hasKeys = config !== undefined && config.keys.size > 0;
  const names = [...(config?.keys.keys() ?? [])].join(', ');
  const keys = config?.keys.size === 1 ? 'key' : 'keys';
  const addsKey =
    concernsKey(flags) ||
    !hasKeys ||
    (asks && (await askYesNo(io, `${shown} has the ${keys} ${names}. Add another one?`, false)));
  const found = addsKey ? await keyFor(place) : undefined;
  const rules = found === undefined ? [] : await rulesFor(place, found);
  const added = { key: found?.isKnown ? undefined : found?.entry, rules };
  const changes = [...(found?.files ?? [])];
  if (added.key !== undefined || rules.length > 0) {
    const schema = isFile(join(place.folder, SCHEMA_PATH)) ? SCHEMA_PATH : undefined;
    const after = configWith(place.bytes?.toString(), { ...added, schema }, shown, place.folder);
    changes.push({ path: place.path, before: place.bytes, after: Buffer.from(after) });
  }
  if (top === undefined) {
    say(io, 'note', 'not in a git repository: to add hooks, run kseal init again after git init');
    return { changes, obstacles: [], found };
  }
  const more = await extrasFor(place, top, found?.entry[1].private !== undefined);
  return { changes: [...changes, ...more.changes], obstacles: more.obstacles, found };
}

/** The key that the rules name. */
interface FoundKey {
  readonly entry: readonly [name: string, key: ConfiguredKey];
  /** Whether the configuration has it already. */
  readonly isKnown: boolean;
  readonly files: readonly Change[];
  /** The file of the user that the configuration names. */
  readonly own?: string | undefined;
  /** Whether the user made the key here or confirmed its fingerprint, so that seal need not ask. */
  readonly isConfirmed?: boolean;
}

/** A public key, and where it comes from. */
interface Candidate extends Pick<KeyFile, 'key' | 'kid' | 'bits' | 'validity'> {
  /** The reference of the user. */
  readonly from: string;
  /** The absolute path of a local file. */
  readonly path?: string;
  /** The exact remote source. */
  readonly source?: string;
  /** The private key of a pair that was made here. */
  readonly pem?: string;
}

const PRACTICE = 'practice';
/** Long enough for no warning, and generated while somebody waits. */
const PRACTICE_BITS = 3072;

async function keyFor(place: Place): Promise<FoundKey> {
  const { io, flags, asks, config } = place;
  const practised = config?.keys.get(flags.name ?? PRACTICE);
  if (flags.practice && practised?.private !== undefined)
    return knownKey(place, '--practice', [flags.name ?? PRACTICE]);
  if (flags.key !== undefined && parseReference(flags.key).kind === 'name') {
    const { kid } = configuredKey(flags.key, config).entry;
    if (kid !== undefined) checkPin(kid, pinOf(flags.pin), `key ${flags.key}`);
    return knownKey(place, '-k', [flags.key]);
  }
  const candidate =
    flags.key === undefined && !flags.practice
      ? await askKey(place)
      : await candidateFor(place, flags.key);
  const { kid, from, bits, pem } = candidate;
  checkPin(kid, pinOf(flags.pin), from);
  const known = config === undefined ? [] : (await keyStatuses(config)).of(kid).names;
  if (known.length > 0) return knownKey(place, from, known);
  warnAboutKey(io, candidate, from);
  if (asks) await confirmKey(place, candidate);
  else if (pem === undefined) {
    say(io, 'note', `${from}: RSA-${bits}`);
    sayFingerprint(io, describeKid(kid));
  }
  const name = await nameOfKey(place, candidate);
  const title = flags.title ?? (asks ? await askTitle(io, pem !== undefined) : undefined);
  const isAsked = asks && !isFromKms(candidate);
  const isConfirmed = isAsked || pem !== undefined || flags.pin !== undefined;
  const key = await newKey(place, candidate, name, title || undefined);
  return { ...key, isKnown: false, isConfirmed };
}

/** A token or password in the address of a repository; a user name of SSH is not secret. */
const credentials = /^git\+(?:https?:\/\/[^/]*@|ssh:\/\/[^/]*:[^/]*@)/i;

function withCredentials(flags: InitFlags, reference: string): KsealError {
  const key = reference.replace(/:\/\/[^/]*@/, '://');
  return new KsealError('USAGE', `would be written to ${CONFIG_NAME} with its credentials`, {
    thing: key,
    hint: `let git ask for them or store them: ${commandWith({ ...flags, key })}`,
  });
}

/** Gets the key of a reference, or makes a pair without one. */
async function candidateFor(place: Place, reference: string | undefined): Promise<Candidate> {
  const { io, flags, config } = place;
  if (reference === undefined) {
    const { publicKey, pem, kid } = await makeKeyPair(PRACTICE_BITS);
    return { key: publicKey, kid, bits: PRACTICE_BITS, pem, from: PRACTICE };
  }
  const context = keyContext(io, flags, config);
  const parsed = parseReference(reference);
  if (parsed.kind === 'remote') {
    if (credentials.test(reference)) throw withCredentials(flags, reference);
    const key = await fetchKey(reference, io.cwd, context);
    for (const [fact, value] of key.facts) say(io, 'note', `${fact}: ${value}`);
    // The exact version of a key in a KMS; another version would have another fingerprint.
    const source = parsed.scheme === 'gcpkms' ? `gcpkms://${key.origin}` : reference;
    return { ...key, from: reference, source };
  }
  const path = resolve(io.cwd, reference);
  return { ...(await publicKeyFromFile(path, reference, readFile)), from: reference, path };
}

/** The key under a name that the configuration has for it. Throws USAGE for another name or title. */
function knownKey({ flags, config, shown }: Place, from: string, names: readonly string[]) {
  const name = names.find((one) => one === flags.name) ?? names[0] ?? '';
  const entry = config?.keys.get(name) ?? {};
  const refuse = (problem: string, hint: string) =>
    new KsealError('USAGE', problem, { thing: from, hint });
  if (flags.name !== undefined && flags.name !== name)
    throw refuse(`is key ${name} in ${shown} already`, 'omit --name, or edit the file');
  if (flags.title !== undefined && flags.title !== entry.title)
    throw refuse(`key ${name} in ${shown} has another title`, 'omit --title, or edit the file');
  return { entry: [name, entry] as const, isKnown: true, files: [] };
}

/** A name for the key of a reference: `prod` for keys/prod.pub. Empty if it offers none. */
function nameFor(reference: string): string {
  const [, cryptoKey] = /\/cryptoKeys\/([^/]+)/.exec(reference) ?? [];
  const file = basename(reference.replace(/^.*#/, '')).replace(
    /\.(?:pub|pem|crt|cer|jwk|json)$/,
    '',
  );
  return (cryptoKey ?? file).replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');
}

async function nameOfKey({ io, flags, asks, config }: Place, { from }: Candidate): Promise<string> {
  const taken = (name: string) => config?.keys.has(name) ?? false;
  const wanted = flags.name ?? nameFor(from);
  let free = wanted;
  for (let count = 2; taken(free); count++) free = `${wanted}-${count}`;
  if (flags.name === undefined && asks) {
    const check = (name: string) =>
      taken(name) ? 'another key has this name' : problemWith({ key: [name, {}] })?.problem;
    return (await askText(io, 'What is the key called?', { preset: free, check })) ?? '';
  }
  if (!taken(wanted)) return wanted;
  throw new KsealError('KEY_MISMATCH', `has another key named ${wanted}`, {
    thing: config?.path,
    hint: commandWith({ ...flags, name: free }),
  });
}

async function askTitle(io: IO, isPractice: boolean): Promise<string | undefined> {
  const check = (title: string) =>
    title === '' ? undefined : problemWith({ key: ['a', { title }] })?.problem;
  const preset = isPractice ? 'Practice only' : '';
  return askText(io, 'What is its title, such as Production HR? (may be empty)', {
    preset,
    check,
  });
}

/** The entry of a new key, and its files. A key file outside of the folder is copied into it. */
async function newKey(
  place: Place,
  { key, kid, bits, path, source, pem }: Candidate,
  name: string,
  title: string | undefined,
): Promise<Pick<FoundKey, 'entry' | 'files' | 'own'>> {
  const own = path && relative(place.folder, path).split(sep).join('/');
  // The name of a private key, which git may ignore.
  const isInside = own && !/^\.\.(?:\/|$)|\.pem$/.test(own) && !isAbsolute(own);
  const file = isInside ? own : `keys/${name}.pub`;
  const privateFile = `keys/${name}.pem`;
  const files: Change[] = [];
  const create = (name: string, text: string, summary: string, confidential: boolean) => {
    const change = { path: join(place.folder, name), before: undefined, summary, confidential };
    files.push({ ...change, after: Buffer.from(text) });
  };
  if (pem !== undefined) {
    for (const made of [file, privateFile]) refuseTaken(place, made, name);
    create(privateFile, pem, 'the private key, for practice only', true);
  }
  if (!isInside && !(await hasKey(place, file, kid, name)))
    create(file, publicKeyText({ key, kid }, 'pem'), `the public key, RSA-${bits}`, false);
  const entry = {
    ...(title === undefined ? {} : { title }),
    file,
    ...(source === undefined ? {} : { source }),
    ...(pem === undefined ? {} : { private: privateFile }),
    kid,
  };
  return { entry: [name, entry], files, own: isInside ? path : undefined };
}

function refuseTaken({ io, folder, flags }: Place, file: string, name: string): void {
  const path = join(folder, file);
  if (!existsSync(path)) return;
  throw new KsealError('OUTPUT_EXISTS', 'already exists, and keys are never overwritten', {
    thing: relative(io.cwd, path),
    hint: commandWith({ ...flags, name: `${name}-2` }),
  });
}

/** Whether a file has the key. Throws KEY_MISMATCH if it has another one. */
async function hasKey({ io, folder, flags }: Place, file: string, kid: string, name: string) {
  const path = join(folder, file);
  if (!existsSync(path)) return false;
  const shown = relative(io.cwd, path);
  const held = await publicKeyFromFile(path, shown);
  if (held.kid === kid) return true;
  throw new KsealError('KEY_MISMATCH', 'has another key', {
    thing: shown,
    hint: commandWith({ ...flags, name: `${name}-2` }),
    fingerprints: [
      ['in the file', describeKid(held.kid)],
      ['given', describeKid(kid)],
    ],
  });
}

type Source =
  | { readonly kind: 'file' | 'kms' | 'git' | 'practice' }
  | { readonly kind: 'found'; readonly path: string };

/** Asks for a key until there is one. Throws INTERRUPTED. */
async function askKey(place: Place): Promise<Candidate> {
  const { io } = place;
  const found = await publicKeysIn(place);
  const choices: readonly Choice<Source>[] = [
    ...found.map(({ path, kid }) => ({
      value: { kind: 'found' as const, path },
      label: path,
      detail: describeKid(kid),
    })),
    { value: { kind: 'file' }, label: 'A public key file that I received' },
    { value: { kind: 'kms' }, label: 'Google Cloud KMS' },
    { value: { kind: 'git' }, label: 'Another Git repository' },
    {
      value: { kind: 'practice' },
      label: 'Make a practice key here',
      detail: 'Its private key is a file on this computer, so it does not protect real values.',
    },
  ];
  const preset = choices[found.length > 0 ? 0 : choices.length - 1]?.value;
  for (;;) {
    try {
      const source = await choose(io, 'Where does the public key come from?', choices, preset);
      return await candidateFor(place, source && (await askReference(io, source)));
    } catch (thrown) {
      const error = expected(thrown);
      if (error.code === 'INTERRUPTED') throw thrown;
      showError(io, error);
    }
  }
}

async function askReference(io: IO, source: Source): Promise<string | undefined> {
  if (source.kind === 'found') return source.path;
  if (source.kind === 'file')
    return fileReference(
      (await askPath(io, 'Which file is the public key in, such as prod.pub?')) ?? '',
    );
  if (source.kind === 'kms') {
    const name = await askText(
      io,
      'What is its name? (projects/…/locations/…/keyRings/…/cryptoKeys/…)',
    );
    return `gcpkms://${name?.replace(/^gcpkms:\/\/|^.*?(?=projects\/)/, '')}`;
  }
  if (source.kind === 'git')
    return askText(io, 'What is its address? (git+https://HOST/KEYS.git?ref=main#keys/prod.pub)');
  return undefined;
}

/** The public keys in the usual places that are not configured yet; paths are relative to `cwd`. */
async function publicKeysIn({ io, folder, config }: Place) {
  const known = config && (await keyStatuses(config));
  const keys = new Map<string, string>();
  for (const place of [join(folder, 'keys'), folder, io.cwd]) {
    for (const name of existsSync(place) ? readdirSync(place).sort() : []) {
      if (!name.endsWith('.pub')) continue;
      const path = fileReference(relative(io.cwd, join(place, name)));
      try {
        const { kid } = await publicKeyFromFile(join(place, name), path);
        if (!keys.has(kid) && !known?.of(kid).names.length) keys.set(kid, path);
      } catch (thrown) {
        // A key of SSH, for instance.
        expected(thrown);
      }
    }
  }
  return [...keys].map(([kid, path]) => ({ kid, path }));
}

/** Shows the fingerprint, and asks whether it is right unless the key comes from its KMS directly. */
async function confirmKey({ io, flags }: Place, candidate: Candidate) {
  const { kid, from, pem } = candidate;
  if (pem !== undefined) return;
  const fingerprint = `The fingerprint of ${from} is\n${describeKid(kid).replace(' (', '\n(')}`;
  if (flags.pin !== undefined || isFromKms(candidate)) return showOnTerminal(io, fingerprint);
  const question = `${fingerprint}\nIs this the fingerprint that you got from the KMS manager?`;
  // Enter means no, as in seal: a fingerprint has to be compared.
  if (await askYesNo(io, question)) return;
  throw new KsealError('KEY_MISMATCH', 'not confirmed', {
    thing: from,
    hint: 'get the key and its fingerprint from the KMS manager again',
  });
}

function isFromKms({ source }: Candidate): boolean {
  return source?.startsWith('gcpkms:') ?? false;
}

/** The new rules for a key. Throws USAGE for one that would never apply. */
async function rulesFor(place: Place, { entry: [key], isKnown }: FoundKey) {
  const { flags, asks, config, folder, shown } = place;
  const namespace = flags.namespace === undefined ? {} : { namespace: flags.namespace };
  const wanted: PathRule[] = flags.rule.map((path) => ({ path, key, ...namespace }));
  if (asks && flags.rule.length === 0 && !isKnown) {
    const all = flags.namespace === undefined ? undefined : { path: '**' };
    const { path, ...rest } = (await askRule(place, key)) ?? all ?? {};
    if (path !== undefined) wanted.push({ path, key, ...rest, ...namespace });
  }
  const isThere = (rule: PathRule) =>
    config?.rules.some((old) => {
      const { path, namespace = old.namespace } = rule;
      return old.path === path && old.key === key && old.namespace === namespace;
    });
  const added = wanted.filter((rule) => !isThere(rule));
  for (const { path } of added) {
    const earlier = config && ruleFor(config, resolve(folder, sampleOf(path)));
    if (earlier === undefined) continue;
    throw new KsealError('USAGE', `the rule for ${earlier.path} already applies to ${path}`, {
      thing: shown,
      hint: 'add the rule by hand, above that one',
    });
  }
  return added;
}

/** A path that a glob probably matches. */
function sampleOf(glob: string): string {
  return glob.replace(/\*+/g, 'x');
}

/** The files that a rule is for; undefined for all, without a rule. */
type Files = Omit<PathRule, 'key'> | undefined;

/** Offers the folders with manifests, first the one that has the name of the key. */
async function askRule(place: Place, key: string): Promise<Files> {
  const folders = foldersOf(place);
  const all: Choice<Files> = { value: undefined, label: 'All files, without a rule' };
  const [own, others] = [true, false].map((isOwn) =>
    folders.filter(({ value }) => value?.path.endsWith(`/${key}/**`) === isOwn),
  ) as [Choice<Files>[], Choice<Files>[]];
  const offered = [...own, all, ...others];
  const source = (typed: string): readonly Choice<Files>[] => {
    const fits = offered.filter(({ label }) => label.toLowerCase().includes(typed.toLowerCase()));
    const isGlob = typed !== '' && !fits.some(({ label }) => label === typed);
    return isGlob ? [...fits, { value: { path: typed }, label: typed }] : fits;
  };
  const check = (files: Files) => {
    if (files === undefined) return undefined;
    const meant = globMeant(files.path, place.folder);
    if (meant === undefined) return `starts outside of the folder of ${place.shown}`;
    if (meant !== files.path) return `is a folder; for the files in it, type ${meant}`;
    return problemWith({ rules: [files] })?.problem;
  };
  return search(place.io, 'Which files are sealed with this key?', source, check);
}

const MAX_SCANNED = 500;

/** The folders with manifests, each with the namespace that all of its manifests share. */
function foldersOf({ folder, config }: Place): readonly Choice<Files>[] {
  const namespaces = new Map<string, Set<string>>();
  // These files only serve an offer.
  const paths = ifReadable(() => manifestsIn(folder, '')) ?? [];
  for (const path of paths.slice(0, MAX_SCANNED)) {
    const found = ifReadable(() => namespacesIn(join(folder, path), path)) ?? [];
    for (let at = dirname(path); at !== '.'; at = dirname(at)) {
      if (at.split(sep).some((part) => part.startsWith('.'))) continue;
      const known = namespaces.get(at) ?? new Set();
      for (const namespace of found) known.add(namespace);
      namespaces.set(at, known);
    }
  }
  return [...namespaces]
    .sort(([a], [b]) => compareText(a, b))
    .map(([path, found]) => [`${path.split(sep).join('/')}/**`, [...found]] as const)
    .filter(([path]) => !(config && ruleFor(config, resolve(folder, sampleOf(path)))))
    .filter(([path]) => problemWith({ rules: [{ path }] }) === undefined)
    .map(([path, [namespace, second]]) =>
      namespace === undefined || second !== undefined
        ? { value: { path }, label: path }
        : { value: { path, namespace }, label: path, detail: `namespace ${namespace}` },
    );
}

/** The namespaces that the objects of a manifest name, or that its kustomization gives them. */
function namespacesIn(path: string, shown: string): readonly string[] {
  const bytes = readRegularFile(path, shown, MAX_MANIFEST);
  return readManifest(decodeManifest(bytes, shown), shown).roots.flatMap((root) => {
    if (root.kind !== 'map') return [];
    const field = (name: string) => entryNamed(root, name)?.value;
    const [kind, metadata] = [field('kind'), field('metadata')];
    const isKustomization = kind !== undefined && nameOf(kind) === 'Kustomization';
    const node =
      (metadata?.kind === 'map' && entryNamed(metadata, 'namespace')?.value) ||
      (isKustomization && field('namespace'));
    const name = node ? nameOf(node) : undefined;
    return name !== undefined && isNamespace(name) ? [name] : [];
  });
}

/** Something besides the configuration that can be set up in a repository. */
interface Extra {
  readonly option: 'preCommit' | 'diff' | 'ignorePem';
  readonly flag: string;
  readonly question: string;
  /** Returns what is missing for it. Throws if a program must not add it to what is there. */
  readonly missing: (git: LocalGit, shownOf: (path: string) => string) => readonly Change[];
}

const extras: readonly Extra[] = [
  {
    option: 'preCommit',
    flag: '--pre-commit',
    question: 'Check every commit for plaintext, with a git hook?',
    missing: missingHook,
  },
  {
    option: 'diff',
    flag: '--diff',
    question: 'Describe sealed values in git diff?',
    missing: missingDiff,
  },
  {
    option: 'ignorePem',
    flag: '--ignore-pem',
    question: 'Let git ignore private keys (*.pem)?',
    missing: ({ folder }, shownOf) =>
      missingLines(join(folder, '.gitignore'), shownOf, ['*.pem'], /^(?:\*\*\/)?\*\.pem\s*$/m),
  },
];

/** Plans the extras that are named by an option or wanted by the user. */
async function extrasFor(
  { io, flags, asks }: Place,
  top: string,
  hasPrivateKey: boolean,
): Promise<Plan> {
  const git = { folder: top, env: io.env };
  const changes: Change[] = [];
  const obstacles: KsealError[] = [];
  for (const { option, question, missing } of extras) {
    const isNamed = flags[option] || (option === 'ignorePem' && hasPrivateKey);
    if (!isNamed && !asks) continue;
    try {
      const added = missing(git, (path) => relative(io.cwd, path));
      const isWanted = isNamed || (added.length > 0 && (await askYesNo(io, question, true)));
      if (isWanted) changes.push(...added);
    } catch (thrown) {
      const error = expected(thrown);
      if (isNamed || error.code === 'INTERRUPTED') throw thrown;
      obstacles.push(error);
    }
  }
  return { changes, obstacles };
}

/** The hook of pre-commit, as in .pre-commit-hooks.yaml, but with the kseal that is installed. */
const preCommitHook = [
  '- repo: local',
  '  hooks:',
  '    - id: kseal-verify',
  '      name: kseal verify',
  '      entry: kseal verify --',
  '      language: system',
  '      files: (\\.(ya?ml|YA?ML|json|JSON|pem|key|p8|pkcs8|jwks?|ppk|asc|agekey)|(^|/)(id_(rsa|dsa|ecdsa|ed25519)(_sk)?|keys?\\.txt))$',
];

function missingHook(git: LocalGit, shownOf: (path: string) => string): readonly Change[] {
  const { kind, path, bytes: before, runsKseal, isShared } = hookPlace(git, shownOf);
  if (isShared) {
    throw new KsealError('IO', 'points to hooks outside of this repository', {
      thing: 'core.hooksPath',
      hint: `add this line to the pre-commit hook there: ${HOOK} || exit 1`,
    });
  }
  if (runsKseal) return [];
  if (kind === 'pre-commit') {
    const text = decodeUtf8(before ?? new Uint8Array());
    const after = text && withEntry(text, 'repos', preCommitHook);
    const next = 'to activate the hook: pre-commit install';
    if (after) return [{ path, before, after: Buffer.from(after), next }];
    throw new KsealError('CONFIG_INVALID', 'cannot be extended automatically', {
      thing: shownOf(path),
      hint: 'add a hook to the repo "local" by hand, with the entry: kseal verify --',
    });
  }
  if (kind === 'lefthook') {
    throw new KsealError('OUTPUT_EXISTS', 'lefthook would replace a hook of kseal', {
      thing: shownOf(path),
      hint: `add a command to pre-commit in it, with this line: run: ${HOOK}`,
    });
  }
  if (before === undefined) {
    const after = Buffer.from(`#!/bin/sh\nexec ${HOOK}\n`);
    return [{ path, before, after, executable: true, again: '--pre-commit' }];
  }
  throw new KsealError('OUTPUT_EXISTS', 'already exists, and hooks are never changed', {
    thing: shownOf(path),
    hint: `add this line to it: ${HOOK} || exit 1`,
  });
}

function missingDiff(git: LocalGit, shownOf: (path: string) => string): readonly Change[] {
  const attributes = join(git.folder, '.gitattributes');
  const lines = diffDriver.attributes;
  const added = missingLines(attributes, shownOf, lines, /^[^#\n]*\sdiff=kseal\b/m);
  const old = added[0]?.before?.toString('latin1') ?? '';
  if (/^[^#\n]*ya?ml\S*\s(?:.*\s)?[-!]?diff\b/m.test(old)) {
    throw new KsealError('OUTPUT_EXISTS', 'has another diff setting for YAML', {
      thing: shownOf(attributes),
      hint: `add this line where it fits: ${lines[0]}`,
    });
  }
  if (settingOf(git, diffDriver.setting) !== '') return added;
  const setting = ['[diff "kseal"]', `\ttextconv = ${diffDriver.command}`];
  const [configured] = missingLines(gitFiles(git).config, shownOf, setting);
  return configured ? [...added, { ...configured, again: '--diff' }] : added;
}

/** Appends lines to a file, with its own line ends, unless one of its lines matches already. */
function missingLines(
  path: string,
  shownOf: (path: string) => string,
  lines: readonly string[],
  isThere?: RegExp,
): readonly Change[] {
  const before = readIfThere(path, shownOf(path));
  const text = before?.toString('latin1') ?? '';
  if (isThere?.test(text)) return [];
  if (text.includes('\0')) {
    throw new KsealError('IO', 'is encoded in UTF-16, which git cannot read', {
      thing: shownOf(path),
      hint: 'save it as UTF-8',
    });
  }
  const eol = /\r?\n/.exec(text)?.[0] ?? '\n';
  const start = text === '' || text.endsWith('\n') ? text : text + eol;
  const after = start + lines.map((line) => line + eol).join('');
  return [{ path, before, after: Buffer.from(after, 'latin1') }];
}

/** One screen: each file, with the lines that are new in it. */
function screenOf({ io }: Place, { changes }: Plan): string {
  return changes
    .map((change) => {
      const title = `${verbOf(change)} ${relative(io.cwd, change.path)}`;
      if (change.summary !== undefined) return `${title}: ${change.summary}`;
      const lines = addedLines(change).map((line) => line.replaceAll('\t', '  '));
      return lines.length === 1 ? `${title}: ${lines[0]}` : [title, ...lines].join('\n  ');
    })
    .join('\n');
}

function verbOf({ before }: Change): string {
  return before === undefined ? 'create' : 'add to';
}

/** The lines of the new text between and after those of the old one. */
function addedLines({ before, after }: Change): readonly string[] {
  const old = before?.toString().split(/\r?\n/) ?? [];
  let at = 0;
  const added = after
    .toString()
    .split(/\r?\n/)
    .filter((line) => {
      const isOld = line === old[at];
      if (isOld) at++;
      return !isOld;
    });
  return added.at(-1) === '' ? added.slice(0, -1) : added;
}

/** Writes all files or none, and prints the next commands. */
async function write({ io, top, folder }: Place, { changes, found }: Plan): Promise<void> {
  const files = changes.map(
    ({ path, before, after, confidential = false, executable = false }) => ({
      path,
      shown: relative(io.cwd, path),
      bytes: after,
      madeFrom: before,
      isNew: before === undefined,
      confidential,
      executable,
    }),
  );
  await replaceFiles(files, { makeFolders: true });
  for (const { shown, madeFrom } of files)
    say(io, 'note', `${madeFrom === undefined ? 'wrote' : 'added to'} ${shown}`);
  if (found?.isConfirmed) await remember(io, folder, found);
  const isShared = ({ path, confidential }: Pick<Change, 'path' | 'confidential'>) =>
    top !== undefined && !confidential && isBelow(top, path) && !isBelow(join(top, '.git'), path);
  const shared = [...(found?.own === undefined ? [] : [{ path: found.own }]), ...changes]
    .filter(isShared)
    .map(({ path }) => shellWord(relative(io.cwd, path)));
  const secret = changes.find(({ confidential }) => confidential);
  if (secret !== undefined)
    warn(io, {
      message: `${relative(io.cwd, secret.path)} opens all values sealed to this key; keep it out of Git`,
    });
  if (shared.length > 0) say(io, 'hint', `to share it: git add ${shared.join(' ')}`);
  const again = changes.flatMap((change) => (isShared(change) ? [] : (change.again ?? [])));
  if (again.length > 0) say(io, 'hint', `in every other clone: kseal init ${again.join(' ')}`);
  for (const { next } of changes) if (next !== undefined) say(io, 'hint', next);
  say(io, 'hint', 'to seal a value: kseal seal');
}

/** Spares the user the question of seal about a key that she confirmed here. */
async function remember(
  io: IO,
  folder: string,
  { entry: [name, { kid = '' }] }: FoundKey,
): Promise<void> {
  const path = knownKeysPath(io.env);
  if (path === undefined) return;
  try {
    await rememberKey(path, { name, kid, repository: repositoryOf(folder, io.env) });
    say(io, 'note', `added key ${name} to ${path}`);
  } catch (thrown) {
    // Then seal asks.
    expected(thrown);
  }
}

function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder + sep);
}
