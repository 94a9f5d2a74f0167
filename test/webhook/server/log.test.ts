import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import {
  createLog,
  describeBug,
  type LogFields,
  loggedError,
} from '../../../src/webhook/server/log.ts';
import { type LogLevel, logLevels } from '../../../src/webhook/server/settings.ts';
import { Capture } from '../../helpers/io.ts';

/** The lines that one message gives. */
function linesOf(
  fields: LogFields,
  {
    at = 'info',
    level = 'debug',
    message = 'review',
  }: { at?: LogLevel; level?: LogLevel; message?: string } = {},
): string[] {
  const stream = new Capture();
  createLog(stream, level).write(at, message, fields);
  expect(stream.text === '' || stream.text.endsWith('\n')).toBe(true);
  return stream.text.split('\n').slice(0, -1);
}

const lineOf = (fields: LogFields, message?: string) => {
  const [line = '', ...more] = linesOf(fields, message === undefined ? {} : { message });
  expect(more).toEqual([]);
  return { line, ...{ read: JSON.parse(line) } };
};

test('a line has a time, a level, a message and the given fields, but nothing about the machine', () => {
  const fields: LogFields = {
    uid: 'u',
    namespace: 'hr',
    name: 'db',
    operation: 'CREATE',
    dryRun: false,
    opened: ['password'],
    result: 'opened',
    errors: [],
    milliseconds: 3,
  };
  const { read } = lineOf(fields);
  expect(read).toEqual({ level: 'info', time: expect.any(String), ...fields, msg: 'review' });
  expect(new Date(read.time).toISOString()).toBe(read.time);
});

test('an undefined field is omitted', () => {
  expect(Object.keys(lineOf({ name: undefined }).read)).toEqual(['level', 'time', 'msg']);
});

test('an error has its data key, code and message, but no stack, hint or cause', () => {
  const error = new KsealError('KEY_DENIED', 'projects/p: access denied', {
    hint: 'CANARY-hint',
    cause: new Error('CANARY-cause'),
  });
  const { line, read } = lineOf({ errors: [loggedError(error, 'password')] });
  expect(read.errors).toEqual([
    { key: 'password', code: 'KEY_DENIED', message: 'projects/p: access denied' },
  ]);
  expect(loggedError(error)).toEqual({ code: 'KEY_DENIED', message: 'projects/p: access denied' });
  expect(line).not.toContain('CANARY');
});

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
] as const)('level %s logs %j', (level, wanted) => {
  const logged = logLevels.filter((at) => linesOf({}, { at, level }).length > 0);
  expect(logged).toEqual(wanted);
});

describe('for any names in a request', () => {
  const odd = fc.string({
    unit: fc.oneof(
      fc.constantFrom('"', '\\', '\n', '\r', '\x1b', '\0', '\u2028', '\u202e', '\ud800', '{', '😀'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  });

  test('a line is one line of JSON without control characters', () => {
    fc.assert(
      fc.property(odd, odd, odd, fc.array(odd, { maxLength: 3 }), (uid, name, message, opened) => {
        const errors = opened.map((key) => ({ key, code: 'JWE_MALFORMED', message }));
        const { line, read } = lineOf({ uid, name, opened, errors }, message);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(Object.keys(read)).toEqual([
          'level',
          'time',
          'uid',
          'name',
          'opened',
          'errors',
          'msg',
        ]);
        expect([read.level, read.opened.length]).toEqual(['info', opened.length]);
      }),
    );
  });

  test('a name cannot add or replace a field', () => {
    const { read } = lineOf({ uid: '","level":"fatal","x":"' });
    expect([read.level, read.uid]).toEqual(['info', '","level":"fatal","x":"']);
  });

  test('a line has a limited length', () => {
    const long = 'n'.repeat(1024 * 1024);
    const errors = Array.from({ length: 5000 }, () => ({ key: long, code: 'X', message: long }));
    const opened = errors.map(() => long);
    const { line, read } = lineOf({ uid: long, name: long, opened, errors }, long);
    expect([read.uid.length, read.name.length, read.msg.length]).toEqual([339, 339, 1000]);
    expect([read.opened.length, read.errors.length]).toEqual([300, 300]);
    expect(read.errors[0].message).toHaveLength(1000);
    expect(line.length).toBeLessThan(600_000);
  });
});

describe('an unexpected error', () => {
  test('is described by its name and place', () => {
    expect(describeBug(new RangeError('CANARY'))).toMatch(
      /^a bug in kseal: RangeError at .*log\.test\.ts:\d+:\d+\)?$/,
    );
  });

  test('is described without its message, even if that looks like a place', () => {
    const error = new TypeError('not JSON:\n    at CANARY (CANARY.ts:1:1)\n');
    expect(describeBug(error)).toMatch(/^a bug in kseal: TypeError at .*log\.test\.ts/);
    error.message = 'another';
    expect(describeBug(error)).toBe('a bug in kseal: TypeError');
  });

  test('needs neither a stack nor to be an Error', () => {
    const error = new TypeError('CANARY');
    delete error.stack;
    expect(describeBug(error)).toBe('a bug in kseal: TypeError');
    expect(describeBug('CANARY')).toBe('a bug in kseal: something other than an Error was thrown');
  });
});
