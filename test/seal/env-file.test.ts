import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEnvFile } from '../../src/seal/env-file.ts';
import { thrownBy } from '../jwe/thrown.ts';

const read = (text: string | Buffer) => readEnvFile(Buffer.from(text), 'app.env');

test.each([
  ['', []],
  ['A=1', [['A', '1']]],
  [
    'A=1\nB=2\n',
    [
      ['A', '1'],
      ['B', '2'],
    ],
  ],
  [
    'A=1\r\nB=2\r\n',
    [
      ['A', '1'],
      ['B', '2'],
    ],
  ],
  ['\ufeffA=1\n', [['A', '1']]],
  ['\n  \n# comment\n  # comment\nA=1\n\n', [['A', '1']]],
  ['  A=1', [['A', '1']]],
  ['A=', [['A', '']]],
  ['A=b=c==', [['A', 'b=c==']]],
  ['A= 1 # no comment ', [['A', ' 1 # no comment ']]],
  [
    'A="1"\nB=\'2\'',
    [
      ['A', '"1"'],
      ['B', "'2'"],
    ],
  ],
  ['A=$B $\u007bC} `d`', [['A', '$B $\u007bC} `d`']]],
  ['A=a\\nb', [['A', 'a\\nb']]],
  ['A=a\rb', [['A', 'a\rb']]],
  ['.a-b_C.1=x', [['.a-b_C.1', 'x']]],
  ['__proto__=x', [['__proto__', 'x']]],
  ['A=密码', [['A', '密码']]],
  [
    'A=1\nA=2',
    [
      ['A', '1'],
      ['A', '2'],
    ],
  ],
])('%j is read as it stands', (text, pairs) => {
  expect(read(text)).toEqual(pairs);
});

describe('a line that is no KEY=VALUE', () => {
  test.each([
    ['a word', 'CANARY'],
    ['an exported variable', 'export A=CANARY'],
    ['a space before the sign', 'A =CANARY'],
    ['no key', '=CANARY'],
    ['a key that Kubernetes forbids', 'a/b=CANARY'],
    ['a key of dots', '..a=CANARY'],
    ['a key of 254 characters', `${'a'.repeat(254)}=CANARY`],
    ['a PEM block', '-----BEGIN CANARY-----'],
    ['YAML', 'a: CANARY'],
    ['the second line of a value', 'CANARY2'],
  ])('%s: its number is said, and none of its text', (_, line) => {
    const said = thrownBy(() => read(`A=1\n\n${line}\nB=CANARY3\n`));
    expect(said).toEqual({
      code: 'VALUE_REFUSED',
      message: 'app.env:3: is not a KEY=VALUE line',
      hint: 'a value of several lines belongs in a file of its own: --from-file KEY=PATH',
    });
  });
});

test.each([
  ['UTF-16', Buffer.from('\ufeffA=1', 'utf16le')],
  ['UTF-16 without a mark', Buffer.from('A=1', 'utf16le')],
  ['Latin-1', Buffer.from('A=p\u00e4ss', 'latin1')],
  ['a NUL', Buffer.from('A=1\0')],
])('%s is refused as a whole', (_, bytes) => {
  expect(thrownBy(() => read(bytes))).toMatchObject({
    code: 'VALUE_REFUSED',
    message: 'app.env: is not UTF-8 text',
  });
});

test('no error holds any part of the file, whatever is in it', () => {
  const line = fc.constantFrom(
    'A=CANARY-1',
    'CANARY-2',
    '=CANARY-3',
    '#CANARY-4',
    'B/=CANARY-5',
    '',
  );
  const file = fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n'));
  let refused = 0;
  fc.assert(
    fc.property(file, (text) => {
      try {
        read(text);
      } catch (error) {
        refused++;
        const said = error as Error & { hint?: string };
        expect(`${said.message} ${said.hint} ${said.stack} ${said.cause}`).not.toContain('CANARY');
      }
    }),
  );
  expect(refused).toBeGreaterThan(20);
});
