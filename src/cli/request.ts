import { dirname, relative, resolve, sep } from 'node:path';
import { type Command, Option } from 'commander';
import { type Config, fileReference, parseReference } from '../config/config.ts';
import { attemptAll, expectedErrors, KsealError, located, throwAll } from '../errors.ts';
import { refuseExisting } from '../fs/write.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { loadPublicKey } from '../keys/resolve.ts';
import { isDataKey, isNamespace, isSecretName } from '../kubernetes/secret.ts';
import { type FieldTexts, parseAsk, parseTarget } from '../request/ask.ts';
import {
  checkRequest,
  type Format,
  formats,
  jsonSchema,
  printRequest,
  type SecretRequest,
} from '../request/request.ts';
import { manifestBeside } from '../sources/beside.ts';
import { jsonText, shellWord } from '../text.ts';
import { repeated, writeResult } from './files.ts';
import type { IO } from './io.ts';
import { commandLine, configOption, type KeyFlags, keyContext } from './options.ts';
import { say, writeStdout } from './print.ts';
import { askText, askYesNo, canAsk, choose } from './prompt.ts';
import { askKey, knownFrom, noKey } from './sealing-key.ts';

interface RequestFlags extends KeyFlags {
  readonly namespace?: string;
  readonly key?: string;
  readonly ask: readonly string[];
  readonly target: readonly string[];
  readonly title?: string;
  readonly from?: string;
  readonly note?: string;
  readonly type?: string;
  readonly scope?: Scope;
  readonly output?: string;
  readonly force?: boolean;
  readonly schema?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .argument('[name]', 'the name of the Secret')
    .option('-n, --namespace <name>', 'the namespace of the Secret')
    .option('-k, --key <ref>', 'the key to seal to: a configured name or a file')
    .option(
      '--ask <key:label>',
      'a value to ask for; KEY:LABEL:min=12 adds a check',
      repeated,
      none,
    )
    .option('--target <file>', 'a manifest to write; FILE:key=REF sets its key', repeated, none)
    .option('--title <text>', 'what the values are for')
    .option('--from <text>', 'the person or team that asks')
    .option('--note <text>', 'a sentence to the person who answers')
    .option('--type <type>', 'the type of a new Secret')
    .addOption(new Option('--scope <scope>', 'where the values can be opened').choices(scopes))
    .option('-o, --output <file>', 'write to this file instead of stdout')
    .option('--force', 'overwrite an existing output file')
    .option('--schema', 'print the JSON Schema of requests, for editors')
    .option(...configOption)
    .action((name: string | undefined, flags: RequestFlags) => request(io, name, flags));
}

async function request(io: IO, name: string | undefined, flags: RequestFlags): Promise<void> {
  if (flags.schema) return writeStdout(io, jsonText(jsonSchema()));
  refuseOutput(io, flags);
  const given = draftFrom(name, flags);
  const draft = isComplete(io, given, flags) ? given : await complete(io, given, flags);
  const { output } = draft;
  const checked = checkedRequest(await dataOf(io, draft, flags), flags);
  await writeResult(io, printRequest(checked), {
    output,
    force: flags.force,
    confidential: false,
    makeFolders: true,
  });
  if (output !== undefined && output !== '-')
    say(io, 'note', `to answer it: kseal fill ${shellWord(output)}`);
}

function refuseOutput(io: IO, { output, force }: RequestFlags): void {
  if (output !== undefined && output !== '-' && !force)
    refuseExisting(resolve(io.cwd, output), output);
}

/** A request so far, in the words of the command line. */
interface Draft {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly key: string | undefined;
  readonly title: string | undefined;
  readonly from: string | undefined;
  readonly note: string | undefined;
  /** Their files are relative to the current folder. */
  readonly targets: readonly FieldTexts[];
  readonly values: ReadonlyMap<string, FieldTexts>;
  readonly output: string | undefined;
}

function draftFrom(name: string | undefined, flags: RequestFlags): Draft {
  const values = new Map<string, FieldTexts>();
  for (const text of flags.ask) {
    const { key, fields } = parseAsk(text);
    if (values.has(key)) throw new KsealError('USAGE', `--ask ${key} is given twice`);
    values.set(key, fields);
  }
  const { namespace, key, title, from, note, output } = flags;
  const targets = flags.target.map(parseTarget);
  return { name, namespace, key, title, from, note, targets, values, output };
}

