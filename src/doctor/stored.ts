import pLimit from 'p-limit';
import { expected } from '../errors.ts';
import { checkBinding } from '../jwe/binding.ts';
import { looksSealed, readSealedValue } from '../jwe/detect.ts';
import { counted, listOf, printable, shellWord } from '../text.ts';
import { STILL_SEALED, shortened } from '../webhook/denial.ts';
import { POLICY } from '../webhook/install/admission.ts';
import { NAME } from '../webhook/install/options.ts';
import { type Answer, type Cluster, ClusterError, UNEXPECTED } from './kubernetes.ts';

/** A Secret as the API server stores it; the parts that decide whether it can be opened. */
export interface Secret {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
  };
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string | null>> | null;
}

/** A Secret that was found stored sealed. */
export interface Stored {
  readonly namespace: string;
  readonly name: string;
  /** `sealed`: the webhook may open it. `failed`: it stays sealed, for the reason in the message. */
  readonly outcome: 'sealed' | 'opened' | 'failed';
  /** Names data keys, places and key fingerprints, and never quotes a value. */
  readonly message: string;
  readonly hint?: string | undefined;
}

/** One of all Secrets. */
export interface Swept {
  /** Undefined if it is not stored sealed. */
  readonly stored: Stored | undefined;
  /** About how many Secrets follow. */
  readonly left: number;
}

export interface SweepOptions {
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  /** Whether to have the webhook open the values, or only to list them. */
  readonly isWriting: boolean;
}

/** The most writes at the same time: each is a call of the webhook, and several calls to a KMS. */
const PARALLEL = 8;

/** How often a Secret is read again that somebody else changes meanwhile. */
const TRIES = 5;

/** The most characters of a problem that the cluster reports. */
const MAX_PROBLEM = 1000;

/**
 * Finds the Secrets that are stored sealed, and has the webhook open them. Only one page of Secrets
 * is in memory. Throws a ClusterError if the Secrets cannot be listed.
 */
export async function* sweep(
  cluster: Cluster,
  { namespace, isWriting }: SweepOptions,
): AsyncGenerator<Swept> {
  const path = secretsIn(namespace);
  const right = namespace === undefined ? 'list secrets' : `list secrets in ${namespace}`;
  let left = await countOf(cluster, path, right);
  const limit = pLimit(PARALLEL);
  for await (const page of cluster.pages(path, right)) {
    if (page.some((one: unknown) => typeof one !== 'object' || one === null))
      throw unexpected(cluster);
    const results = page.map((secret: Secret) => {
      if (sealedIn(secret).length === 0) return undefined;
      return limit(() => (isWriting ? healed(cluster, secret) : listed(cluster, secret)));
    });
    const settled = Promise.allSettled(results);
    try {
      for (const result of results) {
        left = Math.max(0, left - 1);
        yield { stored: await result, left };
      }
    } finally {
      // An error ends the sweep, but no write without its answer.
      await settled;
    }
  }
}

/** The values that the webhook is called for, by data key. */
export function sealedIn({ data }: Secret): readonly (readonly [key: string, bytes: Buffer])[] {
  return Object.entries(data ?? {}).flatMap(([key, value]) =>
    isSealed(value) ? [[key, Buffer.from(value, 'base64')] as const] : [],
  );
}

/** Decodes as many characters as the longest beginning needs. */
const isSealed = (value: string | null): value is string =>
  typeof value === 'string' && looksSealed(Buffer.from(value.slice(0, 32), 'base64'));

