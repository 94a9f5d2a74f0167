import { KsealError } from './errors.ts';
import { looksSealed, readSealedValue } from './jwe/detect.ts';
import { plaintextAnnotations } from './manifest/read-secret.ts';
import type { Field, SecretDocument } from './manifest/types.ts';
import {
  attempt,
  finish,
  keep,
  labelOf,
  leavePlain,
  newPlan,
  type Plan,
  type SealOptions,
  seal,
  takeOver,
} from './plan.ts';

/** A value given from outside the manifest; `sealed`: it is a JWE, compact or flattened. */
export interface NewValue {
  readonly key: string;
  readonly octets: Uint8Array;
  readonly sealed: boolean;
}

export interface Changes {
  readonly values: readonly NewValue[];
  /** Data keys to remove. */
  readonly remove: readonly string[];
}

/** Plans to seal every plaintext value of a Secret. */
export function planSecret(path: string, secret: SecretDocument, options: SealOptions): Plan {
  const plan = newPlan(secret);
  const rename = !options.stringData && holdsOnlyPlainStringData(secret);
  if (rename) plan.edits.push({ kind: 'rename-field', secret });
  for (const entry of secret.entries) {
    attempt(plan, labelOf(path, secret, entry), () => {
      const jwe = readSealedValue(entry.octets);
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
export function planChanges(
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
      const jwe = readSealedValue(entry.octets);
      return jwe ? keep(plan, entry.key, jwe, options) : leavePlain(plan, entry, path);
    });
  }
  for (const { key, octets, sealed } of values) {
    const value = { field: fieldFor(secret, key, options), key, octets };
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
    !entries.some(({ octets }) => looksSealed(octets))
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
