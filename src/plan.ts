import { expectedErrors, type KsealError, located, type Warning } from './errors.ts';
import { type Binding, bindingTo, type Scope } from './jwe/binding.ts';
import { type CompactJwe, readCompact } from './jwe/compact.ts';
import { compactText } from './jwe/detect.ts';
import { checkCount, checkSize, missingKeys } from './kubernetes/secret.ts';
import type { Edit } from './manifest/edit.ts';
import { placeOf } from './manifest/place.ts';
import {
  type Entry,
  type Field,
  type SecretDocument,
  secretLabel,
  where,
} from './manifest/types.ts';
import { checkPlaintext, checkSealed, type ValuePolicy } from './secret/checks.ts';
import { shellWord } from './text.ts';

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
export interface Job {
  readonly field: Field;
  readonly key: string;
  readonly plaintext: Uint8Array;
  readonly binding: Binding;
}

/** What is to be done to one Secret, and what was found on the way. */
export interface Plan {
  readonly secret: SecretDocument;
  readonly edits: Edit[];
  readonly jobs: Job[];
  readonly warnings: Warning[];
  readonly errors: KsealError[];
  kept: number;
  /** What the values add up to once they are opened, in octets, so far. */
  octets: number;
}

export type Value = Pick<Entry, 'field' | 'key' | 'octets'>;

export function newPlan(secret: SecretDocument): Plan {
  return { secret, edits: [], jobs: [], warnings: [], errors: [], kept: 0, octets: 0 };
}

/** Collects what `action` warns of or throws, with the place in front. */
export function attempt(
  plan: Plan,
  label: string,
  action: () => readonly Warning[] | undefined,
): void {
  try {
    const warnings = action() ?? [];
    plan.warnings.push(
      ...warnings.map(({ message, hint }) => ({ message: `${label}: ${message}`, hint })),
    );
  } catch (thrown) {
    plan.errors.push(...expectedErrors(thrown).map((error) => located(label, error)));
  }
}

export function seal(
  plan: Plan,
  { field, key, octets }: Value,
  options: SealOptions,
): readonly Warning[] {
  const warnings = checkPlaintext(octets, key, plan.secret.type, options.policy);
  const place = { ...placeOf(plan.secret, options.namespace), key };
  plan.jobs.push({ field, key, plaintext: octets, binding: bindingTo(options.scope, place) });
  plan.octets += octets.length;
  return warnings;
}

export function keep(
  plan: Plan,
  key: string,
  jwe: CompactJwe,
  options: SealOptions,
): readonly Warning[] {
  const place = { ...placeOf(plan.secret, options.namespace), key };
  plan.kept++;
  // CBC fills up to the next whole block, so this is the least that the plaintext may have.
  plan.octets += jwe.ciphertext.length - 16;
  return checkSealed(jwe, place, options.knownKids);
}

export function takeOver(
  plan: Plan,
  { field, key, octets }: Value,
  options: SealOptions,
): readonly Warning[] {
  const compact = Buffer.from(compactText(octets));
  plan.edits.push({ kind: 'set', secret: plan.secret, field, key, octets: compact });
  return keep(plan, key, readCompact(compact), options);
}

export function leavePlain(plan: Plan, { octets }: Entry, path: string): readonly Warning[] {
  plan.octets += octets.length;
  return [
    {
      message: 'the value there is still plaintext',
      hint: `seal the whole file: kseal seal -f ${shellWord(path)} -i`,
    },
  ];
}

export function finish(plan: Plan, path: string, keys: readonly string[]): Plan {
  const { secret } = plan;
  attempt(plan, labelOf(path, secret), () => {
    checkCount(plan.jobs.length + plan.kept);
    return undefined;
  });
  attempt(plan, labelOf(path, secret), () => [
    ...checkSize(plan.octets),
    ...missingKeys(secret.type, new Set(keys)).map((missing) => ({
      message: `type ${secret.type} requires data key ${missing}, which is missing`,
      hint: `add it: kseal seal --into ${shellWord(path || 'FILE')} --prompt KEY`,
    })),
  ]);
  return plan;
}

/** `deploy/db.yaml:11:13: Secret hr/db, data key "password"`; a manifest still to be made has no path. */
export function labelOf(
  path: string,
  secret: SecretDocument,
  entry?: { key: string; position?: Entry['position'] },
): string {
  const label = where(path, entry?.position ?? secret.position, secretLabel(secret), entry?.key);
  return path === '' ? label.replace(/^:\d+:\d+: /, '') : label;
}
