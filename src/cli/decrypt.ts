import { type Command, Option } from 'commander';
import { type ConfiguredKey, parseReference } from '../config/config.ts';
import { locationOf } from '../diagnostic.ts';
import { errorsOf, expected, expectedErrors, KsealError, located } from '../errors.ts';
import { DEFAULT_MAX_SCOPE, type Scope, scopes } from '../jwe/binding.ts';
import { readJwe } from '../jwe/detect.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { fetchKey, type KeyContext } from '../keys/resolve.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { locationIn } from '../manifest/place.ts';
import { noSecret, selectSecret } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import { shellWord } from '../text.ts';
import {
  type OpenedSecret,
  type OpenedValue,
  type UnsealOptions,
  unsealEntry,
  unsealManifest,
} from '../unseal/manifest.ts';
import { unsealData } from '../unseal/unseal.ts';
import {
  type AdmissionRequest,
  answerText,
  MAX_REVIEW_BYTES,
  readReview,
} from '../webhook/admission-review.ts';
import { review } from '../webhook/review.ts';
import {
  checkOutput,
  readInput,
  readManifestFile,
  repeated,
  shownPath,
  withoutFinalNewline,
  writeResult,
} from './files.ts';
import type { IO } from './io.ts';
import {
  addKeyOptions,
  configFor,
  type KeyFlags,
  keyContext,
  keyKinds,
  openingKeys,
  openingReferences,
} from './options.ts';
import { say, warn, warnAbout } from './print.ts';

interface DecryptFlags extends KeyFlags {
  readonly key: readonly string[];
  readonly file: readonly string[];
  readonly namespace?: string;
  readonly name?: string;
  readonly only?: string;
  readonly raw?: string;
  readonly dataKey?: string;
  readonly review?: boolean;
  readonly maxScope?: Scope;
  readonly output?: string;
  readonly force?: boolean;
  readonly acceptUnbound?: boolean;
  readonly allowRevoked?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  addKeyOptions(command)
    .argument('[file]', 'the manifest; - is stdin (default)')
    .option('-f, --file <file>', 'the same as the argument', repeated, none)
    .option(
      '-k, --key <ref>',
      `a key to open values with: ${keyKinds} (env: KSEAL_DECRYPT_KEY)`,
      repeated,
      none,
    )
    .option('-n, --namespace <name>', 'the namespace of Secrets that name none')
    .option('--name <name>', 'with --only or --raw: the name of the Secret')
    .option('--only <key>', 'open one value and print its exact bytes')
    .option('--raw <file>', 'open a bare JWE that was sealed for --name, -n and --data-key')
    .option('--data-key <key>', 'with --raw: the data key that the JWE was sealed for')
    .option('--review', 'read an AdmissionReview and print what the webhook would answer')
    .addOption(
      new Option(
        '--max-scope <scope>',
        `with --review: the widest scope to open, ${DEFAULT_MAX_SCOPE} by default`,
      ).choices(scopes),
    )
    .option('-o, --output <file>', 'write to this file (mode 0600) instead of stdout')
    .option('--force', 'overwrite an existing output file')
    .option(
      '--accept-unbound',
      'also open values from other tools, which are not bound to a Secret',
    )
    .option('--allow-revoked', 'also open values sealed to a revoked key')
    .action((file: string | undefined, flags: DecryptFlags) => decrypt(io, file, flags));
}

async function decrypt(io: IO, argument: string | undefined, flags: DecryptFlags): Promise<void> {
  checkReviewFlags(flags);
  const path = inputOf(io, argument, flags);
  const references = openingReferences(io, flags.key);
  checkOutput(io, flags, {
    manifests: [path],
    hint: 'use another file: plaintext never replaces sealed values',
    others: references,
  });
  const config = configFor(io, flags, path);
  const context = keyContext(io, flags, config);
  const keyring = await openingKeys(references, context);
  const policy = {
    acceptUnbound: flags.acceptUnbound ?? false,
    allowRevoked: flags.allowRevoked ?? false,
    maxScope: 'cluster-wide' as const,
  };
  const options = { keyring, policy, namespace: flags.namespace };
  const open = flags.review ? answerReview : flags.raw === undefined ? openManifest : openRaw;
  const result = await open(io, path, flags, options).catch(async (thrown: unknown) => {
    throw await explainUnknownKids(thrown, references, context);
  });
  await writeResult(io, result, { ...flags, confidential: true });
}

