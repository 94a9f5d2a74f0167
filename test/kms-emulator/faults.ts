import { Metadata, type ServiceError, status } from '@grpc/grpc-js';

export const methods = [
  'GetPublicKey',
  'AsymmetricDecrypt',
  'ListCryptoKeyVersions',
  'GetCryptoKey',
  'GetCryptoKeyVersion',
] as const;

export type Method = (typeof methods)[number];

/** Faults without parameters. */
export const faultWords = [
  // The checksum in the answer is wrong or missing.
  'wrong-checksum',
  'missing-checksum',
  // `verified_ciphertext_crc32c` is false: the service did not receive the checksum.
  'unverified',
  // The answer names or lists another key version.
  'wrong-name',
  // Each page of a list points to the first page as the next one.
  'endless-list',
  // One byte of the ciphertext changes on the way.
  'damaged-request',
  // The call is never answered.
  'hang',
] as const;

/** A fault, as plain data: start.mjs receives it as JSON. */
export type Fault = (typeof faultWords)[number] | { readonly delay: number } | StatusFault;

export interface StatusFault {
  readonly status: keyof typeof status;
  readonly message?: string;
  /** `google.rpc.ErrorInfo.reason`, and the `consumer` in its metadata: a project. */
  readonly reason?: string;
  readonly consumer?: string;
}

/** The queued faults of each method. A fault applies a number of times before the next one does. */
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

/** The error of a gRPC server, with an ErrorInfo if the fault has a `reason`. */
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

/** Encodes a length-delimited field of a Protocol Buffers message; at most 16383 bytes. */
function field(number: number, ...parts: readonly (string | Buffer)[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = value;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.of((number << 3) | 2, ...size), value]);
}
