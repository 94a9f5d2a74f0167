import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { type Config, type PathRule, ruleFor } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { folderWith, readFile } from '../fs/read.ts';
import { checkWritable, refuseExisting } from '../fs/write.ts';
import type { Place, Scope } from '../jwe/binding.ts';
import { fingerprintBlock } from '../jwe/thumbprint.ts';
import {
  dataKeysOf,
  isDataKey,
  isNamespace,
  isSecretName,
  missingKeys,
} from '../kubernetes/secret.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import type { SecretDocument } from '../manifest/types.ts';
import { makeUp } from '../request/answer.ts';
import type { Alphabet } from '../request/request.ts';
import type { NewValue } from '../seal/seal.ts';
import { manifestsIn } from '../sources/texts.ts';
import { ifReadable, readInput } from './files.ts';
import type { IO } from './io.ts';
import {
  askPath,
  askText,
  askYesNo,
  type Choice,
  choose,
  promptLines,
  promptValue,
  search,
  showOnTerminal,
  withoutEcho,
} from './prompt.ts';
import { askKey, type Known, type Setting } from './sealing-key.ts';
import {
  type Answers,
  capitalized,
  hiddenFor,
  type ReadOptions,
  type Source,
  settle,
} from './values.ts';

// `kseal seal` asks for all that its command line omits, in words for people who do not know
// Kubernetes. The answers become options, so that one path seals in either case.

/** The facts that the options of the same names give. */
export interface Target {
  readonly name?: string | undefined;
  readonly key?: string | undefined;
  readonly namespace?: string | undefined;
  readonly into?: string | undefined;
  readonly output?: string | undefined;
}

/** The options that limit the answers. */
interface Frame {
  /** The Secrets in the manifest of `--into` that the options match. */
  readonly secrets: readonly SecretDocument[];
  readonly needsKey: boolean;
  /** The result of a new manifest goes to a file. */
  readonly needsFile: boolean;
  /** An option is given that only a new manifest takes. */
  readonly isNewOnly: boolean;
  readonly knownFor: (target: Target) => Known;
}

/** A form that is partly filled in. */
interface Draft extends Frame {
  readonly io: IO;
  readonly target: Target;
  readonly known: Known;
  readonly repository: () => Repository;
}

interface Question {
  readonly isMissing: (draft: Draft) => boolean;
  readonly ask: (draft: Draft) => Promise<Target | undefined>;
}

/** In this order. Each question sees the answers to those before it. */
const questions: readonly Question[] = [
  {
    isMissing: ({ needsKey, known }) => needsKey && known.reference === undefined,
    ask: async ({ io, known }) => ({ key: await askKey(io, known.config) }),
  },
  { isMissing: ({ secrets }) => secrets.length > 1, ask: askWhich },
  {
    isMissing: ({ known, secrets }) =>
      known.scope !== 'cluster-wide' &&
      known.namespace === undefined &&
      !secrets.some(({ namespace }) => namespace !== undefined),
    ask: askNamespace,
  },
  {
    isMissing: ({ target: { into, name } }) => into === undefined && name === undefined,
    ask: askSecret,
  },
  {
    isMissing: ({ needsFile, target: { into, output } }) =>
      needsFile && into === undefined && output === undefined,
    ask: askFile,
  },
];

/** Asks for the facts that `given` lacks, and checks each answer at once. Throws INTERRUPTED. */
export function askTarget(io: IO, given: Target, frame: Frame): Promise<Target> {
  return withoutEcho(io, () => answered(io, given, frame));
}

async function answered(io: IO, given: Target, frame: Frame): Promise<Target> {
  let target = given;
  let found: Repository | undefined;
  for (const { isMissing, ask } of questions) {
    const known = frame.knownFor(target);
    const repository = () => {
      found ??= repositoryAround(io, known.config);
      return found;
    };
    const draft = { ...frame, io, target, known, repository };
    if (isMissing(draft)) target = { ...target, ...(await ask(draft)) };
  }
  return target;
}

