import type { KeyFile } from './file.ts';

export const keyFormats = ['pem', 'jwk'] as const;

export type KeyFormat = (typeof keyFormats)[number];

/** The text of a public key: SPKI PEM, or a JWK (RFC 7517) that says what it is for. */
export function publicKeyText(
  { key, kid }: Pick<KeyFile, 'key' | 'kid'>,
  format: KeyFormat,
): string {
  if (format === 'pem') return key.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = { ...key.export({ format: 'jwk' }), use: 'enc', alg: 'RSA-OAEP-256', kid };
  return `${JSON.stringify(jwk, null, 2)}\n`;
}
