import { describe, expect, test } from 'vitest';
import {
  type ErrorCode,
  EXIT_BUG,
  errorsOf,
  exitCodeOf,
  exitCodes,
  expected,
  expectedErrors,
  KsealError,
  located,
  throwAll,
} from '../src/errors.ts';
import { thrownBy } from './jwe/thrown.ts';

const error = (code: ErrorCode) => new KsealError(code, code);

describe('the exit code', () => {
  /** The codes whose exit code is not 2. Scripts rely on these numbers, which docs/ci.md explains. */
  const others: Partial<Record<ErrorCode, number>> = {
    DECRYPTION_FAILED: 3,
    KEY_UNKNOWN: 3,
    KEY_REVOKED: 3,
    KEY_NOT_FOUND: 4,
    KEY_DENIED: 4,
    KEY_CREDENTIALS: 4,
    KEY_UNAVAILABLE: 4,
    KEY_DEADLINE: 4,
    INTERRUPTED: 130,
  };

  const codes = Object.keys(exitCodes) as ErrorCode[];
  test.each(codes.map((code) => [code, others[code] ?? 2] as const))(
    'of %s is %i',
    (code, exit) => {
      expect(exitCodeOf(error(code))).toBe(exit);
    },
  );

  test.each([
    ['a foreign error', new Error('x')],
    ['a TypeError', new TypeError('x')],
    ['a text', 'x'],
    ['undefined', undefined],
    [
      'an object that only looks like a KsealError',
      { name: 'KsealError', code: 'USAGE', message: 'x' },
    ],
    ['a system error', Object.assign(new Error('x'), { code: 'ENOENT' })],
  ])('of %s is the one for a bug', (_, thrown) => {
    expect([EXIT_BUG, exitCodeOf(thrown)]).toEqual([70, 70]);
  });

  test('of several errors is the highest one', () => {
    const [two, three] = [error('USAGE'), error('DECRYPTION_FAILED')];
    expect(exitCodeOf(new AggregateError([two, two]))).toBe(2);
    expect(exitCodeOf(new AggregateError([two, three, two]))).toBe(3);
    expect(exitCodeOf(new AggregateError([two, new AggregateError([three])]))).toBe(3);
    expect(exitCodeOf(new AggregateError([three, new Error('x')]))).toBe(70);
  });
});

describe('several errors', () => {
  const [a, b, c] = [error('USAGE'), error('IO'), error('KEY_INVALID')];

  test('are listed in order, however they are nested', () => {
    expect(errorsOf(new AggregateError([a, new AggregateError([b, c])]))).toEqual([a, b, c]);
    expect(errorsOf(a)).toEqual([a]);
    expect(errorsOf('x')).toEqual(['x']);
  });

  test('are thrown together, one as itself, and none not at all', () => {
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

describe('a thrown value is expected', () => {
  const [a, b] = [error('USAGE'), error('IO')];

  test('if it is a KsealError', () => {
    expect(expected(a)).toBe(a);
    expect(expectedErrors(new AggregateError([a, b]))).toEqual([a, b]);
  });

  test.each([new Error('x'), 'x', undefined])('and %s is thrown again', (thrown) => {
    expect(() => expected(thrown)).toThrow(thrown);
    expect(() => expectedErrors(new AggregateError([a, thrown]))).toThrow(thrown);
  });
});

test('located() changes only the message of an error', () => {
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
