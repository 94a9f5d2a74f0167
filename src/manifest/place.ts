import { expectedErrors, located } from '../errors.ts';
import type { Place } from '../jwe/binding.ts';
import { placeOf } from '../secret/place.ts';
import type { SecretDocument } from './manifest.ts';
import { secretLabel, where } from './problem.ts';

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
