import { KsealError } from '../errors.ts';

/** Where a key is: a file, a remote place named by its scheme, or a name in the configuration. */
export type KeyReference =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'remote'; readonly scheme: string; readonly rest: string }
  | { readonly kind: 'name'; readonly name: string };

/**
 * Reads a key reference. With `://` it is remote; a word of letters, digits, `-` and `_` is a
 * configured name; anything else is a path, `C:\keys\prod.pub` too.
 * Throws KEY_REFERENCE_INVALID for an empty one.
 */
export function parseReference(text: string): KeyReference {
  const remote = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text);
  if (remote)
    return { kind: 'remote', scheme: (remote[1] ?? '').toLowerCase(), rest: remote[2] ?? '' };
  if (text === '')
    throw new KsealError('KEY_REFERENCE_INVALID', 'the key reference is empty', {
      hint: '-k keys/prod.pub',
    });
  return /^[A-Za-z0-9_-]+$/.test(text)
    ? { kind: 'name', name: text }
    : { kind: 'file', path: text };
}
