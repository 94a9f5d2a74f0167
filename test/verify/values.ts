import type { Policy } from '../../src/verify/rule.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { kidOfPem, makeJwe } from '../helpers/jwe.ts';
import { defaults, openAllowance, readFixture } from './fixtures.ts';

export const PLAINTEXT = 'CANARY-value-of-a-test';

export const pem = (name: string) => readFixture(`keys/${name}.pub`).toString();
export const kid = (name: string) => kidOfPem(pem(name));

export const strict = { scope: 'strict', namespace: 'hr', name: 'db', key: 'password' };

/** A sealed value: bound to hr/db, password, and sealed to `prod`, unless something else is said. */
export function sealedValue(header: object = {}, key = 'prod'): string {
  const own = { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256', kseal: strict, kid: kid(key) };
  return makeJwe(Buffer.from(PLAINTEXT), pem(key), JSON.stringify({ ...own, ...header }));
}

export const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');

/** A manifest of hr/db; `rest` are its further lines. */
export function manifest(rest: string, metadata = '{ name: db, namespace: hr }'): string {
  return `apiVersion: v1\nkind: Secret\nmetadata: ${metadata}\n${rest}\n`;
}

/** A manifest with the value under the data key `password`. */
export const withValue = (value: string, metadata?: string) =>
  manifest(`data:\n  password: ${base64(value)}`, metadata);

/** Keys by name, all active unless a state is given. */
export function keysNamed(names: Record<string, 'active' | 'deprecated' | 'revoked'>) {
  return new Map(
    Object.entries(names).map(([name, state]) => [kid(name), { name, state, bits: undefined }]),
  );
}

/** The rules that a text breaks, each as `LINE rule`. */
export function brokenBy(text: string, allowed: Partial<Policy> = {}): string[] {
  const { findings } = verifyText(
    { path: 'db.yaml', content: Buffer.from(text) },
    { ...openAllowance, ...allowed },
    defaults,
  );
  return findings.map(({ position, code }) => `${position.line} ${code}`);
}
