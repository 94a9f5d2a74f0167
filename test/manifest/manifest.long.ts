import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copiesIn } from '../../src/manifest/copies.ts';
import { readManifest } from '../../src/manifest/read.ts';
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

test('a thousand values are searched for almost as fast as ten', () => {
  const text = `# ${'CANARY-'.repeat(9)}\n`.repeat(16_000);
  const secondsFor = (count: number) => {
    const names = Array.from(
      { length: count },
      (_, n) => `  k${n}: CANARY-${n}-${'x'.repeat(n % 90)}`,
    );
    const source = `apiVersion: v1\nkind: Secret\nstringData:\n${names.join('\n')}\n${text}`;
    const manifest = readManifest(source, 'db.yaml');
    const plaintexts = manifest.secrets.flatMap((secret) =>
      secret.entries.map((entry) => ({ ...entry, secret })),
    );
    const edits = plaintexts.map((entry) => ({
      ...entry,
      kind: 'set' as const,
      bytes: Buffer.of(),
    }));
    const start = performance.now();
    expect(copiesIn(manifest, edits, plaintexts)).toEqual([]);
    return performance.now() - start;
  };
  secondsFor(10);
  expect(secondsFor(1000)).toBeLessThan(10 * secondsFor(10));
});
