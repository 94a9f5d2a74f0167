import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { openingKeyFromFile, publicKeyFromFile } from './file.ts';
import { parseReference } from './reference.ts';

/** The public key behind a reference. `cwd` is the folder that relative paths start from. */
export function loadPublicKey(reference: string, cwd: string): Promise<PublicKey> {
  const path = localPath(reference);
  return publicKeyFromFile(resolve(cwd, path), path);
}

/** The private keys behind a reference. */
export async function loadOpeningKeys(reference: string, cwd: string): Promise<OpeningKey[]> {
  const path = localPath(reference);
  return [await openingKeyFromFile(resolve(cwd, path), path)];
}

function localPath(text: string): string {
  const reference = parseReference(text);
  if (reference.kind === 'file') return reference.path;
  if (reference.kind === 'name') {
    throw new KsealError('KEY_REFERENCE_INVALID', `no key named ${reference.name} is configured`, {
      hint: `for a file of that name: -k ./${reference.name}`,
    });
  }
  throw new KsealError('KEY_REFERENCE_INVALID', `no keys are read from ${reference.scheme}://`, {
    hint: 'give a key file: -k keys/prod.pub',
  });
}
