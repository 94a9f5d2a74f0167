import { KsealError } from '../errors.ts';
import { admits, type Binding } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { findSealed, readSealedValue } from '../jwe/detect.ts';
import { placeOf } from '../manifest/place.ts';
import { type Field, type Manifest, secretLabel } from '../manifest/types.ts';
import { positionsIn } from '../yaml/node.ts';

/** `sealed`: sound, and for this place. No key is asked, so whether it opens is not known. */
export type ValueState = 'sealed' | 'misplaced' | 'unbound' | 'damaged' | 'plaintext';

/** What can be told of a value without any key. Its content is never part of it. */
export interface Inspection {
  readonly path: string;
  readonly line: number;
  readonly secret: string;
  readonly field: Field | undefined;
  readonly key: string | undefined;
  readonly state: ValueState;
  readonly binding: Binding | undefined;
  readonly kid: string | undefined;
  /** The length of the modulus in bits, as the encrypted key shows it. */
  readonly keyBits: number | undefined;
  /** The least and the most bytes that the plaintext may have: CBC shows it to within 16. */
  readonly plaintextOctets: readonly [number, number] | undefined;
  /** What is wrong, where the state is `damaged`. */
  readonly reason: string | undefined;
}

/** Inspects every value of a manifest. `namespace` is that of manifests that name none. */
export function inspectManifest(manifest: Manifest, namespace: string | undefined): Inspection[] {
  return manifest.secrets.flatMap((secret) => {
    const place = placeOf(manifest.path, secret, namespace);
    return secret.entries.map(({ field, key, bytes, position }) => {
      const { state, ...facts } = inspectValue(bytes);
      const misplaced = facts.binding !== undefined && !admits(facts.binding, { ...place, key });
      return {
        path: manifest.path,
        line: position.line,
        secret: secretLabel(secret),
        field,
        key,
        state: misplaced ? 'misplaced' : state,
        ...facts,
      };
    });
  });
}

/**
 * Inspects what looks sealed in a text and is the value of no Secret in it: in Helm values, in a
 * template, or in what cannot be read. It needs its key all the same.
 */
export function inspectStrays({ source, path, secrets }: Manifest): readonly Inspection[] {
  const known = new Set(
    secrets.flatMap(({ entries }) =>
      entries.map(({ bytes }) => Buffer.from(bytes).toString('latin1').trim()),
    ),
  );
  const position = positionsIn(source);
  return findSealed(source)
    .filter(({ jwe }) => !known.has(jwe))
    .map(({ jwe, offset }) => ({
      ...inspectBare(Buffer.from(jwe), path),
      line: position(offset).line,
    }));
}

/** Inspects a bare value, which stands in no manifest. */
export function inspectBare(bytes: Uint8Array, path: string): Inspection {
  return { path, line: 1, secret: '', field: undefined, key: undefined, ...inspectValue(bytes) };
}

type ValueFacts = Omit<Inspection, 'path' | 'line' | 'secret' | 'field' | 'key'>;

const nothing = {
  binding: undefined,
  kid: undefined,
  keyBits: undefined,
  plaintextOctets: undefined,
  reason: undefined,
};

function inspectValue(bytes: Uint8Array): ValueFacts {
  try {
    const jwe = readSealedValue(bytes);
    return jwe === undefined ? { ...nothing, state: 'plaintext' } : factsOf(jwe);
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return { ...nothing, state: 'damaged', reason: error.message };
  }
}

function factsOf({ header, encryptedKey, ciphertext }: CompactJwe): ValueFacts {
  return {
    state: header.binding === undefined ? 'unbound' : 'sealed',
    binding: header.binding,
    kid: header.kid,
    keyBits: encryptedKey.length * 8,
    // PKCS #7 padding adds 1 to 16 bytes (RFC 7518 §5.2.2.1 step 2).
    plaintextOctets: [ciphertext.length - 16, ciphertext.length - 1],
    reason: undefined,
  };
}