async function askWhich({ io, secrets }: Draft): Promise<Target | undefined> {
  const choices = secrets.map(({ name, namespace }) => ({
    value: namespace === undefined ? { name } : { name, namespace },
    label: `${name ?? '(no name)'}${namespace === undefined ? '' : ` of ${namespace}`}`,
  }));
  return choose<Target>(io, 'Which set of values do you want to change? (Secret)', choices);
}

async function askNamespace({ io, known, repository }: Draft): Promise<Target> {
  const ruled = (known.config?.rules ?? []).flatMap(({ key = known.reference, namespace }) =>
    key === known.reference ? (namespace ?? []) : [],
  );
  const namespaces = new Set([...ruled, ...repository().namespaces]);
  const question =
    namespaces.size === 0
      ? 'Which application is it for, such as hr? (namespace)'
      : 'Which application is it for? Choose, or type a new one. (namespace)';
  return { namespace: await askName(io, question, [...namespaces].map(named), names.namespace) };
}

/** Asks for a Secret in the repository, which is changed in its file, or for the name of a new one. */
async function askSecret(draft: Draft): Promise<Target> {
  const { io } = draft;
  const existing = existingFor(draft).map(asChoice);
  const another: Choice<Target> = { value: {}, label: 'A new one' };
  const question = 'Which set of values? Choose one, or type a new name. (Secret)';
  const chosen =
    existing.length > 0 &&
    (await search(io, question, (typed) => {
      const asTarget = ({ value, ...shown }: Choice<string>) => ({
        ...shown,
        value: { name: value },
      });
      const fresh =
        typed === '' ? [another] : newNames(typed, names.secret).map(asNew).map(asTarget);
      return [...matching(existing, typed), ...fresh];
    }));
  if (chosen && chosen !== another.value) return chosen;
  const name = await askName(
    io,
    'What is the new set of values called, such as db? (Secret)',
    [],
    names.secret,
  );
  return { name };
}

/** Asks which file to write, unless the value is added to one that has the Secret. */
async function askFile(draft: Draft): Promise<Target> {
  const { io, target } = draft;
  const same = existingFor(draft).filter(({ secret }) => secret.name === target.name);
  if (same.length > 0) {
    const question = `${target.name} exists already. Where do you want to add to it?`;
    const chosen = await choose(io, question, [
      ...same.map((found) => ({ value: asChoice(found).value, label: `In ${found.path}` })),
      { value: {}, label: 'In a new file' },
    ]);
    if (chosen?.into !== undefined) return chosen;
  }
  // The shell expands this in a command line.
  const atHome = (path: string) => path.replace(/^~(?=\/)/, io.env.HOME ?? homedir());
  const check = (path: string) => problemWith(draft, atHome(path));
  const preset = defaultFile(draft);
  const path = await askText(io, 'Which file do you want to write?', { preset, check });
  return { output: path && atHome(path) };
}

/** A kind of name: which names Kubernetes allows, in words, and the nearest of them to a text. */
interface NameKind {
  readonly isValid: (name: string) => boolean;
  readonly allowed: string;
  readonly nearest: (text: string) => string;
}

const lowered = (text: string, other: RegExp) =>
  text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(other, '-')
    .replace(/^[-.]+|[-.]+$/g, '');

const names = {
  namespace: {
    isValid: isNamespace,
    allowed: 'a-z, 0-9 and -',
    nearest: (text) => lowered(text, /[^a-z0-9]+/g),
  },
  secret: {
    isValid: isSecretName,
    allowed: 'a-z, 0-9, - and .',
    nearest: (text) => lowered(text, /[^a-z0-9.]+/g),
  },
  dataKey: {
    isValid: isDataKey,
    allowed: 'A-Z, a-z, 0-9, -, _ and .',
    nearest: (text) => text.replace(/[^-._a-zA-Z0-9]+/g, '-').replace(/^\.+/, ''),
  },
} satisfies Record<string, NameKind>;

const named = (name: string): Choice<string> => ({ value: name, label: name });

const asNew = (choice: Choice<string>) => ({ ...choice, label: `${choice.label} (new)` });