/** The options for manifests or for the terminal only, which --review does not take. */
const notForReview = ['only', 'raw', 'name', 'namespace', 'dataKey', 'allowRevoked'] as const;

function checkReviewFlags(flags: DecryptFlags): void {
  if (flags.maxScope !== undefined && !flags.review) throw badFlag('--max-scope requires --review');
  const wrong = notForReview.find((name) => flags.review && flags[name] !== undefined);
  if (wrong === undefined) return;
  const flag = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw badFlag(`--${flag} cannot be used with --review`);
}

/** The path of the one input. Throws USAGE if there are several, or none on a terminal. */
function inputOf(io: IO, argument: string | undefined, flags: DecryptFlags): string {
  const { file, raw, name, only, dataKey } = flags;
  const inputs = [argument, ...file, raw].filter((path) => path !== undefined);
  if (inputs.length > 1) {
    throw new KsealError('USAGE', 'only one file can be decrypted', {
      hint: 'run kseal decrypt once for each file',
    });
  }
  if (raw === undefined && dataKey !== undefined) throw badFlag('--data-key requires --raw FILE');
  if (raw === undefined && only === undefined && name !== undefined)
    throw badFlag('--name requires --only KEY');
  if (raw !== undefined && only !== undefined) throw badFlag('--only cannot be used with --raw');
  const [path = '-'] = inputs;
  if (path === '-' && io.stdin.isTTY) {
    throw new KsealError('USAGE', 'no manifest given', { hint: 'kseal decrypt FILE -k key.pem' });
  }
  return path;
}

function badFlag(problem: string): KsealError {
  return new KsealError('USAGE', problem, { hint: 'kseal decrypt --help' });
}

async function openManifest(
  io: IO,
  path: string,
  flags: DecryptFlags,
  options: UnsealOptions,
): Promise<string | Uint8Array> {
  const manifest = await readManifestFile(io, path);
  refuseSops(manifest, path);
  if (flags.only !== undefined) {
    const secret = selectSecret(manifest, { name: flags.name, namespace: flags.namespace });
    const { bytes, warnings } = await unsealEntry(manifest, secret, flags.only, options);
    warnAbout(io, manifest.path, warnings);
    return bytes;
  }
  const { text, warnings, opened } = await unsealManifest(manifest, options);
  warnAbout(io, manifest.path, warnings);
  if (manifest.secrets.length === 0) throw noSecret([shownPath(path)], manifest.nested);
  if (opened.length === 0) warn(io, { message: `${shownPath(path)}: no sealed values` });
  sayMoves(io, manifest, opened);
  sayLosses(io, path, manifest, opened, flags);
  if (opened.length > 0 && flags.output === undefined && !io.stdout.isTTY) {
    say(
      io,
      'note',
      'kubectl apply keeps this plaintext in an annotation; kubectl create and apply --server-side do not',
    );
  }
  return text;
}

function sayMoves(io: IO, { path }: Manifest, opened: readonly OpenedSecret[]): void {
  for (const { secret, values } of opened) {
    for (const { entry } of values.filter(({ moved }) => moved)) {
      const where = locationOf(path, locationIn(secret, entry));
      say(io, 'note', `${where}: moved to data, because stringData holds only UTF-8 text`);
    }
  }
}

/**
 * Prints what is lost if the result is sealed again without further options, namely scopes wider
 * than strict and the field stringData, and the commands that keep it.
 */
