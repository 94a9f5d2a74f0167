import { constants, publicEncrypt } from 'node:crypto';
import type { Limits } from '../../src/keys/gcpkms/call.ts';
import type { ProviderOptions } from '../../src/keys/provider.ts';
import type { KmsEmulator } from './emulator.ts';

/** A crypto key for tests. */
export const HR = 'projects/acme-prod/locations/europe-west3/keyRings/kseal/cryptoKeys/hr';

/** Hardly any pause between attempts, and limits that no call misses on a busy machine. */
export const quick: Limits = { call: 60_000, total: 120_000, pause: 1 };

export function versionOf(cryptoKey: string, number: number): string {
  return `${cryptoKey}/cryptoKeyVersions/${number}`;
}

export interface TestOptions extends ProviderOptions {
  /** The notes that the user was shown. */
  readonly notes: string[];
}

/** The options that a command passes to a provider if KSEAL_KMS_ENDPOINT names the emulator. */
export function optionsFor({ endpoint }: Pick<KmsEmulator, 'endpoint'>): TestOptions {
  const notes: string[] = [];
  return {
    env: { KSEAL_KMS_ENDPOINT: endpoint },
    kmsEndpoint: undefined,
    verifySignature: false,
    note: (text) => notes.push(text),
    notes,
  };
}

/** Encrypts a CEK to a key version, as sealing does (RFC 7518 §4.3). */
export function wrapCek(emulator: KmsEmulator, name: string, cek: Uint8Array): Buffer {
  const key = emulator.version(name)?.pem ?? '';
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key, padding, oaepHash: 'sha256' }, cek);
}
