import { isKeyName } from '../config/config.ts';
import { KsealError } from '../errors.ts';

type KeyReference =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'remote'; readonly scheme: string }
  | { readonly kind: 'name'; readonly name: string };

/**
 * Parses a key reference: with `://` it is remote, a word of letters, digits, `-` and `_` is the
 * name of a configured key, and anything else, such as `C:\keys\prod.pub`, is a path.
 * Throws KEY_REFERENCE_INVALID for an empty reference.
 */
export function parseReference(text: string): KeyReference {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (scheme !== undefined) return { kind: 'remote', scheme: scheme.toLowerCase() };
  if (text !== '')
    return isKeyName(text) ? { kind: 'name', name: text } : { kind: 'file', path: text };
  throw new KsealError('KEY_REFERENCE_INVALID', 'empty key reference', {
    hint: '-k keys/prod.pub',
  });
}
