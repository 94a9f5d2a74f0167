/**
 * The messages of Cloud KMS that kseal sends and reads (google/cloud/kms/v1/service.proto), in the
 * wire format of Protocol Buffers. Google's client parses the definitions of all its messages at the
 * start, which takes longer than a decryption.
 */

/** The data that arrived is not the data that was sent. */
export class Damaged extends Error {}

type Value = string | Uint8Array | number;

/** The most fields of a message: ten times as many as in a full page of key versions. */
const MAX_FIELDS = 10_000;

/** A base-128 varint of an integer that is not negative and at most 2^53. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Encodes a message with these fields, by number. Text is encoded in UTF-8. */
function message(fields: Readonly<Record<number, Value>>): Buffer {
  const parts = Object.entries(fields).flatMap(([number, value]) => {
    if (typeof value === 'number') return [varint(Number(number) * 8), varint(value)];
    const bytes = Buffer.from(value);
    return [varint(Number(number) * 8 + 2), varint(bytes.length), bytes];
  });
  return Buffer.concat(parts);
}

/** The requests. A checksum is a `google.protobuf.Int64Value`. */
export const requests = {
  getPublicKey: (name: string) => message({ 1: name }),
  asymmetricDecrypt: (name: string, ciphertext: Uint8Array, ciphertextCrc32c: number) =>
    message({ 1: name, 3: ciphertext, 4: message({ 1: ciphertextCrc32c }) }),
  listCryptoKeyVersions: (parent: string, pageToken: string) =>
    message({ 1: parent, 3: pageToken }),
} as const;

/** The values of each field of a message, by number; a later one replaces an earlier one. */
type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

/** Splits a message into its fields. Throws Damaged. */
function fieldsOf(bytes: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const take = (length: number): Buffer => {
    const end = at + length;
    if (end > bytes.length) throw new Damaged('the answer is incomplete');
    const taken = bytes.subarray(at, end);
    at = end;
    return taken;
  };
  const takeVarint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = take(1).readUInt8();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      if (factor === 2 ** 63) throw new Damaged('the answer has an endless number');
    }
  };
  /** By wire type; groups (3 and 4) are not in use. */
  const readers: Readonly<Record<number, () => number | Buffer>> = {
    0: takeVarint,
    1: () => take(8),
    2: () => take(takeVarint()),
    5: () => take(4),
  };
  for (let count = 0; at < bytes.length; count++) {
    if (count === MAX_FIELDS) throw new Damaged('the answer has too many fields');
    const tag = takeVarint();
    const read = readers[tag % 8];
    if (read === undefined) throw new Damaged('the answer is not a message');
    const number = Math.floor(tag / 8);
    const values = fields.get(number);
    if (values === undefined) fields.set(number, [read()]);
    else values.push(read());
  }
  return fields;
}

function bytesIn(fields: Fields, number: number): Buffer | undefined {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'number' ? undefined : value;
}

const textIn = (fields: Fields, number: number): string =>
  bytesIn(fields, number)?.toString('utf8') ?? '';

/** An integer; 0 if it is absent. */
function numberIn(fields: Fields, number: number): number {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'number' ? value : 0;
}

/** The messages in a repeated field. */
const messagesIn = (fields: Fields, number: number): readonly Fields[] =>
  (fields.get(number) ?? []).flatMap((value) => (typeof value === 'number' ? [] : fieldsOf(value)));

/** The checksum in an Int64Value; undefined if it is absent. */
function checksumIn(fields: Fields, number: number): number | undefined {
  const wrapper = bytesIn(fields, number);
  return wrapper && numberIn(fieldsOf(wrapper), 1);
}

/** The name of an enum value; its number if it is not in the table. */
const nameIn = (names: Readonly<Record<number, string>>, fields: Fields, number: number): string =>
  names[numberIn(fields, number)] ?? String(numberIn(fields, number));

