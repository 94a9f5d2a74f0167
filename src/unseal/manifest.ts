import { expectedErrors, KsealError, located, throwAll, type Warning } from '../errors.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { type Edit, editManifest } from '../manifest/edit.ts';
import { placeIn } from '../manifest/place.ts';
import {
  type Manifest,
  problemError,
  type SecretDocument,
  secretLabel,
  where,
} from '../manifest/types.ts';
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
  readonly warnings: readonly Warning[];
  /** The number of values that were opened. */
  readonly opened: number;
}

/** Opens every sealed value of a manifest, all or none. Throws every error at once. */
export async function unsealManifest(
  manifest: Manifest,
  options: UnsealOptions,
): Promise<Unsealed> {
  throwAll(manifest.problems.map((problem) => problemError(manifest.path, problem)));
  const errors: KsealError[] = [];
  const warnings: Warning[] = [];
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
): Promise<{ bytes: Uint8Array; warnings: readonly Warning[] }> {
  const entries = secret.entries.filter((entry) => entry.key === key);
  const [entry] = entries;
  if (entry === undefined) {
    const present = secret.entries.map((candidate) => candidate.key).join(', ') || 'none';
    throw new KsealError(
      'USAGE',
      `${where(manifest.path, secret.position, secretLabel(secret))}: no data key "${key}"; it has: ${present}`,
      { hint: 'check the spelling' },
    );
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
    place: placeIn(path, secret, namespace),
    data: new Map(secret.entries.map(({ key, bytes }) => [key, bytes])),
    keyring,
    policy,
  });
  const labels = new Map(
    secret.entries.map(({ key, position }) => [
      key,
      where(path, position, secretLabel(secret), key),
    ]),
  );
  const label = (key: string) => labels.get(key) ?? path;
  return {
    errors: [...errors].map(([key, error]) => located(label(key), error)),
    warnings: [...warnings].map(([key, message]) => ({ message: `${label(key)}: ${message}` })),
    edits: secret.entries.flatMap(({ field, key }): Edit[] => {
      const bytes = opened.get(key);
      return bytes === undefined ? [] : [{ kind: 'set', secret, field, key, bytes }];
    }),
  };
}
