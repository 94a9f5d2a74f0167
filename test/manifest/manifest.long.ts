import fc from 'fast-check';
import { test } from 'vitest';
import { readsAnyText } from './any-text.ts';
import { changesOnlyEdited, keepsOtherLines } from './edits.ts';
import { readsScalarBack } from './scalar-text.ts';

test('any text is read without an exception', () => {
  fc.assert(readsAnyText, { numRuns: 50_000 });
});

test('a scalar is read as the same string in YAML 1.1 and 1.2, in block and in flow style', () => {
  fc.assert(readsScalarBack, { numRuns: 50_000 });
});

test('editManifest changes exactly the values in the edits', () => {
  fc.assert(changesOnlyEdited, { numRuns: 10_000 });
});

test('editManifest keeps the lines of all other values, the byte order mark and the line ends', () => {
  fc.assert(keepsOtherLines, { numRuns: 10_000 });
});