/** A public key. Throws Damaged. */
export function publicKeyIn(answer: Buffer) {
  const fields = fieldsOf(answer);
  return {
    pem: textIn(fields, 1),
    algorithm: nameIn(algorithms, fields, 2),
    pemCrc32c: checksumIn(fields, 3),
    name: textIn(fields, 4),
    protectionLevel: nameIn(protectionLevels, fields, 5),
  };
}

/** The answer to a decryption. Throws Damaged. */
export function decryptionIn(answer: Buffer) {
  const fields = fieldsOf(answer);
  return {
    plaintext: bytesIn(fields, 1) ?? Buffer.alloc(0),
    plaintextCrc32c: checksumIn(fields, 2),
    verifiedCiphertextCrc32c: numberIn(fields, 3) === 1,
  };
}

/** Of CryptoKeyVersion.CryptoKeyVersionState. */
const ENABLED = 1;

/** A page of key versions. Throws Damaged. */
export function versionsIn(answer: Buffer) {
  const fields = fieldsOf(answer);
  const versions = messagesIn(fields, 1).map((version) => ({
    name: textIn(version, 1),
    isEnabled: numberIn(version, 3) === ENABLED,
    algorithm: nameIn(algorithms, version, 10),
  }));
  return { versions, nextPageToken: textIn(fields, 2) };
}

/**
 * The `google.rpc.ErrorInfo` in the details of an error (google/rpc/status.proto), which says more
 * than the status; undefined if there is none.
 */
export function errorInfoIn(details: Buffer) {
  try {
    for (const any of messagesIn(fieldsOf(details), 3)) {
      if (textIn(any, 1) !== 'type.googleapis.com/google.rpc.ErrorInfo') continue;
      const info = fieldsOf(bytesIn(any, 2) ?? Buffer.alloc(0));
      const entries = messagesIn(info, 3).map((entry) => [textIn(entry, 1), textIn(entry, 2)]);
      return { reason: textIn(info, 1), errorInfoMetadata: Object.fromEntries(entries) };
    }
  } catch {
    // The status says enough.
  }
  return undefined;
}

/** ProtectionLevel. */
const protectionLevels: Readonly<Record<number, string>> = {
  0: 'PROTECTION_LEVEL_UNSPECIFIED',
  1: 'SOFTWARE',
  2: 'HSM',
  3: 'EXTERNAL',
  4: 'EXTERNAL_VPC',
  5: 'HSM_SINGLE_TENANT',
};

/** CryptoKeyVersion.CryptoKeyVersionAlgorithm: those of the keys that have a public key in PEM. */
const algorithms: Readonly<Record<number, string>> = {
  2: 'RSA_SIGN_PSS_2048_SHA256',
  3: 'RSA_SIGN_PSS_3072_SHA256',
  4: 'RSA_SIGN_PSS_4096_SHA256',
  5: 'RSA_SIGN_PKCS1_2048_SHA256',
  6: 'RSA_SIGN_PKCS1_3072_SHA256',
  7: 'RSA_SIGN_PKCS1_4096_SHA256',
  8: 'RSA_DECRYPT_OAEP_2048_SHA256',
  9: 'RSA_DECRYPT_OAEP_3072_SHA256',
  10: 'RSA_DECRYPT_OAEP_4096_SHA256',
  12: 'EC_SIGN_P256_SHA256',
  13: 'EC_SIGN_P384_SHA384',
  15: 'RSA_SIGN_PSS_4096_SHA512',
  16: 'RSA_SIGN_PKCS1_4096_SHA512',
  17: 'RSA_DECRYPT_OAEP_4096_SHA512',
  28: 'RSA_SIGN_RAW_PKCS1_2048',
  29: 'RSA_SIGN_RAW_PKCS1_3072',
  30: 'RSA_SIGN_RAW_PKCS1_4096',
  31: 'EC_SIGN_SECP256K1_SHA256',
  37: 'RSA_DECRYPT_OAEP_2048_SHA1',
  38: 'RSA_DECRYPT_OAEP_3072_SHA1',
  39: 'RSA_DECRYPT_OAEP_4096_SHA1',
  40: 'EC_SIGN_ED25519',
};
