import { crc32c } from './crc32c.ts';
import { ask, checksumOf, type Session } from './gcpkms-call.ts';
import { Damaged, isStatus, status } from './gcpkms-status.ts';

/**
 * Has the key version `name` decrypt an encrypted key: nothing else leaves this machine, and
 * the CEK that comes back is kept nowhere. Undefined when the key rejects the encrypted key.
 * No try outlives `before`, as performance.now() tells it, nor the limits.
 */
export function decryptWith(
  { client, limits }: Session,
  name: string,
  encryptedKey: Uint8Array,
  before = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> {
  const deadline = Math.min(before, performance.now() + limits.total);
  const checksum = crc32c(encryptedKey);
  const request = { name, ciphertext: encryptedKey, ciphertextCrc32c: { value: checksum } };
  return ask({ call: 'asymmetricDecrypt', name, limits, deadline }, async (options) => {
    try {
      const [answer] = await client.asymmetricDecrypt(request, options);
      return checkedPlaintext(answer);
    } catch (error) {
      if (!isStatus(error) || error.code !== status.INVALID_ARGUMENT) throw error;
      // Both what the key rejects and what was damaged on the way there is an INVALID_ARGUMENT.
      // If our own checksum still holds, only its words tell them apart; a key's rejection must
      // not be asked about twice, for the time it takes would tell (RFC 7516 §11.5).
      if (crc32c(encryptedKey) === checksum && !/checksum|crc32c/i.test(error.message)) return;
      throw new Damaged('the encrypted key did not arrive as it was sent');
    }
  });
}

interface DecryptAnswer {
  readonly plaintext?: Uint8Array | string | null;
  readonly plaintextCrc32c?: Parameters<typeof checksumOf>[0];
  readonly verifiedCiphertextCrc32c?: boolean | null;
}

function checkedPlaintext(answer: DecryptAnswer): Uint8Array {
  const { plaintext, plaintextCrc32c, verifiedCiphertextCrc32c } = answer;
  if (verifiedCiphertextCrc32c !== true) {
    throw new Damaged('the checksum of the encrypted key did not arrive');
  }
  if (!(plaintext instanceof Uint8Array) || checksumOf(plaintextCrc32c) !== crc32c(plaintext)) {
    throw new Damaged('the checksum of the content key is wrong or missing');
  }
  return plaintext;
}
