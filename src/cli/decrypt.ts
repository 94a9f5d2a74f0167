import { type Command, Option } from 'commander';
import type { ConfiguredKey } from '../config/config.ts';
import { errorsOf, KsealError, located } from '../errors.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { compactText } from '../jwe/detect.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { type KeyStatuses, keyStatuses } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { fetchKey, type KeyContext } from '../keys/resolve.ts';
import { noSecret, selectSecret } from '../manifest/read.ts';
import { type UnsealOptions, unsealEntry, unsealManifest } from '../unseal/manifest.ts';
import { unsealData } from '../unseal/unseal.ts';
import {
  type AdmissionRequest,
  answerText,
  MAX_REVIEW_BYTES,
  readReview,
} from '../webhook/admission-review.ts';
import { DEFAULT_MAX_SCOPE, review } from '../webhook/review.ts';
import {
  checkOutput,
  readInput,
  readManifestFile,
  repeated,
  shownPath,
  writeResult,
} from './files.ts';
import type { IO } from './io.ts';
import {
  addKeyOptions,
  configFor,
  type KeyFlags,
  keyContext,
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
    .argument('[file]', 'the manifest; - or nothing is stdin')
    .option('-f, --file <file>', 'the manifest', repeated, none)
    .option('-k, --key <ref>', 'a private key to open with (or KSEAL_DECRYPT_KEY)', repeated, none)
    .option('-n, --namespace <name>', 'the namespace of a manifest that names none')
    .option('--name <name>', 'which Secret, where there are several')
    .option('--only <key>', 'open this one value and print its exact bytes')
    .option('--raw <file>', 'open one bare JWE, given --name, -n and --data-key')
    .option('--data-key <key>', 'with --raw: the data key that the value stood under')
    .option('--review', 'read an AdmissionReview and print what the webhook would answer')
    .addOption(
      new Option('--max-scope <scope>', 'with --review: the widest scope that is opened').choices(
        scopes,
      ),
    )
    .option('-o, --output <file>', 'write here (mode 0600) instead of stdout')
    .option('--force', 'overwrite an output that exists')
    .option('--accept-unbound', 'open values of other tools, which are bound to no place')
    .option('--allow-revoked', 'open values that are sealed to a revoked key')
    .action((file: string | undefined, flags: DecryptFlags) => decrypt(io, file, flags));
}

