import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseYaml } from '../../src/yaml/parse.ts';
import { longTexts, parsesAnyText, scansOddText, scansPlainText } from './texts.ts';

test('any text is parsed or rejected without an exception', () => {
  fc.assert(parsesAnyText, { numRuns: 50_000 });
});

test('the scanner of plain blocks returns the nodes that the package returns, or none', () => {
  fc.assert(scansPlainText, { numRuns: 5000 });
  fc.assert(scansOddText, { numRuns: 30_000 });
});

test.each(longTexts(1.5e6))('takes linear time for %s', (_, text) => {
  expect(parseYaml(text).errors).toEqual([]);
});
