import { type Diagnostic, errorFor, locationOf } from '../diagnostic.ts';
import { expectedErrors, type KsealError, located, throwAll } from '../errors.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { type Edit, editManifest } from '../manifest/edit.ts';
import { locationIn, placeOf } from '../manifest/place.ts';
import type { Manifest, SecretDocument } from '../manifest/types.ts';
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
  /** The number of values that were opened. */
  readonly opened: number;
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
  for (const secret of manifest.secrets) {
    try {
      const result = await unsealSecret(manifest.path, secret, options);
      errors.push(...result.errors);
      warnings.push(...result.warnings);
      edits.push(...result.edits);
    } catch (thrown) {
      errors.push(...expectedErrors(thrown));
    }
  }
  throwAll(errors);
  return { text: editManifest(manifest, edits), warnings, opened: edits.length };
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
    const present = secret.entries.map((candidate) => candidate.key).join(', ') || 'none';
    const message = `no data key "${key}"; data keys: ${present}`;
    const problem = { ...locationIn(secret), message, hint: 'check the spelling' };
    throw errorFor(manifest.path, problem, 'USAGE');
  }
  const { errors, warnings, edits } = await unsealSecret(
    manifest.path,
    { ...secret, entries },
    options,
  );
  throwAll(errors);
  const [edit] = edits;
  return { bytes: edit?.kind === 'set' ? edit.bytes : entry.bytes, warnings };
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
    edits: secret.entries.flatMap(({ field, key }): Edit[] => {
      const bytes = opened.get(key);
      return bytes === undefined ? [] : [{ kind: 'set', secret, field, key, bytes }];
    }),
  };
}
