import { expect, test } from 'vitest';
import { parseTxtar, splitWords } from './txtar.ts';

test('commands are before the first file and keep their line numbers', () => {
  const { lines } = parseTxtar("# about\n\nkseal seal 'a b'\n-- f --\nkseal not-a-command\n");
  expect(lines).toEqual([{ number: 3, text: "kseal seal 'a b'", words: ['kseal', 'seal', 'a b'] }]);
});

test('a file ends at the next marker, and may be bare or base64', () => {
  const { files } = parseTxtar(
    '-- a.yaml --\nx: 1\n\n-- d/b bare --\nx\n-- c base64 --\nAAH/\n-- e --\n-- f bare --\n',
  );
  expect(Object.fromEntries(files)).toEqual({
    'a.yaml': Buffer.from('x: 1\n\n'),
    'd/b': Buffer.from('x'),
    c: Buffer.from([0, 1, 255]),
    e: Buffer.from(''),
    f: Buffer.from(''),
  });
});

test('YAML document markers and PEM lines are not file markers', () => {
  const text = '---\na: 1\n--- # two\n-----BEGIN X-----\n';
  expect(parseTxtar(`-- a --\n${text}`).files.get('a')?.toString()).toBe(text);
});

test.each(['-- a zip --\n', '-- a --\n-- a --\n'])('%j is refused', (text) => {
  expect(() => parseTxtar(text)).toThrow();
});

test.each([
  ["a 'b c'  d # e", ['a', 'b c', 'd']],
  ["k='a b' ''", ['k=a b', '']],
  ['a#b', ['a#b']],
  ['# all', []],
  ['stdout \'^\\d "x"$\'', ['stdout', '^\\d "x"$']],
])('splits %j', (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
