import { KsealError } from '../errors.ts';
import { decodeUtf8 } from '../text.ts';

const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/g;

/**
 * Reads a JSON object whose members are unique at every depth (RFC 7515 §4: "The Header
 * Parameter names within the JOSE Header MUST be unique"; JSON.parse lets the last one win).
 * Its own `__proto__` members stay own members. Throws JWE_MALFORMED; `what` names the object.
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
  // What was there twice is lost in the value, so that its text would not be the same.
  if (JSON.stringify(value) !== text && hasDuplicateMembers(text)) {
    throw new KsealError('JWE_MALFORMED', `${what} has a member twice`);
  }
  return value as Record<string, unknown>;
}

/** Whether any object in `text`, which is valid JSON, has two members of one name. */
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

/** `bytes` as a Buffer, without copying them; most are one already. */
export function bufferOf(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = bytes;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, length);
}

/**
 * Decodes base64url without padding (RFC 7515 §2); undefined unless `text` is the one
 * canonical text of its bytes. Buffer alone drops bad characters and spare bits silently,
 * which would give one value several texts.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
