import type { OpeningKey } from '../jwe/decrypt.ts';
import type { KeyFile } from './key-file.ts';

/** A public key from afar, checked against the key policy. */
export interface FetchedKey extends KeyFile {
  /** Exactly where it came from: the full name of a key version, or a URL with its commit. */
  readonly origin: string;
  /** Further facts for people, such as the algorithm and the protection level. */
  readonly facts: ReadonlyMap<string, string>;
}

/** What a command hands to a provider besides the reference. */
export interface ProviderOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An endpoint that `--kms-endpoint` named: any host. */
  readonly kmsEndpoint: string | undefined;
  /** Git: the commit must carry a good signature. */
  readonly verifySignature: boolean;
  /** Says one line to the user. */
  readonly note: (text: string) => void;
}

/** Gets the public key behind a remote reference, given as it was written. */
export type FetchPublicKey = (reference: string, options: ProviderOptions) => Promise<FetchedKey>;

/** Gets the keys behind a remote reference that open; each decrypts an encrypted key. */
export type FetchOpeningKeys = (
  reference: string,
  options: ProviderOptions,
) => Promise<readonly OpeningKey[]>;

/** A provider is one file and one row of the table in `providers.ts`. */
export interface Provider {
  readonly fetchPublicKey: FetchPublicKey;
  readonly fetchOpeningKeys?: FetchOpeningKeys;
}
