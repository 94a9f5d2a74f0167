/** The gRPC status codes that Cloud KMS answers with (google/rpc/code.proto). */
export const status = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** An error that carries a gRPC status, as the client throws it. */
export interface StatusError extends Error {
  readonly code: number;
  /** From a `google.rpc.ErrorInfo`. */
  readonly reason?: string;
  readonly errorInfoMetadata?: Readonly<Record<string, string>>;
}

export function isStatus(error: unknown): error is StatusError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

/** What arrived is not what was sent. */
export class Damaged extends Error {}

const transient: readonly number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
];

/** Whether another try may help. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Damaged) return true;
  return isStatus(error) && transient.includes(error.code);
}
