import type { OpeningKey } from '../jwe/decrypt.ts';
import type { KeyFile } from './key-file.ts';

/** A public key from a provider, checked against the key policy. */
export interface FetchedKey extends KeyFile {
  /** The exact origin: the full name of a key version, or a URL with its commit. */
  readonly origin: string;
  /** More facts for people, such as the algorithm and the protection level. */
  readonly facts: ReadonlyMap<string, string>;
}

export interface ProviderOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The value of `--kms-endpoint`, which may be any host. */
  readonly kmsEndpoint: string | undefined;
  /** For Git: require a good signature on the commit. */
  readonly verifySignature: boolean;
  /** Prints one line to the user. */
  readonly note: (text: string) => void;
}

/** Gets the public key for a remote reference as the user wrote it. */
export type FetchPublicKey = (reference: string, options: ProviderOptions) => Promise<FetchedKey>;

/** A source of keys: a row of the table in `resolve.ts`. */
export interface Provider {
  /** Throws KEY_REFERENCE_INVALID for a malformed reference. Uses no network. */
  readonly checkReference: (reference: string) => unknown;
  readonly fetchPublicKey: FetchPublicKey;
  /** Gets handles of the private keys; absent if the source has only public keys. */
  readonly fetchOpeningKeys?: (
    reference: string,
    options: ProviderOptions,
  ) => Promise<readonly OpeningKey[]>;
}