/** The targets, with what the other options say about them. Without any, NAME.yaml is the target. */
function targetsOf(
  { name, namespace, key, targets }: Draft,
  { type, scope }: RequestFlags,
): readonly FieldTexts[] {
  const shared = Object.entries({ name, namespace, key, type, scope }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const file = name === undefined ? [] : [['file', `${name}.yaml`] as const];
  const own = targets.length > 0 ? targets : [new Map(file)];
  return own.map((target) => new Map([...shared, ...target]));
}

/** The facts about a target that the configuration decides. */
function knownFor(io: IO, target: FieldTexts, flags: RequestFlags) {
  const [namespace, key] = ['namespace', 'key'].map((field) => target.get(field));
  const { config } = flags;
  return knownFrom(io, {
    ...(config === undefined ? {} : { config }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(key === undefined ? {} : { key }),
  })([target.get('file')]);
}

/** The options that are missing. */
function missingIn(io: IO, draft: Draft, flags: RequestFlags): readonly string[] {
  const targets = targetsOf(draft, flags);
  const lacks = (field: string) => targets.some((target) => !target.has(field));
  const known = targets.map((target) => knownFor(io, target, flags));
  return [
    ...(lacks('name') ? ['NAME'] : []),
    ...(known.some(({ namespace }) => !namespace) ? ['-n NAMESPACE'] : []),
    ...(known.some(({ reference }) => !reference) ? ['-k REF'] : []),
    ...(draft.values.size === 0 ? ["--ask 'password:Password of the database'"] : []),
  ];
}

/** Returns whether the options are complete. Throws USAGE if they are not and nobody can be asked. */
function isComplete(io: IO, draft: Draft, flags: RequestFlags): boolean {
  const missing = missingIn(io, draft, flags);
  if (missing.length === 0) return true;
  if (canAsk(io)) return false;
  const [target] = targetsOf(draft, flags);
  const { problem, name } =
    missing.includes('-k REF') && target
      ? noKey(knownFor(io, target, flags).config)
      : { problem: 'the request is incomplete', name: 'REF' };
  const words = missing.map((option) => (option === '-k REF' ? `-k ${name}` : option));
  throw new KsealError('USAGE', `${problem}; missing: ${missing.join(', ')}`, {
    hint: commandLine([givenLine(draft), ...words].join(' '), { '-o': draft.output }),
  });
}

function givenLine({ name, namespace, key, values, targets }: Draft): string {
  const command = name === undefined ? 'kseal request' : `kseal request ${shellWord(name)}`;
  return commandLine(command, {
    '-n': namespace,
    '-k': key,
    '--ask': [...values].map(([dataKey, fields]) => `${dataKey}:${fields.get('label')}`),
    '--target': targets.map((target) => target.get('file') ?? ''),
  });
}

/** Asks for what is missing. The person who writes a request runs the cluster. */
async function complete(io: IO, given: Draft, flags: RequestFlags): Promise<Draft> {
  const named = (isValid: (name: string) => boolean, allowed: string) => (text: string) =>
    isValid(text) ? undefined : `use ${allowed}`;
  const asked = async (question: string, options: Parameters<typeof askText>[2] = {}) =>
    (await askText(io, question, options)) || undefined;
  const lower = named(isSecretName, 'lower-case letters, digits, "-" and "."');
  const name =
    given.name ?? (await asked('What is the new Secret called, such as db?', { check: lower }));
  const title =
    given.title ?? (await asked('What are the values for?', { preset: `Values for ${name}` }));
  const from = given.from ?? (await asked('Who asks for them? (a person or a team)'));
  const note = given.note ?? (await asked('What do you want to tell the person who answers?'));
  let draft: Draft = { ...given, name, title, from, note };
  if (draft.targets.length === 0) {
    const request = resolve(io.cwd, given.output ?? '-');
    const file = await asked('Which manifest do the answers go into?', {
      preset: `${name}.yaml`,
      check: (path) =>
        /\.(?:ya?ml|json)$/.test(path)
          ? problemOf(() => nameBeside(io, request, path))?.problem
          : 'end the name with .yaml',
    });
    draft = { ...draft, targets: [new Map([['file', file ?? `${name}.yaml`]])] };
  }
  const isMissing = (option: string) => missingIn(io, draft, flags).includes(option);
  if (isMissing('-n NAMESPACE')) {
    const check = named(isNamespace, 'lower-case letters, digits and "-"');
    draft = {
      ...draft,
      namespace: await asked('Which namespace is it in, such as hr?', { check }),
    };
  }
  const [target] = targetsOf(draft, flags);
  if (isMissing('-k REF') && target !== undefined)
    draft = { ...draft, key: await askKey(io, knownFor(io, target, flags).config) };
  if (draft.values.size === 0) draft = { ...draft, values: await askedValues(io) };
  if (draft.output !== undefined) return draft;
  const check = (path: string) => {
    if (path === '') return 'name a file';
    return problemOf(() => {
      refuseOutput(io, { ...flags, output: path });
      for (const one of draft.targets) nameBeside(io, resolve(io.cwd, path), one.get('file') ?? '');
    })?.message;
  };
  const preset = `requests/${name}.yaml`;
  return {
    ...draft,
    output: await asked('Which file do you want to write the request to?', { preset, check }),
  };
}

/** The first error of a check; undefined without one. */
function problemOf(check: () => void): KsealError | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    return expectedErrors(thrown)[0];
  }
}

const formatWords: Readonly<Record<Format, string>> = {
  text: 'One line',
  lines: 'Several lines',
  'pem-certificate': 'A certificate (PEM)',
  'pem-private-key': 'A private key (PEM)',
  json: 'JSON',
  url: 'A URL',
  file: 'Any file',
};

