import { type Command, Option } from 'commander';
import { KsealError, located } from '../errors.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import { compactText } from '../jwe/detect.ts';
import { selectSecret } from '../manifest/read.ts';
import { type UnsealOptions, unsealEntry, unsealManifest } from '../unseal/manifest.ts';
import { unsealData } from '../unseal/unseal.ts';
import { addKeyOptions, configFor, type KeyFlags, keyContext } from './context.ts';
import { noSecret, readInput, readManifestFile, repeated, shownPath } from './input.ts';
import type { IO } from './io.ts';
import { openingKeys, openingReferences } from './key.ts';
import { checkOutput, writeResult } from './output.ts';
import { say, warn } from './print.ts';
import { answerReview, checkReviewFlags } from './review.ts';
import { explainUnknownKids } from './unknown-key.ts';

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
    .option('--only <key>', 'open this one value and print its exact octets')
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
    const { octets, warnings } = await unsealEntry(manifest, secret, flags.only, options);
    for (const warning of warnings) warn(io, warning);
    return octets;
  }
  const { text, warnings, opened } = await unsealManifest(manifest, options);
  for (const warning of warnings) warn(io, warning);
  if (manifest.secrets.length === 0) throw noSecret(path);
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
  const octets = Buffer.from(compactText(await readInput(io, path)));
  const data = new Map([[dataKey, octets]]);
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
