import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A published compact JWE with its private key, its CEK and the text of its header. */
export interface JweVector {
  readonly title: string;
  readonly outcome: 'refused';
  readonly header: string;
  readonly plaintext: string;
  readonly cek: string;
  readonly jwe: string;
  readonly key: JsonWebKey;
}

/** Reads fixtures/vectors/NAME.json. */
export function readVector<T>(name: string): T {
  const path = join(import.meta.dirname, '../../fixtures/vectors', `${name}.json`);
  return JSON.parse(readFileSync(path, 'utf8'));
}
