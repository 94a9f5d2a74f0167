import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kidOfPem } from './jwe.ts';
import type { Script } from './script.ts';

/**
 * `${kid:k}` stands for the kid of k.pub, `${print:k}` for its form in groups of hex digits,
 * `${work}` for the script's folder, `${home}` for that of its user, and `${name}` for what a
 * `let` said.
 */
export function expand({ folder, names }: Script, word: string): string {
  return word.replace(/\$\{(\w+)(?::([\w/.-]+))?\}/g, (whole, form, name) => {
    if (name === undefined) return names.get(form) ?? whole;
    const kid = kidOfPem(readFileSync(join(folder, `${name}.pub`)));
    if (form === 'kid') return kid;
    return Buffer.from(kid, 'base64url')
      .toString('hex')
      .replace(/.{4}(?=.)/g, '$& ');
  });
}
