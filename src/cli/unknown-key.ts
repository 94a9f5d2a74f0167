import type { ConfiguredKey } from '../config/config.ts';
import { errorsOf, KsealError } from '../errors.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { type Standings, standingsIn } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { fetchKey, type KeyContext } from '../keys/resolve.ts';

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
  const standings = await standingsIn(context.config);
  const isOnline = references.some((reference) => isRemote(reference, context));
  const obstacles = new Map<string, KsealError | undefined>();
  const explained: unknown[] = [];
  for (const error of errors) {
    const name = nameOf(error, standings);
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

function nameOf(error: unknown, standings: Standings): string | undefined {
  const kid = isUnknownKid(error) ? error.kid : undefined;
  return kid === undefined ? undefined : standings.of(kid).names[0];
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
