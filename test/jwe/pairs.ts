import { constants, generateKeyPair, type KeyObject, privateDecrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyState, OpeningKey } from '../../src/jwe/decrypt.ts';
import { kidOfPem } from '../helpers/jwe.ts';

/** A new RSA key pair: `key` is the public half, so that a pair is also a PublicKey. */
export interface Pair {
  readonly key: KeyObject;
  readonly privateKey: KeyObject;
  readonly publicPem: string;
  readonly privatePem: string;
  readonly kid: string;
  readonly bits: number;
}

/** Creates a key pair, by default of 2048 bits, the fastest that kseal accepts. */
export async function makePair(bits = 2048): Promise<Pair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: bits,
  });
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key: publicKey, privateKey, publicPem, privatePem, kid: kidOfPem(publicPem), bits };
}

/** A private key that uses only node:crypto and records the requests. */
export class AskedKey implements OpeningKey {
  readonly kid: string;
  readonly modulusBytes: number;
  readonly state: KeyState;
  /** The encrypted keys that were passed to it. */
  readonly asked: Uint8Array[] = [];
  /** The most requests in progress at the same time. */
  busiest = 0;
  #busy = 0;
  readonly #key: KeyObject;

  constructor(pair: Pick<Pair, 'privateKey' | 'kid' | 'bits'>, state: KeyState = 'active') {
    this.kid = pair.kid;
    this.modulusBytes = Math.ceil(pair.bits / 8);
    this.state = state;
    this.#key = pair.privateKey;
  }

  async decryptKey(encryptedKey: Uint8Array): Promise<Uint8Array | undefined> {
    this.asked.push(encryptedKey);
    this.#busy++;
    this.busiest = Math.max(this.busiest, this.#busy);
    // Lets every other request start that can start now.
    await new Promise((done) => setImmediate(done));
    this.#busy--;
    try {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key: this.#key, padding, oaepHash: 'sha256' }, encryptedKey);
    } catch {
      return undefined;
    }
  }
}
