import { KsealError, type Warning } from '../errors.ts';
import { checkBinding, type Place } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { forbiddenValue } from '../kubernetes/secret.ts';
import { accidentsIn } from './accidents.ts';

export interface ValuePolicy {
  /** Accidents are errors. */
  readonly strict: boolean;
  /** Accident ids that are not reported. */
  readonly allow: ReadonlySet<string>;
}

/** How each value begins that SOPS has encrypted. */
const SOPS = 'ENC[AES256_GCM,';

/**
 * Checks a plaintext before it is sealed and returns the warnings about it.
 * Throws VALUE_REFUSED for what cannot work: a value that is sealed already (sealed values do not
 * nest), one its Secret type forbids, and under `strict` an accident.
 */
export function checkPlaintext(
  octets: Uint8Array,
  key: string,
  type: string | undefined,
  { strict, allow }: ValuePolicy,
): readonly Warning[] {
  if (isSealedInSomeForm(octets)) {
    throw new KsealError(
      'VALUE_REFUSED',
      'the value is sealed already, and sealed values do not nest',
      {
        hint: `to take it over as it is: --from-jwe ${key}=FILE`,
      },
    );
  }
  if (Buffer.from(octets).subarray(0, SOPS.length).toString('latin1') === SOPS) {
    throw new KsealError('VALUE_REFUSED', 'the value is encrypted by SOPS already', {
      hint: 'decrypt it first: sops decrypt FILE | kseal seal -f -',
    });
  }
  const forbidden = forbiddenValue(type, key, octets);
  if (forbidden !== undefined) {
    throw new KsealError('VALUE_REFUSED', `the value ${forbidden}`, {
      hint: 'correct the value, or the type',
    });
  }
  const warnings = accidentsIn(octets)
    .filter(({ id }) => !allow.has(id))
    .map(({ id, message }) => ({
      message: `the value ${message} [${id}]`,
      hint: `if that is meant: --allow ${id}`,
    }));
  const [first] = warnings;
  if (strict && first !== undefined)
    throw new KsealError('VALUE_REFUSED', first.message, { hint: first.hint });
  return warnings;
}

/**
 * Checks that a value that is sealed already may stay as it is: it opens at this very place, and
 * its key is known. Returns the warnings. `knownKids` undefined: no key was given to judge by.
 * Throws BINDING_MISMATCH or KEY_UNKNOWN.
 */
export function checkSealed(
  { header }: CompactJwe,
  place: Place,
  knownKids: ReadonlySet<string> | undefined,
): readonly Warning[] {
  if (header.binding === undefined) {
    return [
      {
        message:
          'the sealed value is bound to no place; it opens only where unbound values are accepted',
        hint: 'seal the plaintext with kseal to bind it',
      },
    ];
  }
  checkBinding(header.binding, place);
  if (knownKids !== undefined && !knownKids.has(header.kid ?? '')) {
    throw new KsealError('KEY_UNKNOWN', `is sealed to another key, ${header.kid}`, {
      hint: 'give that key, or open everything and seal it again: kseal decrypt FILE -k OLD | kseal seal -f - -k NEW',
    });
  }
  return [];
}
