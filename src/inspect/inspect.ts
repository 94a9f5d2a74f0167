import { expected } from '../errors.ts';
import { admits, type Binding, type Place } from '../jwe/binding.ts';
import { leastPlaintext } from '../jwe/compact.ts';
import { findSealed, readSealedValue } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import { namesOf } from '../manifest/nested.ts';
import { isSopsText } from '../manifest/other-tools.ts';
import { placeOf } from '../manifest/place.ts';
import type { Field, Manifest, SecretDocument } from '../manifest/types.ts';
import { positionsIn } from '../yaml/node.ts';

/**
 * A `sealed` value is well-formed and in its place; only its key can tell whether it opens. Another
 * tool encrypted a `foreign` one.
 */
export type ValueState = 'sealed' | 'misplaced' | 'unbound' | 'damaged' | 'foreign' | 'plaintext';

/** Everything that is known about a value without a key; never its content. */
interface ValueFacts {
  readonly state: ValueState;
  readonly binding?: Binding | undefined;
  readonly kid?: string | undefined;
  /** The length of the modulus in bits, from the length of the encrypted key. */
  readonly keyBits?: number;
  /** The least and the most bytes of the plaintext: CBC reveals its length to within 16. */
  readonly plaintextOctets?: readonly [number, number];
  /** The problem of a damaged value, or the tool of a foreign one. */
  readonly reason?: string;
}

export interface Inspection extends ValueFacts {
  readonly path: string;
  readonly line: number;
  /** How the Secret is called; empty for a value outside of a Secret. */
  readonly secret: string;
  readonly field?: Field;
  readonly key?: string;
}

/**
 * Inspects every value of a manifest, including those of Secrets inside other objects; `namespace`
 * is for Secrets without one.
 */
export function inspectManifest(manifest: Manifest, namespace: string | undefined): Inspection[] {
  const { path, secrets, nested } = manifest;
  const own = secrets.flatMap((secret) => {
    const place = placeOf(path, secret, namespace);
    return inspectSecret(path, secret, () => place);
  });
  const inside = nested.flatMap((secret) =>
    // A missing name, or a parameter, may become any name.
    inspectSecret(path, secret.secret, (binding) => ({ ...binding, ...namesOf(secret) })),
  );
  return [...own, ...inside];
}

function inspectSecret(
  path: string,
  secret: SecretDocument,
  placeFor: (binding: Binding) => Omit<Place, 'key'>,
): readonly Inspection[] {
  return secret.entries.map(({ field, key, bytes, position }) => {
    const { state, ...facts } = inspectValue(bytes);
    const { binding } = facts;
    const isMisplaced = binding !== undefined && !admits(binding, { ...placeFor(binding), key });
    return {
      path,
      line: position.line,
      secret: secretLabel(secret),
      field,
      key,
      state: isMisplaced ? 'misplaced' : state,
      ...facts,
    };
  });
}

/**
 * Inspects everything in a text that looks sealed but is not the value of a Secret, as in Helm
 * values, templates and text that cannot be parsed: it still needs its key.
 */
export function inspectStrays({ source, path, secrets, nested }: Manifest): readonly Inspection[] {
  const all = [...secrets, ...nested.map(({ secret }) => secret)];
  const known = all.flatMap(({ entries }) => entries.map(({ bytes }) => bytes));
  const position = positionsIn(source);
  return findSealed(source, known).map(({ jwe, offset }) =>
    inspectBare(Buffer.from(jwe), path, position(offset).line),
  );
}

/** Inspects a value outside of a Secret. */
export function inspectBare(bytes: Uint8Array, path: string, line = 1): Inspection {
  return { path, line, secret: '', ...inspectValue(bytes) };
}

export function inspectValue(bytes: Uint8Array): ValueFacts {
  try {
    const jwe = readSealedValue(bytes);
    if (jwe === undefined && isSopsText(bufferOf(bytes).toString('latin1')))
      return { state: 'foreign', reason: 'encrypted by SOPS' };
    if (jwe === undefined) return { state: 'plaintext' };
    const { header, encryptedKey } = jwe;
    return {
      state: header.binding === undefined ? 'unbound' : 'sealed',
      binding: header.binding,
      kid: header.kid,
      keyBits: encryptedKey.length * 8,
      plaintextOctets: [leastPlaintext(jwe), leastPlaintext(jwe) + 15],
    };
  } catch (error) {
    return { state: 'damaged', reason: expected(error).message };
  }
}