const secretsIn = (namespace: string | undefined) =>
  namespace === undefined
    ? '/api/v1/secrets'
    : `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;

/** The number of Secrets, for the progress; 0 if the API server does not tell. */
async function countOf({ get }: Cluster, path: string, right: string): Promise<number> {
  const { metadata } = (await get(`${path}?limit=1`, right)) ?? {};
  const { remainingItemCount: rest } = (metadata ?? {}) as { remainingItemCount?: unknown };
  return typeof rest === 'number' ? rest + 1 : 0;
}

/** Throws a ClusterError for an object that is not a stored Secret. */
function placeOf(cluster: Cluster, { metadata }: Secret) {
  const { namespace, name, resourceVersion } = metadata ?? {};
  if (namespace === undefined || name === undefined || resourceVersion === undefined)
    throw unexpected(cluster);
  return { namespace, name, resourceVersion };
}

const unexpected = ({ server, hint }: Cluster) =>
  new ClusterError('failed', `${server}: ${UNEXPECTED}`, hint);

type Place = Pick<Stored, 'namespace' | 'name'>;

function listed(cluster: Cluster, secret: Secret): Stored {
  const { namespace, name } = placeOf(cluster, secret);
  const place = { namespace, name };
  const obstacle = obstacleTo(cluster, secret, place);
  if (obstacle !== undefined) return failed(place, obstacle);
  const kids = sealedIn(secret).flatMap(([, bytes]) => readSealedValue(bytes)?.header.kid ?? []);
  return {
    ...place,
    outcome: 'sealed',
    message: `${valuesOf(secret)}, key ${listOf([...new Set(kids)])}`,
  };
}

const valuesOf = (secret: Secret) => counted(sealedIn(secret).length, 'value');

const failed = (place: Place, { message, hint }: Omit<Obstacle, 'isPartial'>): Stored => {
  return { ...place, outcome: 'failed', message, hint };
};

interface Obstacle {
  readonly message: string;
  readonly hint: string | undefined;
  /** Other values of the Secret can be opened. */
  readonly isPartial?: boolean;
}

/** Why a Secret cannot be opened where it is stored, whatever keys the webhook has. */
function obstacleTo(cluster: Cluster, secret: Secret, place: Place): Obstacle | undefined {
  const { namespace, name } = place;
  if (secret.metadata?.deletionTimestamp !== undefined) {
    return {
      message: 'is being deleted, and waits for its finalizers',
      hint: kubectl(cluster, place, "get secret NAME -o jsonpath='{.metadata.finalizers}'"),
    };
  }
  const values = sealedIn(secret);
  const problems = values.flatMap((value) => problemWith(value, place) ?? []);
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length > 1 ? `; and ${counted(problems.length - 1, 'more value')}` : '';
    return {
      message: `${first.message}${more}`,
      hint: `seal the values for this place, and apply them: kseal seal ${shellWord(name)} -n ${shellWord(namespace)}`,
      isPartial: problems.length < values.length && problems.every(({ isLeft }) => isLeft),
    };
  }
  if (secret.immutable !== true) return undefined;
  const deletion = kubectl(cluster, place, 'delete secret NAME');
  return { message: 'is immutable', hint: `${deletion}, then apply its manifest again` };
}

interface Problem {
  readonly message: string;
  /** The webhook leaves the value alone, and opens the others. */
  readonly isLeft?: boolean;
}

function problemWith([key, bytes]: readonly [string, Buffer], place: Place): Problem | undefined {
  const thing = `data key "${key}"`;
  try {
    const binding = readSealedValue(bytes)?.header.binding;
    if (binding === undefined)
      return { message: `${thing}: not bound to a Secret: sealed by another tool`, isLeft: true };
    checkBinding(binding, { ...place, key });
    return undefined;
  } catch (thrown) {
    return { message: `${thing}: ${expected(thrown).message}` };
  }
}

/** The result of a write. Undefined if the Secret is gone, or no longer stored sealed. */
async function healed(cluster: Cluster, secret: Secret): Promise<Stored | undefined> {
  const { namespace, name } = placeOf(cluster, secret);
  const place = { namespace, name };
  try {
    return await heal(cluster, secret, place, TRIES);
  } catch (error) {
    if (error instanceof ClusterError) return failed(place, error);
    throw error;
  }
}

/** Sends a change of nothing, with which the API server calls the webhook. Throws a ClusterError. */
async function heal(
  cluster: Cluster,
  secret: Secret,
  place: Place,
  tries: number,
): Promise<Stored | undefined> {
  const obstacle = obstacleTo(cluster, secret, place);
  if (obstacle !== undefined && !obstacle.isPartial) return failed(place, obstacle);
  const path = `${secretsIn(place.namespace)}/${encodeURIComponent(place.name)}`;
  // With its version, a Secret that has changed meanwhile is not written.
  const { resourceVersion } = placeOf(cluster, secret);
  const answer = await cluster.patch(`${path}?fieldManager=kseal`, {
    metadata: { resourceVersion },
  });
  if (answer.status === 404) return undefined;
  if (answer.status === 409 && tries > 1) {
    const now = await readAgain(cluster, place);
    return now && heal(cluster, now, place, tries - 1);
  }
  if (answer.status !== 200 || answer.body === undefined)
    return failed(place, refusalIn(cluster, place, answer));
  if (sealedIn(answer.body).length > 0)
    return failed(place, obstacle ?? leftSealed(cluster, answer));
  return { ...place, outcome: 'opened', message: valuesOf(secret) };
}

/** With the right to list Secrets, which is needed anyway. Undefined if it is not stored sealed. */
async function readAgain({ pages }: Cluster, { namespace, name }: Place) {
  const query = `?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
  for await (const page of pages(`${secretsIn(namespace)}${query}`, `list secrets in ${namespace}`))
    for (const secret of page) if (sealedIn(secret).length > 0) return secret;
  return undefined;
}

/** Why an update was accepted, but the values stay sealed. */
function leftSealed({ flags }: Cluster, { warnings }: Answer): Obstacle {
  // A warning of another webhook may quote a value.
  const reasons = warnings.filter((text) => text.startsWith(STILL_SEALED));
  if (reasons.length === 0)
    return { message: 'the webhook was not called', hint: `kseal doctor --cluster${flags}` };
  return {
    message: shortened(reasons.join('; '), MAX_PROBLEM),
    hint: 'run the command again when the webhook can use the key, or seal and apply the values again',
  };
}

/** How the API server reports what the webhook answers, and that it does not answer. */
const ofWebhook = new RegExp(
  `^(?:admission|Internal error occurred: failed calling) webhook "${NAME}\\.`,
);

/** Why an update was refused. */
function refusalIn(cluster: Cluster, place: Place, { status, body }: Answer): Obstacle {
  const [text, reason] = [`${body?.message ?? ''}`, `${body?.reason ?? ''}`];
  const { flags } = cluster;
  const hints: Readonly<Record<number, string>> = {
    403: `kubectl${flags} auth can-i patch secrets -n ${shellWord(printable(place.namespace))}`,
    409: 'something changes the Secret all the time; run the command again',
    500: `kseal doctor --cluster${flags}`,
  };
  // The text of another webhook may quote a value, and that of kseal ends with a hint.
  if (ofWebhook.test(text) || text.includes(`'${POLICY}'`)) {
    const hint = status === 500 ? hints[status] : undefined;
    return { message: shortened(text, MAX_PROBLEM), hint };
  }
  const message = `refused with status ${status}${reason && ` (${shortened(reason, 50)})`}`;
  const show = kubectl(cluster, place, "patch secret NAME --type merge -p '{}' --dry-run=server");
  return { message, hint: hints[status] ?? show };
}

/** A command of kubectl; `NAME` is the Secret. */
function kubectl({ flags }: Cluster, { namespace, name }: Place, command: string): string {
  const [before, after] = command.split('NAME');
  return `kubectl${flags} -n ${shellWord(printable(namespace))} ${before}${shellWord(printable(name))}${after}`;
}
