import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { KsealError } from '../errors.ts';
import { parseJsonObject } from '../jwe/encoding.ts';
import { shellWord } from '../text.ts';

export type KeyKind = 'public' | 'private';

/** A key text that was read, before the key policy. */
export interface ReadKey {
  readonly kind: KeyKind;
  readonly key: KeyObject;
  /** How the key was written: `SPKI PEM`, `X.509 certificate` ... */
  readonly form: string;
}

interface PemForm {
  readonly kind: KeyKind;
  readonly form: string;
  readonly read: (pem: string) => KeyObject;
}

/** The PEM labels that hold a key we can use (RFC 7468 §§ 5, 10, 13; RFC 8017 A.1). */
const pemForms: Record<string, PemForm> = {
  'PUBLIC KEY': { kind: 'public', form: 'SPKI PEM', read: (pem) => exactKey(pem, 'spki') },
  'RSA PUBLIC KEY': { kind: 'public', form: 'PKCS#1 PEM', read: (pem) => exactKey(pem, 'pkcs1') },
  CERTIFICATE: {
    kind: 'public',
    form: 'X.509 certificate',
    read: (pem) => new X509Certificate(pem).publicKey,
  },
  'PRIVATE KEY': { kind: 'private', form: 'PKCS#8 PEM', read: createPrivateKey },
  'RSA PRIVATE KEY': { kind: 'private', form: 'PKCS#1 PEM', read: createPrivateKey },
};

/**
 * Reads a key from a file's text: one PEM block with nothing before or after it, or a public
 * RSA JWK (RFC 7517). Throws KEY_INVALID; the message names `what` and never quotes the text.
 */
export function readKeyText(octets: Uint8Array, what: string): ReadKey {
  const text = textOf(octets, what);
  if (text.startsWith('{')) return readJwk(Buffer.from(text), what);
  const blocks = text.match(/-----BEGIN /g)?.length ?? 0;
  if (blocks > 1) throw invalid(what, 'holds several PEM blocks, and a key file must hold one');
  const pem = /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----$/.exec(text);
  if (pem === null)
    throw invalid(
      what,
      blocks === 0
        ? 'holds no key in PEM or JWK form'
        : 'is not one whole PEM block and nothing else',
    );
  const [block, label = '', body = ''] = pem;
  if (label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED')) {
    throw invalid(
      what,
      'is a private key under a passphrase',
      `openssl pkey -in ${shellWord(what)} -out plain.pem`,
    );
  }
  const form = Object.hasOwn(pemForms, label) ? pemForms[label] : undefined;
  if (form === undefined) throw invalid(what, `holds a PEM block of type ${label}`);
  return { kind: form.kind, form: form.form, key: readBlock(() => form.read(block), what) };
}

/** OpenSSL passes over what follows the key within the block; here the block is the key. */
function exactKey(pem: string, type: 'spki' | 'pkcs1'): KeyObject {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa') {
    const body = pem.replace(/-----[^-]+-----|\s/g, '');
    if (key.export({ type, format: 'der' }).toString('base64') !== body)
      throw new Error('more than a key');
  }
  return key;
}

function textOf(octets: Uint8Array, what: string): string {
  if (octets.length === 0) throw invalid(what, 'is empty');
  if ((octets[0] === 0xff && octets[1] === 0xfe) || (octets[0] === 0xfe && octets[1] === 0xff)) {
    throw invalid(
      what,
      'is UTF-16 text',
      `in PowerShell: Get-Content ${shellWord(what)} | Set-Content -Encoding ascii key.pub`,
    );
  }
  return Buffer.from(octets)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim();
}

function readJwk(octets: Uint8Array, what: string): ReadKey {
  const jwk = readBlock(() => parseJsonObject(octets, what), what);
  if (Object.hasOwn(jwk, 'd'))
    return {
      kind: 'private',
      form: 'JWK',
      key: readBlock(() => createPrivateKey({ key: jwk, format: 'jwk' }), what),
    };
  if (Object.hasOwn(jwk, 'use') && jwk.use !== 'enc')
    throw invalid(what, 'is a JWK whose use is not enc');
  if (Object.hasOwn(jwk, 'alg') && jwk.alg !== 'RSA-OAEP-256')
    throw invalid(what, 'is a JWK whose alg is not RSA-OAEP-256');
  const key = readBlock(() => createPublicKey({ key: jwk, format: 'jwk' }), what);
  // Node reads base64url leniently, which would give one key several texts.
  if (key.asymmetricKeyType === 'rsa' && key.export({ format: 'jwk' }).n !== jwk.n) {
    throw invalid(what, 'is a JWK whose modulus is not canonical base64url');
  }
  return { kind: 'public', form: 'JWK', key };
}

/** OpenSSL's own words may hold parts of the file, so its error is dropped. */
function readBlock<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch {
    throw invalid(what, 'the key in it is damaged');
  }
}

function invalid(
  what: string,
  reason: string,
  hint = 'use the file that the KMS manager published, for example keys/prod.pub',
): KsealError {
  return new KsealError('KEY_INVALID', `${what}: ${reason}`, { hint });
}

/** Whether a file begins as a key file does: PEM, or a JWK. */
export function looksLikeKey(octets: Uint8Array): boolean {
  const start = Buffer.from(octets.subarray(0, 4096)).toString('latin1');
  return /^(?:\xef\xbb\xbf)?\s*(?:-----BEGIN |\{[^{}]*"kty"\s*:)/.test(start);
}
