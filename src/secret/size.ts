import { KsealError, type Warning } from '../errors.ts';

/** The most sealed values a Secret may hold: each costs one call to the key. */
export const MAX_SEALED_VALUES = 256;

/** What the values of a Secret may add up to (k8s.io/api core/v1 MaxSecretSize), in octets. */
const MAX_SECRET = 1024 * 1024;
/** Above this the sealed text may not fit the annotation of a client-side apply (256 KiB). */
const SERVER_SIDE = 128 * 1024;

/** Throws VALUE_REFUSED where a Secret would hold more sealed values than are opened. */
export function checkCount(sealed: number): void {
  if (sealed <= MAX_SEALED_VALUES) return;
  throw new KsealError(
    'VALUE_REFUSED',
    `more than ${MAX_SEALED_VALUES} sealed values in one Secret`,
    {
      hint: 'split the Secret',
    },
  );
}

/** Checks what the values of a finished Secret add up to. Throws VALUE_REFUSED above 1 MiB. */
export function checkSize(octets: number): readonly Warning[] {
  if (octets > MAX_SECRET) {
    throw new KsealError(
      'VALUE_REFUSED',
      `the values add up to ${octets} octets, and a Secret holds at most ${MAX_SECRET}`,
      {
        hint: 'split the Secret',
      },
    );
  }
  if (octets <= SERVER_SIDE) return [];
  return [
    {
      message: `the values add up to ${octets} octets, which is much for kubectl apply`,
      hint: 'apply it with: kubectl apply --server-side -f FILE',
    },
  ];
}
