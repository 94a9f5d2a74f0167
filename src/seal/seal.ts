import pLimit from 'p-limit';
import { expectedErrors, KsealError, located, throwAll, type Warning } from '../errors.ts';
import { type Binding, bindingTo, type Scope } from '../jwe/binding.ts';
import { type CompactJwe, readCompact } from '../jwe/compact.ts';
import { compactText, looksSealed, readSealedValue } from '../jwe/detect.ts';
import { encryptCompact, type PublicKey } from '../jwe/encrypt.ts';
import { checkCount, checkSize, missingKeys } from '../kubernetes/secret.ts';
import { type Edit, editManifest } from '../manifest/edit.ts';
import { placeOf } from '../manifest/place.ts';
import { plaintextAnnotations } from '../manifest/read-secret.ts';
import {
  type Entry,
  type Field,
  type Manifest,
  problemError,
  type SecretDocument,
  secretLabel,
  where,
} from '../manifest/types.ts';
import { shellWord } from '../text.ts';
import { checkPlaintext, checkSealed, type ValuePolicy } from './value-warnings.ts';

/** A value given from outside the manifest; `sealed`: it is a JWE, compact or flattened. */
export interface NewValue {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly sealed: boolean;
}

interface Changes {
  readonly values: readonly NewValue[];
  /** Data keys to remove. */
  readonly remove: readonly string[];
}

/** Plans to seal every plaintext value of a Secret. */
function planSecret(path: string, secret: SecretDocument, options: SealOptions): Plan {
  const plan = newPlan(secret);
  const rename = !options.stringData && holdsOnlyPlainStringData(secret);
  if (rename) plan.edits.push({ kind: 'rename-field', secret });
  for (const entry of secret.entries) {
    attempt(plan, labelOf(path, secret, entry), () => {
      const jwe = readSealedValue(entry.bytes);
      const field = rename ? 'data' : entry.field;
      return jwe ? keep(plan, entry.key, jwe, options) : seal(plan, { ...entry, field }, options);
    });
  }
  for (const annotation of plaintextAnnotations(secret)) {
    plan.edits.push({ kind: 'remove-annotation', secret, annotation });
    plan.warnings.push({
      message: `${labelOf(path, secret)}: removed the annotation ${annotation}, which held plaintext`,
      hint: 'if it has been in Git, the values in it are known: change them',
    });
  }
  return finish(
    plan,
    path,
    secret.entries.map(({ key }) => key),
  );
}

/** Plans to add, replace and remove values; the others stay, and are checked if sealed. */
function planChanges(
  path: string,
  secret: SecretDocument,
  { values, remove }: Changes,
  options: SealOptions,
): Plan {
  const plan = newPlan(secret);
  attempt(plan, labelOf(path, secret), () => {
    for (const key of remove)
      plan.edits.push({ kind: 'remove', secret, field: fieldHolding(secret, key), key });
  });
  const touched = new Set([...remove, ...values.map(({ key }) => key)]);
  const staying = secret.entries.filter(({ key }) => !touched.has(key));
  for (const entry of staying) {
    attempt(plan, labelOf(path, secret, entry), () => {
      const jwe = readSealedValue(entry.bytes);
      return jwe ? keep(plan, entry.key, jwe, options) : leavePlain(plan, entry, path);
    });
  }
  for (const { key, bytes, sealed } of values) {
    const value = { field: fieldFor(secret, key, options), key, bytes };
    attempt(plan, labelOf(path, secret, { key }), () =>
      sealed ? takeOver(plan, value, options) : seal(plan, value, options),
    );
  }
  return finish(
    plan,
    path,
    [...staying, ...values].map(({ key }) => key),
  );
}

/** Whether the field can be renamed to `data` without touching a value that is sealed already. */
function holdsOnlyPlainStringData({ fields, entries }: SecretDocument): boolean {
  return (
    fields.has('stringData') &&
    !fields.has('data') &&
    !entries.some(({ bytes }) => looksSealed(bytes))
  );
}

function fieldHolding(secret: SecretDocument, key: string): Field {
  const entry = secret.entries.find((candidate) => candidate.key === key);
  if (entry !== undefined) return entry.field;
  const present = secret.entries.map((candidate) => candidate.key).join(', ') || 'none';
  throw new KsealError('USAGE', `no data key "${key}" to remove; it has: ${present}`, {
    hint: 'check the spelling',
  });
}

/** The field comes from the manifest; a new `data` is better than a new `stringData` (design). */
function fieldFor({ entries, fields }: SecretDocument, key: string, options: SealOptions): Field {
  const old = entries.find((entry) => entry.key === key)?.field;
  if (old !== undefined) return old;
  if (options.stringData) return 'stringData';
  return fields.has('stringData') && !fields.has('data') ? 'stringData' : 'data';
}

export interface SealOptions {
  readonly scope: Scope;
  /** The namespace of manifests that name none; it is bound, never written. */
  readonly namespace: string | undefined;
  /** New values stand as JWE under `stringData`. */
  readonly stringData: boolean;
  readonly policy: ValuePolicy;
  /** The keys that values sealed before may be sealed to; undefined: no key to judge by. */
  readonly knownKids: ReadonlySet<string> | undefined;
}

/** A plaintext that passed every check. */
interface Job {
  readonly field: Field;
  readonly key: string;
  readonly plaintext: Uint8Array;
  readonly binding: Binding;
}

