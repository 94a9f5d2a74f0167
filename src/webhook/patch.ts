import type { AdmissionResponse } from './admission.ts';

/**
 * A JSON Patch (RFC 6902) that replaces exactly the values that were opened: whatever else is in
 * the object, and what other webhooks did to it, stays. `opened` goes by data key.
 */
export function patchOf(
  opened: ReadonlyMap<string, Uint8Array>,
): Required<Pick<AdmissionResponse, 'patchType' | 'patch'>> {
  const operations = [...opened].map(([key, octets]) => ({
    op: 'replace',
    path: `/data/${escapeToken(key)}`,
    value: Buffer.from(octets).toString('base64'),
  }));
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch };
}

/** RFC 6901 §3: "'~' needs to be encoded as '~0' and '/' needs to be encoded as '~1'". */
function escapeToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
