import type { KsealError } from '../../src/errors.ts';
import type { Policy } from '../../src/verify/rule.ts';
import { type Verification, type VerifySettings, verifyText } from '../../src/verify/verify.ts';
import { kidOfPem, makeJwe } from '../helpers/jwe.ts';
import { defaults, openPolicy, readFixture } from './fixtures.ts';

export const PLAINTEXT = 'CANARY-value-of-a-test';

export const pem = (name: string) => readFixture(`keys/${name}.pub`).toString();
export const kid = (name: string) => kidOfPem(pem(name));

export const strict = { scope: 'strict', namespace: 'hr', name: 'db', key: 'password' };

/** Returns a value sealed for hr/db, data key `password`; `header` changes the header. */
export function sealedValue(header: object = {}, key = 'prod'): string {
  const own = { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256', kseal: strict, kid: kid(key) };
  return makeJwe(Buffer.from(PLAINTEXT), pem(key), JSON.stringify({ ...own, ...header }));
}

export const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');

/** Returns a manifest of Secret hr/db; `rest` begins in line 4. */
export function manifest(rest: string, metadata = '{ name: db, namespace: hr }'): string {
  return `apiVersion: v1\nkind: Secret\nmetadata: ${metadata}\n${rest}\n`;
}

/** Returns a manifest with the value under the data key `password`, in line 5. */
export const withValue = (value: string, metadata?: string) =>
  manifest(`data:\n  password: ${base64(value)}`, metadata);

/** Returns keys for a policy from their names and states. */
export function keysNamed(names: Record<string, 'active' | 'deprecated' | 'revoked'>) {
  return new Map(
    Object.entries(names).map(([name, state]) => [kid(name), { name, state, bits: undefined }]),
  );
}

/** Verifies a text as the file db.yaml. */
export function verify(
  content: string | Uint8Array | KsealError,
  policy: Partial<Policy> = {},
  settings: VerifySettings = defaults,
): Verification {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return verifyText({ path: 'db.yaml', content: bytes }, { ...openPolicy, ...policy }, settings);
}

/** Returns the rules that a text breaks, each as `LINE rule`. */
export function brokenBy(text: string, policy?: Partial<Policy>): string[] {
  const { findings } = verify(text, policy);
  return findings.map(({ position, code }) => `${position.line} ${code}`);
}
