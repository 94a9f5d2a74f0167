import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseYaml } from '../../src/yaml/parse.ts';
import { generate } from '../differential/generate.mjs';
import { isScanned, longTexts, parsesAnyText, scansOddText, scansPlainText } from './texts.ts';

test('any text is parsed or rejected without an exception', () => {
  fc.assert(parsesAnyText, { numRuns: 50_000 });
});

test('the scanner of plain blocks returns the nodes that the package returns, or none', () => {
  fc.assert(scansPlainText, { numRuns: 5000 });
  fc.assert(scansOddText, { numRuns: 30_000 });
});

/** The documents of all fixtures, also those in scripts. */
function documents(): readonly string[] {
  const folder = join(import.meta.dirname, '../../fixtures');
  const texts = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => {
      return readFileSync(join(parentPath, name), 'utf8').split(/^(?:---|-- .* --)$\n/m);
    });
  return [...new Set(texts)];
}

const characters = [...'\n\t\r :-?,[]{}#&*!|>\'"%@`\\.a0/_=~<\u00A0\uFEFFé'];

test('the scanner returns the nodes of the package, or none, for all short texts', () => {
  const pieces = [...'ab: \n-#"\'.'];
  let scanned = 0;
  const addTo = (text: string, left: number): void => {
    if (isScanned(text)) scanned++;
    if (left > 0) for (const piece of pieces) addTo(text + piece, left - 1);
  };
  addTo('', 5);
  expect(scanned).toBeGreaterThan(500);
});

test('the scanner returns the nodes of the package, or none, after any edit of a character', () => {
  const plain = documents().filter((text) => text.length < 200 && isScanned(text));
  expect(plain.length).toBeGreaterThan(20);
  for (const text of plain.slice(0, 20))
    for (let at = 0; at <= text.length; at++) {
      const [before, after] = [text.slice(0, at), text.slice(at + 1)];
      isScanned(before);
      isScanned(before + after);
      for (const character of characters) {
        isScanned(before + character + after);
        isScanned(before + character + text.slice(at));
      }
    }
});

test('the scanner returns the nodes of the package, or none, for hostile manifests', () => {
  const corpus = documents().filter((text) => text.length < 20_000);
  const sealed = ['ZXlKaGJHY2lPaUpTVT'];
  for (let seed = 0; seed < 10_000; seed++) isScanned(generate(seed, { sealed, corpus }));
});

test.each(longTexts(1.5e6))('takes linear time for %s', (_, text) => {
  expect(parseYaml(text).errors).toEqual([]);
});
