import { KsealError } from '../errors.ts';
import { type CompactJwe, MAX_VALUE_BYTES, readCompact } from './compact.ts';
import { bufferOf, parseJsonObject } from './encoding.ts';

/**
 * Reads a value of a Secret: undefined when it does not look sealed and is to be left alone.
 * Throws JWE_MALFORMED or JWE_REFUSED for what looks sealed but is damaged, encoded twice or in
 * a JSON serialization.
 */
export function readSealedValue(bytes: Uint8Array): CompactJwe | undefined {
  const look = sealedLook(bytes);
  if (look === 'compact') return readCompact(bytes);
  if (look === 'encoded-again') {
    throw new KsealError(
      'JWE_MALFORMED',
      'is a sealed value that was base64-encoded once too often',
      {
        hint: 'take one layer of base64 away, or seal the value again',
      },
    );
  }
  if (!looksFlattened(bytes)) return undefined;
  throw new KsealError(
    'JWE_REFUSED',
    'is a JWE in JSON form, and only the compact form is opened',
    {
      hint: 'rewrite it with: kseal seal --from-jwe FILE',
    },
  );
}

/** Whether a value is one that `readSealedValue` reads or throws at. */
export function isSealedInSomeForm(bytes: Uint8Array): boolean {
  return looksSealed(bytes) || looksFlattened(bytes);
}

// The bytes with which a sealed value begins, and those bytes base64-encoded once more.
// The last two are cut to what the fixed prefixes of `data` values (webhook match
// conditions and policy) can tell apart, so that all readers agree on every value.
const compact = ['eyJhbGciOiJSU0E', 'eyJlbmMiOiJB']; // {"alg":"RSA and {"enc":"A
const encodedAgain = ['ZXlKaGJHY2lPaUpTVT', 'ZXlKbGJtTWlPaUp'];

/** All of them: whole groups of three bytes, so that each is a fixed prefix in base64, too. */
export const sealedBeginnings: readonly string[] = [...compact, ...encodedAgain];

type SealedLook = 'no' | 'compact' | 'encoded-again';

/**
 * What a value's bytes look like: a compact JWE, one that was base64-encoded once more,
 * or neither. What looks sealed is opened or refused; nothing else is touched. No JWS matches.
 */
export function sealedLook(bytes: Uint8Array): SealedLook {
  const start = bufferOf(bytes).toString('latin1', 0, 20);
  if (compact.some((prefix) => start.startsWith(prefix))) return 'compact';
  return encodedAgain.some((prefix) => start.startsWith(prefix)) ? 'encoded-again' : 'no';
}

/** The one "looks sealed" predicate of seal, verify, the webhook and its match condition. */
export function looksSealed(bytes: Uint8Array): boolean {
  return sealedLook(bytes) !== 'no';
}

const members = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'] as const;

/**
 * Whether `bytes` are a sealed value in a JSON serialization (RFC 7516 §7.2): an object with a
 * ciphertext and a protected header that looks sealed. kseal refuses it outside `--from-jwe`.
 */
export function looksFlattened(bytes: Uint8Array): boolean {
  if (bytes.length > 2 * MAX_VALUE_BYTES) return false;
  const text = bufferOf(bytes).toString('latin1');
  if (!/^\s*\{/.test(text) || !text.includes('"ciphertext"')) return false;
  const header = /"protected"\s*:\s*"([^"]*)"/.exec(text)?.[1];
  return header !== undefined && looksSealed(Buffer.from(header));
}

/**
 * Rewrites a Flattened JWE JSON Serialization (RFC 7516 §7.2.2), as `jose-util encrypt --full`
 * prints it, as the compact form: the same five segments, so no key is needed. Exactly the
 * members `protected, encrypted_key, iv, ciphertext, tag`: an unprotected header or an `aad`
 * has no place in the compact form. Throws JWE_MALFORMED or JWE_REFUSED.
 */
export function compactFromFlattened(bytes: Uint8Array): string {
  const object = parseJsonObject(bytes, 'JWE in JSON');
  const foreign = Object.keys(object).some((name) => !members.some((member) => member === name));
  const segments = members.map((member) => object[member]);
  if (foreign || !segments.every((segment) => typeof segment === 'string')) {
    throw new KsealError(
      'JWE_REFUSED',
      `JWE in JSON must have exactly the members ${members.join(', ')}`,
    );
  }
  const compact = segments.join('.');
  readCompact(Buffer.from(compact));
  return compact;
}

/**
 * The compact text in a file that another tool wrote: the flattened form is rewritten, the
 * compact form stays, less a newline at its end. Throws JWE_MALFORMED or JWE_REFUSED.
 */
export function compactText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  if (/^\s*\{/.test(text)) return compactFromFlattened(bytes);
  const compact = text.replace(/\r?\n$/, '');
  readCompact(Buffer.from(compact, 'latin1'));
  return compact;
}

/** What looks like a sealed value, somewhere in a text. */
interface FoundValue {
  readonly offset: number;
  /** The compact JWE, also where it was base64-encoded once more. */
  readonly jwe: string;
  /** As its header says; undefined where that cannot be read. */
  readonly kid: string | undefined;
}

// The prefixes of looks-sealed.ts. The base64 of a JWE may be folded, as `base64 -w 76` does.
const sealed =
  /(?<=^|[^\w-]|\\[nrt])(?:eyJ(?:hbGciOiJSU0E|lbmMiOiJB)[\w-]*(?:\.[\w-]*){4}|ZXlK(?:aGJHY2lPaUpTVT|bGJtTWlPaUp)[A-Za-z0-9]+(?:(?:\\n|\r?\n[ \t]*)[A-Za-z0-9]+(?![^\s"'\\=]))*={0,2})/g;

/**
 * All that looks like a sealed value in a text of any kind: also in Helm values, in a template,
 * or in what is no YAML at all.
 */
export function findSealed(text: string): readonly FoundValue[] {
  return [...text.matchAll(sealed)].map(({ index, 0: found }) => {
    const bare = found.replace(/\\n|\s/g, '');
    const jwe = bare.startsWith('eyJ')
      ? bare
      : Buffer.from(bare, 'base64').toString('latin1').trim();
    return { offset: index, jwe, kid: kidIn(jwe) };
  });
}

function kidIn(jwe: string): string | undefined {
  const [header = ''] = jwe.split('.', 1);
  try {
    const { kid }: { kid?: unknown } = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined; // What is damaged opens with no key.
  }
}
