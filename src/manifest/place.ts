import { expectedErrors, KsealError, located } from '../errors.ts';
import type { Place } from '../jwe/binding.ts';
import { type SecretDocument, secretLabel, where } from './types.ts';

/** The place of a Secret, as `placeOf`, with file, line and Secret in front of what it throws. */
export function placeIn(
  path: string,
  secret: SecretDocument,
  given: string | undefined,
): Omit<Place, 'key'> {
  try {
    return placeOf(secret, given);
  } catch (thrown) {
    const [error] = expectedErrors(thrown);
    throw error && located(where(path, secret.position, secretLabel(secret)), error);
  }
}

/** Where a manifest says that its Secret will stand. */
interface Identity {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
}

/**
 * The place of a Secret: its manifest's words, and where these name no namespace, `-n`.
 * Throws BINDING_MISMATCH when both name one and they differ.
 */
export function placeOf(
  { name, namespace }: Identity,
  given: string | undefined,
): Omit<Place, 'key'> {
  if (namespace !== undefined && given !== undefined && namespace !== given) {
    throw new KsealError(
      'BINDING_MISMATCH',
      `-n says ${given}, but the manifest says namespace ${namespace}`,
      {
        hint: `leave -n away, or correct metadata.namespace`,
      },
    );
  }
  return { name, namespace: namespace ?? given };
}