/** What is to be done to one Secret, and what was found on the way. */
interface Plan {
  readonly secret: SecretDocument;
  readonly edits: Edit[];
  readonly jobs: Job[];
  readonly warnings: Warning[];
  readonly errors: KsealError[];
  kept: number;
  /** What the values add up to once they are opened, in bytes, so far. */
  bytes: number;
}

type Value = Pick<Entry, 'field' | 'key' | 'bytes'>;

function newPlan(secret: SecretDocument): Plan {
  return { secret, edits: [], jobs: [], warnings: [], errors: [], kept: 0, bytes: 0 };
}

/** Collects what `action` warns of or throws, with the place in front. */
function attempt(plan: Plan, label: string, action: () => readonly Warning[] | undefined): void {
  try {
    const warnings = action() ?? [];
    plan.warnings.push(
      ...warnings.map(({ message, hint }) => ({ message: `${label}: ${message}`, hint })),
    );
  } catch (thrown) {
    plan.errors.push(...expectedErrors(thrown).map((error) => located(label, error)));
  }
}

function seal(plan: Plan, { field, key, bytes }: Value, options: SealOptions): readonly Warning[] {
  const warnings = checkPlaintext(bytes, key, plan.secret.type, options.policy);
  const place = { ...placeOf(plan.secret, options.namespace), key };
  plan.jobs.push({ field, key, plaintext: bytes, binding: bindingTo(options.scope, place) });
  plan.bytes += bytes.length;
  return warnings;
}

function keep(plan: Plan, key: string, jwe: CompactJwe, options: SealOptions): readonly Warning[] {
  const place = { ...placeOf(plan.secret, options.namespace), key };
  plan.kept++;
  // CBC fills up to the next whole block, so this is the least that the plaintext may have.
  plan.bytes += jwe.ciphertext.length - 16;
  return checkSealed(jwe, place, options.knownKids);
}

function takeOver(
  plan: Plan,
  { field, key, bytes }: Value,
  options: SealOptions,
): readonly Warning[] {
  const compact = Buffer.from(compactText(bytes));
  plan.edits.push({ kind: 'set', secret: plan.secret, field, key, bytes: compact });
  return keep(plan, key, readCompact(compact), options);
}

function leavePlain(plan: Plan, { bytes }: Entry, path: string): readonly Warning[] {
  plan.bytes += bytes.length;
  return [
    {
      message: 'the value there is still plaintext',
      hint: `seal the whole file: kseal seal -f ${shellWord(path)} -i`,
    },
  ];
}

function finish(plan: Plan, path: string, keys: readonly string[]): Plan {
  const { secret } = plan;
  attempt(plan, labelOf(path, secret), () => {
    checkCount(plan.jobs.length + plan.kept);
    return undefined;
  });
  attempt(plan, labelOf(path, secret), () => [
    ...checkSize(plan.bytes),
    ...missingKeys(secret.type, new Set(keys)).map((missing) => ({
      message: `type ${secret.type} requires data key ${missing}, which is missing`,
      hint: `add it: kseal seal --into ${shellWord(path || 'FILE')} --prompt KEY`,
    })),
  ]);
  return plan;
}

/** `deploy/db.yaml:11:13: Secret hr/db, data key "password"`; a manifest still to be made has no path. */
function labelOf(
  path: string,
  secret: SecretDocument,
  entry?: { key: string; position?: Entry['position'] },
): string {
  const label = where(path, entry?.position ?? secret.position, secretLabel(secret), entry?.key);
  return path === '' ? label.replace(/^:\d+:\d+: /, '') : label;
}

/** How many values are sealed at once. */
const PARALLEL = 16;

export interface Sealed {
  /** The whole text of the manifest after sealing. */
  readonly text: string;
  readonly warnings: readonly Warning[];
  /** How many values were sealed now, and how many had been before and stay. */
  readonly sealed: number;
  readonly kept: number;
}

/** Seals every plaintext value of a manifest. Throws all that is wrong with it at once. */
export async function sealManifest(
  manifest: Manifest,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  throwAll(manifest.problems.map((problem) => problemError(manifest.path, problem)));
  const plans = manifest.secrets.map((secret) => planSecret(manifest.path, secret, options));
  return carryOut(manifest, plans, key);
}

/**
 * Adds, replaces and removes values of one Secret of a manifest; the others stay as they are.
 * `key` may be absent where every new value is sealed already.
 */
export async function sealInto(
  manifest: Manifest,
  secret: SecretDocument,
  changes: Changes,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  return carryOut(manifest, [planChanges(manifest.path, secret, changes, options)], key);
}

/** Nothing is sealed while anything is wrong with any Secret. */
async function carryOut(
  manifest: Manifest,
  plans: readonly Plan[],
  key: PublicKey | undefined,
): Promise<Sealed> {
  throwAll(plans.flatMap<KsealError>(({ errors }) => errors));
  const jobs = plans.flatMap((plan) => plan.jobs.map((job) => ({ ...job, secret: plan.secret })));
  const edits = await pLimit(PARALLEL).map(
    jobs,
    async ({ secret, field, key: dataKey, plaintext, binding }) => {
      if (key === undefined) throw new Error('a value to seal, and no key');
      const bytes = Buffer.from(await encryptCompact(plaintext, binding, key));
      return { kind: 'set', secret, field, key: dataKey, bytes } satisfies Edit;
    },
  );
  return {
    text: editManifest(manifest, [...plans.flatMap((plan) => plan.edits), ...edits]),
    warnings: plans.flatMap(({ warnings }) => warnings),
    sealed: jobs.length,
    kept: plans.reduce((sum, { kept }) => sum + kept, 0),
  };
}