function sayLosses(
  io: IO,
  path: string,
  manifest: Manifest,
  opened: readonly OpenedSecret[],
  flags: DecryptFlags,
): void {
  const hasWide = opened.some(({ values }) => values.some((value) => scopeOf(value) !== 'strict'));
  for (const one of opened) {
    const where = locationOf(manifest.path, locationIn(one.secret));
    const note = (values: readonly OpenedValue[], how: string) => {
      const names = values.map(({ entry }) => `"${entry.key}"`).join(', ');
      const keys = values.length === 1 ? `data key ${names} was` : `data keys ${names} were`;
      if (values.length > 0) say(io, 'note', `${where}: ${keys} sealed ${how}`);
    };
    if (hasWide)
      for (const scope of scopes)
        note(
          one.values.filter((value) => value.scope === scope),
          scope,
        );
    if (becomesData(one)) note(one.values, 'under stringData');
  }
  for (const hint of waysToKeep(path, manifest, opened, flags)) say(io, 'hint', hint);
}

/** Whether seal renames stringData, as it does in a Secret without data. */
function becomesData({ secret, values }: OpenedSecret): boolean {
  return (
    !secret.fields.has('data') &&
    values.every(({ entry, moved }) => entry.field === 'stringData' && !moved)
  );
}

/** The commands that seal the result again without the loss; none if nothing would be lost. */
function waysToKeep(
  path: string,
  { secrets }: Manifest,
  opened: readonly OpenedSecret[],
  flags: DecryptFlags,
): readonly string[] {
  const inNamespace = flags.namespace === undefined ? '' : ` -n ${shellWord(flags.namespace)}`;
  const open = commandLine(path, flags);
  const all = opened.flatMap(({ values }) => values);
  // Values that are not sealed yet get the narrowest scope.
  const isWhole = all.length === secrets.reduce((sum, { entries }) => sum + entries.length, 0);
  const present = new Set([...(isWhole ? [] : ['strict']), ...all.map(scopeOf)]);
  const narrowest = scopes.find((scope) => present.has(scope)) ?? 'strict';
  const scope = narrowest === 'strict' ? '' : ` --scope ${narrowest}`;
  const options = `${scope}${opened.some(becomesData) ? ' --string-data' : ''}`;
  const seal = `${open}${inNamespace} | kseal seal -f - -k NEW${inNamespace}${options}`;
  if (present.size <= 1) return options === '' ? [] : [`to keep that: ${seal}`];
  const others = opened.flatMap(({ secret: { name, namespace }, values }) => {
    const isNamed = secrets.length > 1 && name !== undefined;
    const place = isNamed && namespace !== undefined ? ` -n ${namespace}` : inNamespace;
    const [from, into] = isNamed ? [` --name ${name}`, ` ${name}`] : ['', ''];
    return values
      .filter((value) => scopeOf(value) !== narrowest)
      .map(({ entry: { key }, scope: own }) => {
        const replace = `kseal seal --into NEW.yaml${into}${place} -k NEW --stdin ${key} --keep-newline`;
        return `${open} --only ${key}${from}${place} | ${replace} --scope ${own}`;
      });
  });
  return [`to keep that, seal each scope separately: ${seal} -o NEW.yaml`, ...others];
}

/** The scope that a value of another tool gets is strict. */
const scopeOf = ({ scope = 'strict' }: OpenedValue): string => scope;

function commandLine(
  path: string,
  { key, config, acceptUnbound, allowRevoked }: DecryptFlags,
): string {
  return [
    `kseal decrypt ${path === '-' ? 'FILE' : shellWord(path)}`,
    ...key.map((reference) => `-k ${shellWord(reference)}`),
    ...(config === undefined ? [] : [`--config ${shellWord(config)}`]),
    ...(acceptUnbound ? ['--accept-unbound'] : []),
    ...(allowRevoked ? ['--allow-revoked'] : []),
  ].join(' ');
}

