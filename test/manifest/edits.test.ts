import fc from 'fast-check';
import { it } from 'vitest';
import { changesOnlyEdited, keepsOtherLines } from './edits.ts';

it('editManifest changes exactly the values in the edits', () => {
  fc.assert(changesOnlyEdited, { numRuns: 80 });
});

it('editManifest keeps the lines of all other values, the byte order mark and the line ends', () => {
  fc.assert(keepsOtherLines, { numRuns: 80 });
});
