import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kidOfPem } from './jwe.ts';
import type { Script } from './script.ts';

/**
 * Replaces `${kid:k}` with the kid of k.pub, `${print:k}` with its fingerprint in groups of hex
 * digits, `${short:k}` with the first of them, `${work}` with the folder of the script, `${home}` with
 * that of its user, and `${name}` with the text of a `let`.
 */
export function expand({ folder, names }: Script, word: string): string {
  return word.replace(/\$\{(\w+)(?::([\w/.-]+))?\}/g, (whole, form, name) => {
    if (name === undefined) return names.get(form) ?? whole;
    const kid = kidOfPem(readFileSync(join(folder, `${name}.pub`)));
    if (form === 'kid') return kid;
    const groups = Buffer.from(kid, 'base64url')
      .toString('hex')
      .replace(/.{4}(?=.)/g, '$& ');
    return form === 'short' ? groups.slice(0, 4) : groups;
  });
}