async function openRaw(
  io: IO,
  path: string,
  { namespace, name, dataKey = '' }: DecryptFlags,
  { keyring, policy }: UnsealOptions,
): Promise<Uint8Array> {
  const bytes = withoutFinalNewline(await readInput(io, path));
  const { opened, warnings, errors } = await unsealData({
    place: { namespace, name },
    data: new Map([[dataKey, bytes]]),
    read: (jwe) => readJwe(jwe, path),
    keyring,
    policy,
  });
  for (const message of warnings.values()) warn(io, { message: `${shownPath(path)}: ${message}` });
  const [error] = errors.values();
  if (error !== undefined) throw located(shownPath(path), error);
  const plaintext = opened.get(dataKey);
  if (plaintext === undefined) throw new Error('a JWE was neither opened nor refused');
  return plaintext;
}

/** Returns the webhook's answer to an AdmissionReview, byte for byte. */
async function answerReview(
  io: IO,
  path: string,
  { acceptUnbound = false, maxScope = DEFAULT_MAX_SCOPE }: DecryptFlags,
  { keyring }: UnsealOptions,
): Promise<string> {
  const request = await readNamed(await readInput(io, path, MAX_REVIEW_BYTES), shownPath(path));
  const acceptsUnbound = () => acceptUnbound;
  const context = { keyring, isKeyringComplete: true, acceptsUnbound, maxScope };
  return answerText((await review(request, context)).response);
}

async function readNamed(bytes: Uint8Array, shown: string): Promise<AdmissionRequest> {
  try {
    return await readReview(bytes);
  } catch (error) {
    throw located(shown, expected(error));
  }
}

/**
 * Adds to each error about an unknown kid its name in the configuration and, if any of
 * `references` is remote, the reason why its key version in the KMS cannot be used.
 */
async function explainUnknownKids(
  thrown: unknown,
  references: readonly string[],
  context: KeyContext,
): Promise<unknown> {
  const { config } = context;
  const errors = errorsOf(thrown);
  if (config === undefined || !errors.some(isUnknownKid)) return thrown;
  const statuses = await keyStatuses(config);
  const isOnline = references.some((reference) => isRemote(reference, context));
  const obstacles = new Map<string, KsealError | undefined>();
  const explain = async (error: unknown) => {
    if (!isUnknownKid(error)) return error;
    const [name = ''] = statuses.of(error.kid).names;
    const key = config.keys.get(name);
    if (key === undefined) return error;
    if (isOnline && !obstacles.has(name)) obstacles.set(name, await obstacleTo(key, context));
    const obstacle = obstacles.get(name);
    const problem = `${error.message}; in ${config.path} it is key ${name}`;
    const canOpen = key.private !== undefined || key.source !== undefined;
    return new KsealError(error.code, obstacle ? `${problem}: ${obstacle.message}` : problem, {
      hint: obstacle?.hint ?? (canOpen ? `-k ${name}` : error.hint),
      cause: obstacle?.cause,
    });
  };
  const explained: unknown[] = [];
  for (const error of errors) explained.push(await explain(error));
  return explained.length === 1 ? explained[0] : new AggregateError(explained);
}

function isUnknownKid(error: unknown): error is KsealError & { readonly kid: string } {
  return error instanceof KsealError && error.code === 'KEY_UNKNOWN' && error.kid !== undefined;
}

function isRemote(reference: string, { config }: KeyContext): boolean {
  const { kind } = parseReference(config?.keys.get(reference)?.source ?? reference);
  return kind === 'remote';
}

/** The error with which its provider refuses a key version in a KMS; undefined for any other key. */
async function obstacleTo(
  { source = '' }: ConfiguredKey,
  context: KeyContext,
): Promise<KsealError | undefined> {
  if (!/^gcpkms:/i.test(source) || !parseKmsReference(source).isVersion) return undefined;
  try {
    await fetchKey(source, context.cwd, context);
    return undefined;
  } catch (error) {
    return expectedErrors(error)[0];
  }
}
