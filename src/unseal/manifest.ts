import { type Diagnostic, errorFor, locationOf } from '../diagnostic.ts';
import { expectedErrors, type KsealError, located, throwAll } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { readSealedValue } from '../jwe/detect.ts';
import { type Edit, editManifest } from '../manifest/edit.ts';
import { locationIn, placeOf } from '../manifest/place.ts';
import type { Entry, Manifest, SecretDocument } from '../manifest/types.ts';
import { decodeUtf8, listOf } from '../text.ts';
import { type OpeningPolicy, unsealData } from './unseal.ts';

export interface UnsealOptions {
  readonly keyring: readonly OpeningKey[];
  readonly policy: OpeningPolicy;
  /** The namespace of Secrets without one. */
  readonly namespace: string | undefined;
}

interface Unsealed {
  /** The text of the manifest with its sealed values opened. */
  readonly text: string;
  readonly warnings: readonly Diagnostic[];
  /** The Secrets with a value that was opened. */
  readonly opened: readonly OpenedSecret[];
}

export interface OpenedSecret {
  readonly secret: SecretDocument;
  readonly values: readonly OpenedValue[];
}

export interface OpenedValue {
  /** The sealed value in the manifest. */
  readonly entry: Entry;
  readonly plaintext: Uint8Array;
  /** Undefined for a value of another tool. */
  readonly scope: Scope | undefined;
  /** Whether it is not UTF-8, which stringData requires, so it is now under data. */
  readonly moved: boolean;
}

/** Opens every sealed value of a manifest, all or none. Throws every error at once. */
export async function unsealManifest(
  manifest: Manifest,
  options: UnsealOptions,
): Promise<Unsealed> {
  throwAll(manifest.problems.map((problem) => errorFor(manifest.path, problem)));
  const errors: KsealError[] = [];
  const warnings: Diagnostic[] = [];
  const edits: Edit[] = [];
  const opened: OpenedSecret[] = [];
  for (const secret of manifest.secrets) {
    try {
      const result = await unsealSecret(manifest.path, secret, options);
      errors.push(...result.errors);
      warnings.push(...result.warnings);
      if (result.values.length === 0) continue;
      edits.push(...editsFor(secret, result.values));
      opened.push({ secret, values: result.values });
    } catch (thrown) {
      errors.push(...expectedErrors(thrown));
    }
  }
  throwAll(errors);
  return { text: editManifest(manifest, edits), warnings, opened };
}

/** Opens one value of a Secret and returns its bytes; a plain value is returned unchanged. */
export async function unsealEntry(
  manifest: Manifest,
  secret: SecretDocument,
  key: string,
  options: UnsealOptions,
): Promise<{ bytes: Uint8Array; warnings: readonly Diagnostic[] }> {
  const entries = secret.entries.filter((entry) => entry.key === key);
  const [entry] = entries;
  if (entry === undefined) {
    const present = listOf(secret.entries.map((candidate) => candidate.key)) || 'none';
    const message = `no data key "${key}"; data keys: ${present}`;
    const problem = { ...locationIn(secret), message, hint: 'check the spelling' };
    throw errorFor(manifest.path, problem, 'USAGE');
  }
  const { errors, warnings, values } = await unsealSecret(
    manifest.path,
    { ...secret, entries },
    options,
  );
  throwAll(errors);
  return { bytes: values[0]?.plaintext ?? entry.bytes, warnings };
}

async function unsealSecret(
  path: string,
  secret: SecretDocument,
  { keyring, policy, namespace }: UnsealOptions,
) {
  const { errors, warnings, opened } = await unsealData({
    place: placeOf(path, secret, namespace),
    data: new Map(secret.entries.map(({ key, bytes }) => [key, bytes])),
    keyring,
    policy,
  });
  const locations = new Map(secret.entries.map((entry) => [entry.key, locationIn(secret, entry)]));
  const at = (key: string) => locations.get(key) ?? locationIn(secret);
  return {
    errors: [...errors].map(([key, error]) => located(locationOf(path, at(key)), error)),
    warnings: [...warnings].map(([key, message]) => ({ ...at(key), code: 'key-state', message })),
    values: secret.entries.flatMap((entry): OpenedValue[] => {
      const plaintext = opened.get(entry.key);
      if (plaintext === undefined) return [];
      const scope = readSealedValue(entry.bytes)?.header.binding?.scope;
      const moved = entry.field === 'stringData' && decodeUtf8(plaintext) === undefined;
      return [{ entry, plaintext, scope, moved }];
    }),
  };
}

/** Puts the values into their fields, or under data if stringData cannot hold them. */
function editsFor(secret: SecretDocument, values: readonly OpenedValue[]): readonly Edit[] {
  // Renaming stringData does not leave an empty field behind.
  const renamed =
    !secret.fields.has('data') &&
    values.length === secret.entries.length &&
    values.every(({ moved }) => moved);
  const edits: Edit[] = renamed ? [{ kind: 'rename-field', secret }] : [];
  for (const { entry, plaintext, moved } of values) {
    const { field, key } = entry;
    if (moved && !renamed) edits.push({ kind: 'remove', secret, field, key });
    edits.push({ kind: 'set', secret, field: moved ? 'data' : field, key, bytes: plaintext });
  }
  return edits;
}
