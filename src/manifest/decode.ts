import { isUtf8 } from 'node:buffer';
import { KsealError } from '../errors.ts';

// A byte order mark stays, so that an edited manifest keeps it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The text of a manifest file, `octets` being its UTF-8; a byte order mark is kept.
 *
 * @throws KsealError MANIFEST_INVALID, `path` in front, for UTF-16 and for anything not UTF-8.
 */
export function decodeManifest(octets: Uint8Array, path: string): string {
  if (looksUtf16(octets)) {
    throw new KsealError('MANIFEST_INVALID', 'the text is UTF-16, not UTF-8', {
      thing: path,
      hint: 'save it as UTF-8; in PowerShell: … | Set-Content -Encoding utf8 FILE',
    });
  }
  const text = decoder.decode(octets);
  if (isUtf8(octets)) return text;
  const again = new TextEncoder().encode(text);
  const offset = octets.findIndex((octet, at) => octet !== again[at]);
  throw new KsealError('MANIFEST_INVALID', `not UTF-8 at octet ${offset + 1}`, {
    thing: path,
    hint: 'save it as UTF-8; a binary value belongs under data, as base64',
  });
}

function looksUtf16([a, b, c, d]: Uint8Array): boolean {
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  return (a === 0 && b !== 0 && c === 0) || (b === 0 && a !== 0 && d === 0);
}
