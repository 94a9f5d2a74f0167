import { errorFor, type Location } from '../diagnostic.ts';
import type { Place } from '../jwe/binding.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import type { Entry, Manifest, SecretDocument } from './types.ts';

/**
 * Returns the place of a Secret: its name and namespace, or `-n` if the manifest names no
 * namespace. Throws BINDING_MISMATCH if both name one and they differ.
 */
export function placeOf(
  path: string,
  secret: SecretDocument,
  given: string | undefined,
): Omit<Place, 'key'> {
  const { name, namespace } = secret;
  if (namespace === undefined || given === undefined || namespace === given)
    return { name, namespace: namespace ?? given };
  const message = `namespace ${namespace} contradicts -n ${given}`;
  const hint = 'omit -n, or correct metadata.namespace';
  throw errorFor(path, { ...locationIn(secret), message, hint }, 'BINDING_MISMATCH');
}

/** Returns where a Secret, or one of its values, is in its manifest. */
export function locationIn(secret: SecretDocument, entry?: Partial<Entry>): Location {
  const { key, position = secret.position } = entry ?? {};
  return { position, secret: secretLabel(secret), key };
}

/** Returns the Secret of a place; undefined if the manifest lacks it. */
export function secretAt(
  { secrets }: Pick<Manifest, 'secrets'>,
  { name, namespace }: Required<Omit<Place, 'key'>>,
): SecretDocument | undefined {
  return secrets.find(
    (one) => one.name === name && (one.namespace === undefined || one.namespace === namespace),
  );
}

/** Returns the data keys of a Secret that have a sealed value. */
export function sealedKeysIn({ entries }: Pick<SecretDocument, 'entries'>): ReadonlySet<string> {
  const sealed = entries.filter(({ bytes }) => isSealedInSomeForm(bytes));
  return new Set(sealed.map(({ key }) => key));
}
