import { KsealError } from '../errors.ts';
import { readCompact } from '../jwe/compact.ts';
import { findSealed } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';

/** The values that need a key. */
export interface KeyUsage {
  /** The number of sealed values. */
  readonly values: number;
  /** The files that contain them, each once. */
  readonly files: readonly string[];
}

/** A file to search, as `textsInFiles` yields it. */
interface SearchedText {
  readonly path: string;
  readonly isKeyFile: boolean;
  readonly content: Uint8Array | KsealError;
}

/**
 * Counts the sealed values in texts by the kid that their headers name; those that name none are
 * under the empty string. They may be anywhere: in Secrets, Helm values, templates or comments.
 * Damaged values and texts that cannot be read do not count.
 */
export async function keyUsage(
  texts: AsyncIterable<SearchedText>,
): Promise<ReadonlyMap<string, KeyUsage>> {
  const usage = new Map<string, { values: number; files: string[] }>();
  for await (const { path, isKeyFile, content } of texts) {
    if (isKeyFile || content instanceof KsealError) continue;
    for (const { jwe } of findSealed(bufferOf(content).toString('latin1'))) {
      const kid = kidIn(jwe);
      if (kid === undefined) continue;
      const found = usage.get(kid) ?? { values: 0, files: [] };
      usage.set(kid, found);
      found.values += 1;
      if (found.files.at(-1) !== path) found.files.push(path);
    }
  }
  return usage;
}

/** Undefined for a damaged JWE. */
function kidIn(jwe: string): string | undefined {
  try {
    return readCompact(Buffer.from(jwe)).header.kid ?? '';
  } catch {
    return undefined;
  }
}