async function decrypt(io: IO, argument: string | undefined, flags: DecryptFlags): Promise<void> {
  checkReviewFlags(flags);
  const path = inputOf(io, argument, flags);
  const references = openingReferences(io, flags.key);
  checkOutput(io, flags, {
    manifests: [path],
    hint: 'give another name: a plaintext never replaces what is sealed',
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

/** The one input; several, or none on a terminal, are usage errors. */
function inputOf(io: IO, argument: string | undefined, flags: DecryptFlags): string {
  const { file, raw, name, only, dataKey } = flags;
  const inputs = [argument, ...file, raw].filter((path) => path !== undefined);
  if (inputs.length > 1) {
    throw new KsealError('USAGE', 'one manifest at a time', {
      hint: 'run kseal decrypt once a file',
    });
  }
  if (raw === undefined && dataKey !== undefined) throw onlyWith('--data-key', '--raw FILE');
  if (raw === undefined && only === undefined && name !== undefined)
    throw onlyWith('--name', '--only KEY');
  if (raw !== undefined && only !== undefined) throw onlyWith('--only', 'a manifest');
  const [path = '-'] = inputs;
  if (path === '-' && io.stdin.isTTY) {
    throw new KsealError('USAGE', 'no manifest given', { hint: 'kseal decrypt FILE -k key.pem' });
  }
  return path;
}

function onlyWith(flag: string, other: string): KsealError {
  return new KsealError('USAGE', `${flag} goes with ${other}`, { hint: 'kseal decrypt --help' });
}

async function openManifest(
  io: IO,
  path: string,
  flags: DecryptFlags,
  options: UnsealOptions,
): Promise<string | Uint8Array> {
  const manifest = await readManifestFile(io, path);
  if (flags.only !== undefined) {
    const secret = selectSecret(manifest, { name: flags.name, namespace: flags.namespace });
    const { bytes, warnings } = await unsealEntry(manifest, secret, flags.only, options);
    warnAbout(io, manifest.path, warnings);
    return bytes;
  }
  const { text, warnings, opened } = await unsealManifest(manifest, options);
  warnAbout(io, manifest.path, warnings);
  if (manifest.secrets.length === 0) throw noSecret(shownPath(path));
  if (opened === 0) warn(io, { message: `${shownPath(path)}: holds no sealed value` });
  if (opened > 0 && flags.output === undefined && !io.stdout.isTTY) {
    say(
      io,
      'note',
      'kubectl apply would keep this plaintext in an annotation; kubectl create does not, nor does apply --server-side',
    );
  }
  return text;
}

async function openRaw(
  io: IO,
  path: string,
  { namespace, name, dataKey = '' }: DecryptFlags,
  { keyring, policy }: UnsealOptions,
): Promise<Uint8Array> {
  const bytes = Buffer.from(compactText(await readInput(io, path)));
  const data = new Map([[dataKey, bytes]]);
  const { opened, warnings, errors } = await unsealData({
    place: { namespace, name },
    data,
    keyring,
    policy,
  });
  for (const message of warnings.values()) warn(io, { message: `${shownPath(path)}: ${message}` });
  const [error] = errors.values();
  if (error !== undefined) throw located(shownPath(path), error);
  const plaintext = opened.get(dataKey);
  if (plaintext !== undefined) return plaintext;
  throw new KsealError('JWE_REFUSED', `${shownPath(path)}: is no sealed value`, {
    hint: 'for a manifest leave --raw away',
  });
}

interface ReviewFlags {
  readonly review?: boolean;
  readonly acceptUnbound?: boolean;
  readonly maxScope?: Scope;
}

/** What only a manifest has or only the terminal may do, and an AdmissionReview does not know. */
const foreign = ['only', 'raw', 'name', 'namespace', 'dataKey', 'allowRevoked'] as const;

/** Refuses options that go with --review only, or not with it. Throws USAGE. */
export function checkReviewFlags(
  flags: ReviewFlags & { readonly [name in (typeof foreign)[number]]?: unknown },
): void {
  const hint = 'kseal decrypt --help';
  const wrong = foreign.find((name) => flags.review && flags[name] !== undefined);
  if (wrong !== undefined) {
    const flag = `--${wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new KsealError('USAGE', `${flag} does not go with --review`, { hint });
  }
  if (flags.maxScope !== undefined && !flags.review) {
    throw new KsealError('USAGE', '--max-scope goes with --review', { hint });
  }
}

/** Reads an AdmissionReview and returns, byte for byte, what the webhook would answer. */
export async function answerReview(
  io: IO,
  path: string,
  { acceptUnbound = false, maxScope = DEFAULT_MAX_SCOPE }: ReviewFlags,
  { keyring }: { readonly keyring: readonly OpeningKey[] },
): Promise<string> {
  const request = readNamed(await readInput(io, path, MAX_REVIEW_BYTES), shownPath(path));
  const acceptsUnbound = () => acceptUnbound;
  const context = { keyring, isKeyringComplete: true, acceptsUnbound, maxScope };
  return answerText((await review(request, context)).response);
}

function readNamed(bytes: Uint8Array, shown: string): AdmissionRequest {
  try {
    return readReview(bytes);
  } catch (error) {
    throw error instanceof KsealError ? located(shown, error) : error;
  }
}

/**
 * Adds to each error about a kid that none of `references` has what the configuration knows of
 * it: its name and, if a remote key was asked anyway, why its key version in a KMS does not open.
 */
export async function explainUnknownKids(
  thrown: unknown,
  references: readonly string[],
  context: KeyContext,
): Promise<unknown> {
  const errors = errorsOf(thrown);
  if (context.config === undefined || !errors.some(isUnknownKid)) return thrown;
  const statuses = await keyStatuses(context.config);
  const isOnline = references.some((reference) => isRemote(reference, context));
  const obstacles = new Map<string, KsealError | undefined>();
  const explained: unknown[] = [];
  for (const error of errors) {
    const name = nameOf(error, statuses);
    const source = sourceOf(name, context);
    if (isOnline && source !== undefined && !obstacles.has(source))
      obstacles.set(source, await obstacleTo(source, context));
    explained.push(named(error, name, obstacles.get(source ?? ''), context));
  }
  return explained.length === 1 ? explained[0] : new AggregateError(explained);
}

function isUnknownKid(error: unknown): error is KsealError {
  return error instanceof KsealError && error.code === 'KEY_UNKNOWN' && error.kid !== undefined;
}

function isRemote(reference: string, { config }: KeyContext): boolean {
  const { kind } = parseReference(config?.keys.get(reference)?.source ?? reference);
  return kind === 'remote';
}

function nameOf(error: unknown, statuses: KeyStatuses): string | undefined {
  const kid = isUnknownKid(error) ? error.kid : undefined;
  return kid === undefined ? undefined : statuses.of(kid).names[0];
}

/** The one key version that a configured key lives in. */
function sourceOf(name: string | undefined, { config }: KeyContext): string | undefined {
  const { source }: ConfiguredKey = config?.keys.get(name ?? '') ?? {};
  if (source === undefined || !/^gcpkms:/i.test(source)) return undefined;
  return parseKmsReference(source).isVersion ? source : undefined;
}

/** Why a key version cannot be used, in the words of its provider. */
async function obstacleTo(source: string, context: KeyContext): Promise<KsealError | undefined> {
  try {
    await fetchKey(source, context.cwd, context);
    return undefined;
  } catch (error) {
    if (error instanceof KsealError) return error;
    throw error;
  }
}

function named(
  error: unknown,
  name: string | undefined,
  obstacle: KsealError | undefined,
  { config }: KeyContext,
): unknown {
  if (!(error instanceof KsealError) || name === undefined) return error;
  const { source, private: file }: ConfiguredKey = config?.keys.get(name) ?? {};
  const opens = file !== undefined || source !== undefined;
  const message = `${error.message}; in ${config?.path} it is key ${name}`;
  return new KsealError(error.code, obstacle ? `${message}: ${obstacle.message}` : message, {
    hint: obstacle?.hint ?? (opens ? `-k ${name}` : error.hint),
    cause: obstacle?.cause,
  });
}