/** Asks for a known or a new name. In place of a name that is not allowed, offers the nearest. */
function askName(
  io: IO,
  question: string,
  known: readonly Choice<string>[],
  kind: NameKind,
  check?: (name: string) => string | undefined,
): Promise<string | undefined> {
  const isKnown = (name: string) => known.some(({ value }) => value === name);
  const source = (typed: string) => {
    const fresh = newNames(typed, kind).filter(({ value }) => !isKnown(value));
    const found = matching(known, typed);
    return [...found, ...(found.length > 0 ? fresh.map(asNew) : fresh)];
  };
  return search(io, question, source, check, `allowed characters: ${kind.allowed}`);
}

/** The name that was typed, or else the nearest that is allowed, if there is one. */
function newNames(
  typed: string,
  { isValid, allowed, nearest }: NameKind,
): readonly Choice<string>[] {
  if (typed === '' || isValid(typed)) return typed === '' ? [] : [named(typed)];
  const name = nearest(typed);
  return isValid(name) ? [{ ...named(name), detail: `Allowed characters: ${allowed}` }] : [];
}

/** The choices with the typed text, first the one with this name, then those that begin with it. */
function matching<T>(choices: readonly Choice<T>[], typed: string): readonly Choice<T>[] {
  const text = typed.toLowerCase();
  const ranks: readonly ((label: string) => boolean)[] = [
    (label) => label === text || label.startsWith(`${text} (`),
    (label) => label.startsWith(text),
    (label) => label.includes(text),
  ];
  const rankOf = ({ label }: Choice<T>) => ranks.findIndex((fits) => fits(label.toLowerCase()));
  return ranks.flatMap((_, rank) => choices.filter((choice) => rankOf(choice) === rank));
}

/** The manifests below the configuration, or in the Git repository, or in the current folder. */
interface Repository {
  readonly namespaces: readonly string[];
  readonly secrets: readonly Found[];
}

interface Found {
  /** The path of its file, as for a command line. */
  readonly path: string;
  readonly secret: SecretDocument;
  /** It is the only Secret of its file. */
  readonly isAlone: boolean;
}

// A repository may be large, and its manifests are only suggestions.
const MAX_FILES = 2000;
const MAX_BYTES = 1024 * 1024;

function repositoryAround(io: IO, config: Config | undefined): Repository {
  const namespaces = new Set<string>();
  const paths = ifReadable(() => manifestsAround(io, config)) ?? [];
  const secrets = paths.slice(0, MAX_FILES).flatMap((path) => {
    const text = ifReadable(() =>
      decodeManifest(readFile(resolve(io.cwd, path), path, MAX_BYTES), path),
    );
    for (const [, name = ''] of text?.matchAll(namespaceIn) ?? []) namespaces.add(name);
    return text?.includes('Secret') ? secretsIn(text, path) : [];
  });
  return { namespaces: [...namespaces].filter(isNamespace).sort(), secrets };
}

function secretsIn(text: string, path: string): readonly Found[] {
  const manifest = readManifest(text, path);
  const { problems, secrets } = manifest;
  const isEditable = problems.length === 0 && ifReadable(() => refuseSops(manifest, path) ?? true);
  return isEditable
    ? secrets.map((secret) => ({ path, secret, isAlone: secrets.length === 1 }))
    : [];
}

