import { describe, expect, test } from 'vitest';
import { type ErrorCode, exitCodes, KsealError } from '../../src/errors.ts';
import { bugStatus, denialOf, lateStatus, shortened } from '../../src/webhook/denial.ts';

const place = { namespace: 'hr', name: 'db' };
const codes = Object.keys(exitCodes) as ErrorCode[];

const error = (code: ErrorCode, message = `words of ${code}`, hint?: string) =>
  new KsealError(code, message, { hint });

const denied = (errors: Record<string, KsealError>, isKeyringComplete = true) =>
  denialOf(place, new Map(Object.entries(errors)), isKeyringComplete);

describe('a refusal', () => {
  test.each(codes)('W26: has a status of 400 or more, a reason and words: %s', (code) => {
    for (const isComplete of [true, false]) {
      const { code: status, reason, message } = denied({ a: error(code) }, isComplete);
      expect([400, 403, 500, 503]).toContain(status);
      expect(reason).toMatch(/^[A-Z]\w+$/);
      expect(message).toMatch(/^Secret hr\/db, data key "a": \w/);
    }
  });

  test('has the client try again where that may help, and nowhere else', () => {
    const retried = codes.filter((code) => denied({ a: error(code) }).details !== undefined);
    expect(retried.sort()).toEqual(['KEY_DEADLINE', 'KEY_UNAVAILABLE']);
    expect(denied({ a: error('KEY_UNAVAILABLE') })).toMatchObject({
      code: 503,
      reason: 'ServiceUnavailable',
      details: { retryAfterSeconds: 5 },
    });
    expect(lateStatus()).toMatchObject({ code: 503, details: { retryAfterSeconds: 5 } });
    expect(bugStatus().details).toBeUndefined();
  });

  test('says an unknown kid may pass, until all keys have been read', () => {
    const unknown = { a: error('KEY_UNKNOWN', 'sealed to key K') };
    expect(denied(unknown)).toMatchObject({
      code: 400,
      message: expect.stringContaining('sealed to key K'),
    });
    expect(denied(unknown, false)).toMatchObject({
      code: 503,
      details: { retryAfterSeconds: 5 },
      message: expect.stringContaining('has not read all of its keys yet'),
    });
  });

  test('tells the user nothing of the KMS: no resource, no identity, no command', () => {
    const told = codes.filter((code) => {
      const hint = 'gcloud kms keys add-iam-policy-binding hr';
      const words = 'projects/p/locations/l: webhook@p.iam.gserviceaccount.com may not';
      return /projects|gserviceaccount|gcloud/.test(
        denied({ a: error(code, words, hint) }).message,
      );
    });
    // What these say is about the value alone.
    expect(told.sort()).toEqual([
      'BINDING_MISMATCH',
      'DECRYPTION_FAILED',
      'JWE_MALFORMED',
      'JWE_REFUSED',
      'KEY_REVOKED',
      'KEY_UNKNOWN',
      'MANIFEST_INVALID',
      'VALUE_REFUSED',
    ]);
  });

  test('does not tell the options of a command to who knows the webhook alone', () => {
    const { message } = denied({ a: error('KEY_UNKNOWN', 'sealed to K', 'give it with -k') });
    expect(message).not.toContain('-k');
    expect(message).toContain('; hint: seal it again with the current key');
  });
});

describe('of several errors', () => {
  const passes = error('KEY_UNAVAILABLE');
  const stays = error('JWE_MALFORMED', 'is cut', 'seal it again');

  test('one that stays wins over those that pass, wherever it stands', () => {
    const wanted = {
      code: 400,
      reason: 'BadRequest',
      message:
        'Secret hr/db, data key "z": is cut; data key "a": the KMS that holds its key does not answer; hint: seal it again',
    };
    expect(denied({ a: passes, z: stays })).toEqual(wanted);
    expect(denied({ z: stays, a: passes })).toEqual(wanted);
  });

  test('one that stays is said first, also behind more than are said', () => {
    const many = Array.from({ length: 20 }, (_, n) => [`a${n}`, passes]);
    const { code, message, details } = denied({ ...Object.fromEntries(many), z: stays });
    expect([code, details]).toEqual([400, undefined]);
    expect(message).toMatch(/^Secret hr\/db, data key "z": is cut; .*; and 16 more; hint: seal/);
  });

  test('a hint to try again is not given where one stays that has none', () => {
    expect(denied({ a: passes, z: error('JWE_REFUSED') }).message).not.toContain('hint');
  });

  test('five are said, and how many more there are', () => {
    const many = (count: number) =>
      denied(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, stays]))).message;
    expect(many(5).match(/data key/g)).toHaveLength(5);
    expect(many(5)).not.toContain('more');
    expect(many(256).match(/data key/g)).toHaveLength(5);
    expect(many(256)).toContain('data key "k4": is cut; and 251 more; hint: seal it again');
  });
});

describe('names out of a request', () => {
  const MIB = 1024 * 1024;

  test('that would steer a terminal are shown as escapes', () => {
    const errors = new Map([['a\n\x1b[31m', error('BINDING_MISMATCH', 'stands in \x07\u202e')]]);
    const { message } = denialOf({ namespace: 'h\rr', name: 'd\u2028b' }, errors, true);
    expect(message).toBe(
      'Secret h\\u{d}r/d\\u{2028}b, data key "a\\u{a}\\u{1b}[31m": stands in \\u{7}\\u{202e}',
    );
  });

  test('of a mebibyte leave room for what is wrong, and for the hint', () => {
    const name = 'n'.repeat(MIB);
    const errors = new Map([[name, error('BINDING_MISMATCH', `moved to ${name}`, 'put it back')]]);
    const { message } = denialOf({ namespace: name, name }, errors, true);
    expect(message.length).toBeLessThan(2600);
    expect(message).toMatch(/^Secret n+…\/n+…, data key "n+…": moved to n+…; hint: put it back$/);
  });

  test('that are absent are said to be', () => {
    const errors = new Map([['a', error('JWE_REFUSED', 'is refused')]]);
    expect(denialOf({ namespace: 'hr', name: undefined }, errors, true).message).toBe(
      'Secret hr/(no name), data key "a": is refused',
    );
  });
});

test.each([
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['a\nb', 3, 'a\\…'],
  ['a\nb', 7, 'a\\u{a}b'],
  ['', 3, ''],
  // Half a character does not remain.
  ['ab😀', 3, 'ab…'],
])('%j in at most %i characters is %j', (text, most, wanted) => {
  expect(shortened(text, most)).toBe(wanted);
});
