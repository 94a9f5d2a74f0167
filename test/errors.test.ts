import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  type ErrorCode,
  EXIT_BUG,
  errorsOf,
  exitCodeOf,
  exitCodes,
  KsealError,
  located,
  throwAll,
} from '../src/errors.ts';
import { shellWord } from '../src/text.ts';
import { thrownBy } from './jwe/thrown.ts';

const error = (code: ErrorCode) => new KsealError(code, code);

describe('the exit code', () => {
  test.each(Object.entries(exitCodes))('of %s is %i, which is documented', (code, exit) => {
    expect([2, 3, 4, 130]).toContain(exit);
    expect(exitCodeOf(error(code as ErrorCode))).toBe(exit);
  });

  test.each(['DECRYPTION_FAILED', 'KEY_UNKNOWN', 'KEY_REVOKED'] as const)(
    'of %s is 3: no key given opens it',
    (code) => {
      expect(exitCodes[code]).toBe(3);
    },
  );

  test.each([
    ['a foreign error', new Error('x')],
    ['a TypeError', new TypeError('x')],
    ['a text', 'x'],
    ['nothing', undefined],
    ['an object that only looks right', { name: 'KsealError', code: 'USAGE', message: 'x' }],
    ['a system error', Object.assign(new Error('x'), { code: 'ENOENT' })],
  ])('of %s is that of a bug', (_, thrown) => {
    expect([EXIT_BUG, exitCodeOf(thrown)]).toEqual([70, 70]);
  });

  test('of several errors is the highest', () => {
    const [two, three] = [error('USAGE'), error('DECRYPTION_FAILED')];
    expect(exitCodeOf(new AggregateError([two, two]))).toBe(2);
    expect(exitCodeOf(new AggregateError([two, three, two]))).toBe(3);
    expect(exitCodeOf(new AggregateError([two, new AggregateError([three])]))).toBe(3);
    expect(exitCodeOf(new AggregateError([three, new Error('x')]))).toBe(70);
  });
});

describe('several errors', () => {
  const [a, b, c] = [error('USAGE'), error('IO'), error('KEY_INVALID')];

  test('are listed in order, whatever holds them', () => {
    expect(errorsOf(new AggregateError([a, new AggregateError([b, c])]))).toEqual([a, b, c]);
    expect(errorsOf(a)).toEqual([a]);
    expect(errorsOf('x')).toEqual(['x']);
  });

  test('are thrown together, one as itself, none not at all', () => {
    expect(() => throwAll([])).not.toThrow();
    expect(() => throwAll([a])).toThrow(a);
    const together = () => throwAll([a, b]);
    expect(together).toThrow(AggregateError);
    try {
      together();
    } catch (thrown) {
      expect(errorsOf(thrown)).toEqual([a, b]);
    }
  });
});

test('an error keeps all but its message when its place is put in front', () => {
  const cause = new Error('why');
  const inner = new KsealError('JWE_MALFORMED', 'is cut', { hint: 'seal it again', cause });
  const outer = located('db.yaml:3:5', inner);
  expect(thrownBy(() => throwAll([outer]))).toEqual({
    code: 'JWE_MALFORMED',
    message: 'db.yaml:3:5: is cut',
    hint: 'seal it again',
  });
  expect([outer.cause, outer.name]).toEqual([cause, 'KsealError']);
});

describe('a word for the shell', () => {
  test.each(['keys/prod.pub', 'a-b_c.d', 'user@host:path', 'KEY=value', 'a,b%c+d', '/x'])(
    '%s needs no quotes',
    (word) => {
      expect(shellWord(word)).toBe(word);
    },
  );

  test.each([
    ...[
      '',
      ' ',
      'a b',
      "it's",
      "''",
      '"',
      '\\',
      '$HOME',
      '`id`',
      '$(id)',
      '!x',
      '~',
      '*',
      '?',
      '[a]',
    ],
    ...[
      'a;b',
      'a&b',
      'a|b',
      'a>b',
      '#x',
      '(x)',
      '{a,b}',
      'a\nb',
      '\t',
      'é',
      '密',
      '-n',
      '--',
      '%s',
    ],
  ])('%j reaches the program as it is', (word) => {
    const out = execFileSync('sh', ['-c', `printf %s -- ${shellWord(word)} | cat`]);
    expect(out.toString()).toBe(`--${word}`);
  });
});
