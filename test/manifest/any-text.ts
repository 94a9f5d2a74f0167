import fc from 'fast-check';
import { readManifest } from '../../src/manifest/read.ts';

const piece = fc.oneof(
  fc.constantFrom(
    'apiVersion: v1\nkind: Secret\n',
    'kind: List\n',
    'items:\n',
    '- ',
    'data:\n',
    'stringData:\n',
    '  a: b\n',
    '  a: |\n',
  ),
  fc.constantFrom(
    '{',
    '}',
    '&a ',
    '*a',
    '!!str ',
    '"',
    "'",
    '<<: ',
    '---\n',
    '\n',
    '  ',
    ': ',
    '#',
    '\r\n',
  ),
  fc.string({ maxLength: 4 }),
);

/** Any text is read without an exception. */
export const readsAnyText = fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
  readManifest(pieces.join(''), 'x');
});
