import { Metadata, type ServiceError, status } from '@grpc/grpc-js';

export const methods = [
  'GetPublicKey',
  'AsymmetricDecrypt',
  'ListCryptoKeyVersions',
  'GetCryptoKey',
  'GetCryptoKeyVersion',
] as const;

export type Method = (typeof methods)[number];

/** What can go wrong, where a word is enough to say it. */
export const faultWords = [
  // The checksum in the answer is of other octets, or is not there.
  'wrong-checksum',
  'missing-checksum',
  // `verified_ciphertext_crc32c` is false: the checksum did not arrive.
  'unverified',
  // The answer is about another key version, or lists one.
  'wrong-name',
  // Each page of a list is followed by its first.
  'endless-list',
  // The ciphertext arrives with an octet changed.
  'damaged-request',
  'hang',
] as const;

/** What can go wrong; plain data, so that it can cross a process border. */
export type Fault = (typeof faultWords)[number] | { readonly delay: number } | StatusFault;

export interface StatusFault {
  readonly status: keyof typeof status;
  readonly message?: string;
  /** `google.rpc.ErrorInfo.reason`, and the project it speaks of. */
  readonly reason?: string;
  readonly consumer?: string;
}

/** The faults to come, by method: each is used a number of times before the next one counts. */
export class Faults {
  readonly #queues = new Map<Method, { fault: Fault; left: number }[]>();

  add(method: Method, fault: Fault, times: number): void {
    this.#queues.set(method, [...(this.#queues.get(method) ?? []), { fault, left: times }]);
  }

  clear(): void {
    this.#queues.clear();
  }

  next(method: Method): Fault | undefined {
    const queue = this.#queues.get(method) ?? [];
    const [first] = queue;
    if (first === undefined) return undefined;
    first.left -= 1;
    if (first.left <= 0) queue.shift();
    return first.fault;
  }
}

/** An error as a gRPC server answers it, with an ErrorInfo where `reason` is given. */
export function statusError(fault: StatusFault): Partial<ServiceError> {
  const { reason, consumer } = fault;
  const [code, details] = [status[fault.status], fault.message ?? `${fault.status} on demand`];
  const metadata = new Metadata();
  if (reason !== undefined) {
    const info = [field(1, reason), field(2, 'googleapis.com')];
    if (consumer !== undefined)
      info.push(field(3, Buffer.concat([field(1, 'consumer'), field(2, consumer)])));
    const any = [field(1, 'type.googleapis.com/google.rpc.ErrorInfo'), field(2, ...info)];
    const answer = Buffer.concat([Buffer.of(8, code), field(2, details), field(3, ...any)]);
    metadata.set('grpc-status-details-bin', answer);
  }
  return { code, details, metadata };
}

/** One length-delimited field of a Protocol Buffers message; at most 16383 octets. */
function field(number: number, ...parts: readonly (string | Buffer)[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = value;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.of((number << 3) | 2, ...size), value]);
}