const namespaceIn = /(?:^|[\s{,"])namespace"?:[ \t]*["']?([a-z0-9][-a-z0-9]*)/g;

function manifestsAround({ cwd }: IO, config: Config | undefined): readonly string[] {
  const root = config?.folder ?? folderWith('.git', cwd);
  if (root !== undefined) return manifestsIn(root, relative(cwd, root));
  // Without a repository, the folders below may be the whole disk.
  return readdirSync(cwd).filter((name) => /\.(?:ya?ml|json)$/i.test(name));
}

/** The Secrets in the repository that the answers so far fit. */
function existingFor(draft: Draft): readonly Found[] {
  if (draft.isNewOnly) return [];
  const { namespace } = draft.known;
  return draft.repository().secrets.filter(({ path, secret }) => {
    const fits = secret.name !== undefined && (secret.namespace ?? namespace) === namespace;
    return fits && conflictWith(draft, path, draft.known.config) === undefined;
  });
}

const asChoice = ({ path, secret, isAlone }: Found): Choice<Target> => ({
  value: { into: path, name: isAlone ? undefined : secret.name },
  label: `${secret.name} (${path})`,
  detail: `It has ${secret.entries.map(({ key }) => key).join(', ') || 'no values'}.`,
});

function ruleAt({ io }: Draft, path: string, config: Config | undefined): PathRule | undefined {
  return config && ruleFor(config, resolve(io.cwd, path));
}

/** The answer that the rule for a path contradicts, in words; else undefined. */
function conflictWith(draft: Draft, path: string, config: Config | undefined): string | undefined {
  const { known } = draft;
  const { key, namespace } = ruleAt(draft, path, config) ?? {};
  const isConfigured = known.config?.keys.has(known.reference ?? '') ?? false;
  if (isConfigured && config?.path !== known.config?.path)
    return `files there do not use ${known.config?.path}, which has the key ${known.reference}`;
  if (namespace !== undefined && namespace !== known.namespace)
    return `files there are for ${namespace}, not for ${known.namespace}`;
  if (key !== undefined && known.reference !== undefined && key !== known.reference)
    return `files there are sealed with the key ${key}, not with ${known.reference}`;
  return undefined;
}

/** The problem with a path for a new file, in words; undefined if the file can be written. */
function problemWith(draft: Draft, path: string): string | undefined {
  const file = resolve(draft.io.cwd, path);
  try {
    checkWritable(file, path, true);
    refuseExisting(file, path);
  } catch (thrown) {
    return `${expected(thrown).message}; type another name`;
  }
  if (!/\.(?:ya?ml|json)$/.test(path)) return `end the name with .yaml: ${path}.yaml`;
  return conflictWith(draft, path, draft.knownFor({ output: path }).config);
}

/**
 * The path to suggest for a new Secret: beside the others of its namespace, or in the folder of the
 * rule for it, or in the current folder.
 */
function defaultFile(draft: Draft): string {
  const { io, known, target } = draft;
  const { config, namespace } = known;
  const siblings = existingFor(draft).map(({ path }) => dirname(path));
  const ruled = (config?.rules ?? []).flatMap((rule) => {
    const [fixed = ''] = /^[^*?[{]*(?=\/)/.exec(rule.path) ?? [];
    const folder = relative(io.cwd, join(config?.folder ?? io.cwd, fixed));
    return rule.namespace === namespace && ruleAt(draft, join(folder, 'x.yaml'), config) === rule
      ? folder
      : [];
  });
  const files = [`${target.name}.yaml`, `${namespace}-${target.name}.yaml`];
  const paths = [...siblings, ...ruled, ''].flatMap((folder) =>
    files.map((file) => join(folder, file)),
  );
  return paths.find((path) => problemWith(draft, path) === undefined) ?? `${target.name}-2.yaml`;
}

/** Asks for values of a Secret, one or several. Throws INTERRUPTED. */
export function askValues(io: IO, secret: SecretDocument, options: ReadOptions): Promise<Answers> {
  return withoutEcho(io, () => valuesFor(io, secret, options));
}

async function valuesFor(io: IO, secret: SecretDocument, options: ReadOptions): Promise<Answers> {
  const answers: { value: NewValue; source: Source; label: string }[] = [];
  const keys = new Set<string>();
  for (let isMore: boolean | undefined = true; isMore; ) {
    const key = (await askDataKey(io, secret, keys)) ?? '';
    keys.add(key);
    answers.push(await askValue(io, key, options));
    if (options.raw) break;
    const present = new Set([...keys, ...secret.entries.map((entry) => entry.key)]);
    const [missing] = missingKeys(secret.type, present);
    const reason = missing === undefined ? '' : `${missing.key} is still missing. `;
    isMore = await askYesNo(io, `${reason}Another value?`, missing !== undefined);
  }
  return {
    values: answers.map(({ value }) => value),
    sources: answers.map(({ source }) => source),
    labels: answers.map(({ label }) => label),
  };
}

/** Suggestions for a Secret whose type requires no data keys. */
const usualKeys = ['password', 'username', 'token'];

function askDataKey(
  io: IO,
  { type, entries }: SecretDocument,
  given: ReadonlySet<string>,
): Promise<string | undefined> {
  const required = dataKeysOf(type);
  const present = entries.map(({ key }) => key);
  const fresh = (required.length > 0 ? required : usualKeys).filter(
    (key) => !present.includes(key),
  );
  const replaced = present.map((key) => ({ value: key, label: `${key} (replace it)` }));
  const choices = [...fresh.map(named), ...replaced];
  const check = (key: string) => (given.has(key) ? 'you have just given this value' : undefined);
  const known = choices.filter(({ value }) => !given.has(value));
  return askName(io, 'What is the value called? (data key)', known, names.dataKey, check);
}

/** A way to give a value. */
interface Way {
  readonly label: string;
  /** The answer with which it is given once more. */
  readonly again: string;
  readonly read: (io: IO, key: string) => Promise<Reading>;
}

interface Reading {
  readonly bytes: Uint8Array;
  readonly source: Source;
  readonly how: string;
}

const typed: Way = {
  label: 'Type it, hidden',
  again: 'Type it again',
  read: async (io, key) => ({
    bytes: Buffer.from(await promptValue(io, hiddenFor(key))),
    source: { kind: 'prompt', text: key },
    how: 'typed',
  }),
};

/** The source of a value that is in no file yet. */
const elsewhere = (key: string): Source => ({ kind: 'file', text: `${key}=PATH` });

const typedLines: Way = {
  label: 'Type or paste several lines, hidden',
  again: 'Type it again',
  read: async (io, key) => ({
    bytes: Buffer.from(await promptLines(io, hiddenFor(key))),
    source: elsewhere(key),
    how: 'typed',
  }),
};

const fromFile: Way = {
  label: 'Take it from a file',
  again: 'Take another file',
  read: async (io, key) => {
    const path = (await askPath(io, 'Which file is it in?')) ?? '';
    const source: Source = { kind: 'file', text: `${key}=${path}` };
    return { bytes: await readInput(io, path), source, how: `from ${path}` };
  },
};

const madeUp: Way = {
  label: 'Let kseal make one up',
  again: 'Make up another one',
  read: async (io, key) => ({
    bytes: Buffer.from(await askMadeUp(io)),
    source: { kind: 'prompt', text: key },
    how: 'made up',
  }),
};

/** Data keys whose values are usually files. */
const inFiles = /\.(?:crt|key|pem|json|p12|jks|keytab|dockerc.*)$|^(?:ssh-|keytab$)/;

/** Asks for one value, again and again until it can be sealed. */
async function askValue(io: IO, key: string, options: ReadOptions) {
  for (;;) {
    const choices = [typed, typedLines, fromFile, madeUp].map((way) => ({
      value: way,
      label: way.label,
    }));
    const question = `How do you want to give ${key}?`;
    const way =
      (await choose(io, question, choices, inFiles.test(key) ? fromFile : typed)) ?? typed;
    try {
      let reading = await way.read(io, key);
      const retry = {
        label: way.again,
        read: async () => {
          reading = await way.read(io, key);
          return reading.bytes;
        },
      };
      const value = await settle(io, { key, bytes: reading.bytes }, retry, options);
      const isFixed = value.bytes !== reading.bytes && reading.source.kind === 'file';
      const source = isFixed ? elsewhere(key) : reading.source;
      return { value, source, label: `${key} (${reading.how})` };
    } catch (thrown) {
      const { code, problem } = expected(thrown);
      if (code !== 'VALUE_REFUSED' && code !== 'IO') throw thrown;
      showOnTerminal(io, `${capitalized(problem)}. Give it in another way.`);
    }
  }
}

const alphabets: readonly Choice<Alphabet>[] = [
  { value: 'letters-digits', label: 'Letters and digits' },
  {
    value: 'symbols',
    label: 'Letters, digits and symbols',
    detail: 'Some programs cannot read a password with symbols.',
  },
  { value: 'digits', label: 'Digits' },
  { value: 'hex', label: 'Hexadecimal digits' },
];

const [MIN_LENGTH, USUAL_LENGTH, MAX_LENGTH] = [8, 32, 1024];

/** Makes up a value, and shows it once if she asks for it. */
async function askMadeUp(io: IO): Promise<string> {
  const check = (text: string) =>
    /^\d+$/.test(text) && Number(text) >= MIN_LENGTH && Number(text) <= MAX_LENGTH
      ? undefined
      : `type a number from ${MIN_LENGTH} to ${MAX_LENGTH}`;
  const length = await askText(io, 'How many characters?', { preset: `${USUAL_LENGTH}`, check });
  const alphabet = await choose(io, 'Which characters?', alphabets);
  const text = makeUp({ generate: Number(length), alphabet }, randomInt);
  if (await askYesNo(io, 'Show it once, so that you can keep a copy?')) await showOnce(io, text);
  return text;
}

// The alternate screen (xterm) is not part of what can be scrolled back to. A terminal without one is
// cleared.
const SCREEN_ON = '\x1b[?1049h\x1b[H';
const SCREEN_OFF = '\x1b[2J\x1b[H\x1b[?1049l';

/** Shows a value until Enter is pressed. Throws INTERRUPTED. */
export async function showOnce(io: IO, text: string): Promise<void> {
  const terminal = io.openTerminal();
  try {
    terminal?.output.write(`${SCREEN_ON}${text}\n\n`);
    await askText(io, 'Press Enter to clear the screen.');
  } finally {
    terminal?.output.write(SCREEN_OFF);
    terminal?.close();
  }
}

/** The finished work, before it is written. */
interface Summary extends Pick<Setting, 'key' | 'title' | 'scope'> {
  readonly place: Omit<Place, 'key'>;
  readonly target: Target;
  readonly labels: readonly string[];
  /** There are warnings that she has to decide about. */
  readonly isDoubtful: boolean;
  /** The command line that does the same without questions. */
  readonly command: string;
  /** The answers that can be changed. */
  readonly changes: Readonly<Record<Change, boolean>>;
}

type Change = 'target' | 'values';

/** Says where values can be opened. */
const opens: Record<Scope, (place: Summary['place']) => string> = {
  strict: ({ namespace, name }) => `only for ${namespace}, under its own name in ${name}`,
  'namespace-wide': ({ namespace }) => `anywhere in ${namespace}`,
  'cluster-wide': () => 'anywhere in the cluster',
};

/**
 * Shows what is about to be written, and asks whether to. Returns what she wants to change instead;
 * undefined after yes. Throws INTERRUPTED.
 */
export async function confirmWriting(io: IO, summary: Summary): Promise<Change | undefined> {
  const { isDoubtful, command, changes } = summary;
  showOnTerminal(io, summaryOf(summary));
  if (await askYesNo(io, 'Write it?', !isDoubtful)) return undefined;
  const change = await choose<Change | 'nothing'>(io, 'What do you want to change?', [
    ...(changes.values ? [{ value: 'values', label: 'The values' } as const] : []),
    ...(changes.target ? [{ value: 'target', label: 'The key, or where it goes' } as const] : []),
    { value: 'nothing', label: 'Nothing. Stop without writing' },
  ]);
  if (change === 'values' || change === 'target') return change;
  throw new KsealError('INTERRUPTED', 'nothing was written', { hint: command });
}

function summaryOf({ key, title, scope, place, target, labels, command }: Summary): string {
  const { into, output } = target;
  const path = output ?? into;
  const change = output === undefined && into !== undefined ? 'changed' : 'new';
  return [
    '',
    path === undefined || path === '-'
      ? 'File:   printed on stdout'
      : `File:   ${path} (${change})`,
    `Values: ${labels.join(', ')}`,
    `Opens:  ${opens[scope](place)}`,
    ...(key === undefined
      ? []
      : [`Key:    ${title}, RSA-${key.bits}, with the fingerprint`, fingerprintBlock(key.kid)]),
    'The same without questions:',
    `  ${command}`,
    '',
  ].join('\n');
}
