import { KsealError } from '../errors.ts';
import { decodeUtf8 } from '../text.ts';

/**
 * Parses a JSON object whose members are unique at every depth (RFC 7515 §4: "The Header
 * Parameter names within the JOSE Header MUST be unique"; JSON.parse keeps the last one). A member
 * `__proto__` is a member like any other. Throws JWE_MALFORMED; `what` names the object.
 */
export function parseJsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new KsealError('JWE_MALFORMED', `${what} is not UTF-8`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new KsealError('JWE_MALFORMED', `${what} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new KsealError('JWE_MALFORMED', `${what} is not a JSON object`);
  }
  // A duplicate is lost in the value, so a text that comes back unchanged has none.
  if (JSON.stringify(value) !== text && hasDuplicateMembers(text)) {
    throw new KsealError('JWE_MALFORMED', `${what} has a duplicate member`);
  }
  return value as Record<string, unknown>;
}

const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/g;

/** Whether any object in `text`, which is valid JSON, has two members with the same name. */
function hasDuplicateMembers(text: string): boolean {
  const open: Set<string>[] = [];
  let previous = '';
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name: string = JSON.parse(previous);
      const names = open.at(-1);
      if (names?.has(name)) return true;
      names?.add(name);
    }
    previous = token;
  }
  return false;
}

/** Returns `bytes` as a Buffer without copying them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = bytes;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, length);
}

/**
 * Decodes base64url without padding (RFC 7515 §2); undefined unless `text` is the canonical
 * encoding. Buffer alone ignores bad characters and spare bits, so a value would have several
 * encodings.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
