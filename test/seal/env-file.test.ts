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
])('%j is read without quoting or expansion', (text, pairs) => {
  expect(read(text)).toEqual(pairs);
});

describe('reports the number, but not the text, of a line that is not KEY=VALUE', () => {
  test.each([
    ['a word', 'CANARY'],
    ['an exported variable', 'export A=CANARY'],
    ['a space before the =', 'A =CANARY'],
    ['an empty key', '=CANARY'],
    ['a key that Kubernetes does not allow', 'a/b=CANARY'],
    ['a key that begins with two dots', '..a=CANARY'],
    ['a key of 254 characters', `${'a'.repeat(254)}=CANARY`],
    ['a PEM block', '-----BEGIN CANARY-----'],
    ['YAML', 'a: CANARY'],
    ['the second line of a value', 'CANARY2'],
  ])('%s', (_, line) => {
    expect(thrownBy(() => read(`A=1\n\n${line}\nB=CANARY3\n`))).toEqual({
      code: 'VALUE_REFUSED',
      message: 'app.env:3: not a KEY=VALUE line',
      hint: 'put a value of several lines into its own file: --from-file KEY=PATH',
    });
  });
});

test.each([
  ['UTF-16', Buffer.from('\ufeffA=1', 'utf16le')],
  ['UTF-16 without a byte order mark', Buffer.from('A=1', 'utf16le')],
  ['Latin-1', Buffer.from('A=p\u00e4ss', 'latin1')],
  ['text with a NUL', Buffer.from('A=1\0')],
])('rejects a file that contains %s', (_, bytes) => {
  expect(thrownBy(() => read(bytes))).toEqual({
    code: 'VALUE_REFUSED',
    message: 'app.env: not UTF-8 text',
    hint: 'in PowerShell, write it with: Set-Content -Encoding utf8',
  });
});

test('no error contains any text of the file', () => {
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
        const { message, hint, stack, cause } = error as Error & { hint?: string };
        expect(`${message} ${hint} ${stack} ${cause}`).not.toContain('CANARY');
      }
    }),
  );
  expect(refused).toBeGreaterThan(20);
});
