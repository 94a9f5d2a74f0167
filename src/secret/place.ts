import { KsealError } from '../errors.ts';
import type { Place } from '../jwe/binding.ts';

/** Where a manifest says that its Secret will stand. */
export interface Identity {
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
