import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { keySizes } from '../helpers/global-setup.ts';
import { kidOfPem } from '../helpers/jwe.ts';
import { AskedKey } from '../jwe/pairs.ts';

const read = (file: string) => readFileSync(join(inject('keys'), file), 'utf8');

/** The public keys of the test run and their kids, by name. */
export const keys = {
  publicPem: (name: string) => read(`${name}.pub`),
  kid: (name: string) => kidOfPem(read(`${name}.pub`)),
};

export const privatePem = (name: string) => read(`${name}.pem`);

export function askedKey(name: keyof typeof keySizes): AskedKey {
  const privateKey = createPrivateKey(privatePem(name));
  return new AskedKey({ privateKey, kid: keys.kid(name), bits: keySizes[name] });
}