async function askedValues(io: IO): Promise<ReadonlyMap<string, FieldTexts>> {
  const values = new Map<string, FieldTexts>();
  do {
    const key = await askText(io, 'What is the data key of the value, such as password?', {
      check: (text) => {
        if (!isDataKey(text)) return 'use letters, digits, "-", "_" and "."';
        return values.has(text) ? 'you have just asked for this value' : undefined;
      },
    });
    const label = await askText(io, 'What is it, in the words of the person who answers?', {
      check: (text) => (text === '' ? 'type a few words' : undefined),
    });
    const choices = formats.map((format) => ({ value: format, label: formatWords[format] }));
    const format = (await choose(io, 'What form does it have?', choices)) ?? 'text';
    const fields = new Map([
      ['label', label ?? ''],
      ['format', format],
    ]);
    if (format === 'text' && (await askYesNo(io, 'May kseal make it up?')))
      fields.set('generate', '24');
    values.set(key ?? '', fields);
  } while (await askYesNo(io, 'Another value?'));
  return values;
}

/** Completes a draft, and checks its files and keys. Throws all problems of its targets. */
async function dataOf(
  io: IO,
  draft: Draft,
  flags: RequestFlags,
): Promise<ReadonlyMap<string, unknown>> {
  const { title = `Values for ${draft.name ?? 'the application'}`, from, note } = draft;
  const isFile = draft.output !== undefined && draft.output !== '-';
  const file = resolve(io.cwd, isFile ? (draft.output ?? '') : 'request.yaml');
  const targets = await attemptAll(targetsOf(draft, flags), (target) =>
    targetBeside(io, file, target, flags),
  );
  return new Map<string, unknown>([
    ['title', title],
    ...(from === undefined ? [] : [['from', from] as const]),
    ...(note === undefined ? [] : [['note', note] as const]),
    ['targets', targets],
    ['values', draft.values],
  ]);
}

/** A target with paths relative to the file of the request. Throws USAGE, or the errors of the key. */
async function targetBeside(
  io: IO,
  request: string,
  target: FieldTexts,
  flags: RequestFlags,
): Promise<FieldTexts> {
  const file = nameBeside(io, request, target.get('file') ?? '');
  const { config, reference, namespace } = knownFor(io, target, flags);
  await checkKey(io, reference ?? '', config, flags);
  const key = target.get('key');
  const isPath = key !== undefined && parseReference(key).kind === 'file';
  return new Map([
    ['file', file],
    ['namespace', namespace ?? ''],
    ...[...target].filter(([field]) => field !== 'file' && field !== 'namespace'),
    ...(isPath ? [['key', fileReference(relativeTo(request, resolve(io.cwd, key)))] as const] : []),
  ]);
}

/** The name of a manifest in a request. Throws USAGE unless the request can name it. */
function nameBeside({ cwd }: IO, request: string, typed: string): string {
  const thing = `--target ${typed}`;
  const path = resolve(cwd, typed);
  if (path === request) {
    throw new KsealError('USAGE', 'is the file of the request itself', {
      thing,
      hint: '--target clusters/prod/db.yaml',
    });
  }
  const name = relativeTo(request, path);
  const refusal = problemOf(() => manifestBeside(request, name));
  if (refusal === undefined) return name;
  const hint = 'name a file in the repository that the request is in';
  throw new KsealError('USAGE', refusal.problem, { thing, hint });
}

function relativeTo(request: string, path: string): string {
  return relative(dirname(request), path).split(sep).join('/');
}

/** Throws unless values can be sealed to a key. */
async function checkKey(
  io: IO,
  reference: string,
  config: Config | undefined,
  flags: RequestFlags,
): Promise<void> {
  if (parseReference(reference).kind === 'remote') {
    throw new KsealError('USAGE', 'a request names a configured key or a file', {
      thing: '-k',
      hint: `kseal fetch-pubkey ${shellWord(reference)} -o prod.pub, then: -k ./prod.pub`,
    });
  }
  const { kid } = await loadPublicKey(reference, keyContext(io, flags, config));
  const state = config && (await keyStatuses(config)).of(kid).state;
  if (state === undefined || state === 'active') return;
  throw new KsealError('KEY_INVALID', `is ${state}, so nothing can be sealed to it`, {
    thing: reference,
    hint: 'to list the keys: kseal keys',
  });
}

/** Throws USAGE for each problem, with the option that it comes from. */
function checkedRequest(
  data: ReadonlyMap<string, unknown>,
  { target }: RequestFlags,
): SecretRequest {
  const { request, problems } = checkRequest(data);
  throwAll(
    problems.map(({ path: [list = '', item = '', field = ''], message, hint }) => {
      const options: Readonly<Record<string, string>> = {
        values: `--ask ${item}`,
        targets: target.length > 0 ? `--target ${target[Number(item)]?.split(':')[0]}` : 'target',
      };
      const error = new KsealError('USAGE', message, { thing: field || undefined, hint });
      return located(options[list] ?? `--${list}`, error);
    }),
  );
  if (request === undefined) throw new Error('a request without problems and without data');
  return request;
}
