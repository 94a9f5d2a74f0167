import { describe, expect, test } from 'vitest';
import { type ErrorCode, exitCodes, KsealError } from '../../src/errors.ts';
import { bugStatus, denialOf, lateStatus, shortened } from '../../src/webhook/denial.ts';

const place = { namespace: 'hr', name: 'db' };
const codes = Object.keys(exitCodes) as ErrorCode[];

const error = (code: ErrorCode, message = `message of ${code}`, hint?: string) =>
  new KsealError(code, message, { hint });

const denied = (errors: Record<string, KsealError>, isKeyringComplete = true) =>
  denialOf(place, new Map(Object.entries(errors)), isKeyringComplete);

describe('a refusal', () => {
  test.each(codes)('for %s has a status of 400 or more, a reason and a message', (code) => {
    for (const isComplete of [true, false]) {
      const { code: status, reason, message } = denied({ a: error(code) }, isComplete);
      expect([400, 403, 500, 503, 504]).toContain(status);
      expect(reason).toMatch(/^[A-Z]\w+$/);
      expect(message).toMatch(/^Secret hr\/db, data key "a": \w/);
    }
  });

  test('tells the client to retry only if the KMS failed at once', () => {
    const retried = codes.filter((code) => denied({ a: error(code) }).details !== undefined);
    expect(retried).toEqual(['KEY_UNAVAILABLE']);
    expect(denied({ a: error('KEY_UNAVAILABLE') })).toMatchObject({
      code: 503,
      reason: 'ServiceUnavailable',
      details: { retryAfterSeconds: 1 },
    });
    expect(bugStatus().details).toBeUndefined();
  });

  test('is final after a deadline, because each retry would take as long', () => {
    const late = { code: 504, reason: 'Timeout' };
    const refusals = [
      lateStatus(),
      denied({ a: error('KEY_DEADLINE') }),
      denied({ a: error('KEY_UNAVAILABLE'), b: error('KEY_DEADLINE') }),
    ];
    for (const status of refusals) {
      expect(status).toMatchObject(late);
      expect(status.details).toBeUndefined();
      expect(status.message).toContain('try again in a moment');
    }
    expect(denied({ a: error('KEY_DEADLINE'), b: error('JWE_REFUSED') }).code).toBe(400);
  });

  test('treats an unknown kid as transient until all keys have been read', () => {
    const unknown = { a: error('KEY_UNKNOWN', 'sealed to key K') };
    expect(denied(unknown)).toMatchObject({
      code: 400,
      message: expect.stringContaining('sealed to key K'),
    });
    expect(denied(unknown, false)).toMatchObject({
      code: 503,
      details: { retryAfterSeconds: 1 },
      message: expect.stringContaining('has not read all of its keys yet'),
    });
  });

  test('shows no KMS resource, identity or command to the user', () => {
    const shown = codes.filter((code) => {
      const hint = 'gcloud kms keys add-iam-policy-binding hr';
      const message = 'projects/p/locations/l: webhook@p.iam.gserviceaccount.com: access denied';
      return /projects|gserviceaccount|gcloud/.test(
        denied({ a: error(code, message, hint) }).message,
      );
    });
    // The messages of these are only about the value.
    expect(shown.sort()).toEqual([
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

  test('shows no command-line options to the user', () => {
    const { message } = denied({ a: error('KEY_UNKNOWN', 'sealed to K', 'give it with -k') });
    expect(message).not.toContain('-k');
    expect(message).toContain('; hint: seal it again with the current key');
  });
});

describe('several errors', () => {
  const transient = error('KEY_UNAVAILABLE');
  const lasting = error('JWE_MALFORMED', 'is truncated', 'seal it again');

  test('a lasting one wins over transient ones, in any order', () => {
    const wanted = {
      code: 400,
      reason: 'BadRequest',
      message:
        'Secret hr/db, data key "z": is truncated; data key "a": the KMS that holds the key is unavailable; hint: seal it again',
    };
    expect(denied({ a: transient, z: lasting })).toEqual(wanted);
    expect(denied({ z: lasting, a: transient })).toEqual(wanted);
  });

  test('a lasting one comes first, even after more than fit', () => {
    const many = Array.from({ length: 20 }, (_, n) => [`a${n}`, transient]);
    const { code, message, details } = denied({ ...Object.fromEntries(many), z: lasting });
    expect([code, details]).toEqual([400, undefined]);
    expect(message).toMatch(
      /^Secret hr\/db, data key "z": is truncated; .*; and 16 more; hint: seal/,
    );
  });

  test('a lasting one without a hint gets no hint to retry', () => {
    expect(denied({ a: transient, z: error('JWE_REFUSED') }).message).not.toContain('hint');
  });

  test('five are listed, and the others counted', () => {
    const many = (count: number) =>
      denied(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, lasting])))
        .message;
    expect(many(5).match(/data key/g)).toHaveLength(5);
    expect(many(5)).not.toContain('more');
    expect(many(256).match(/data key/g)).toHaveLength(5);
    expect(many(256)).toContain('data key "k4": is truncated; and 251 more; hint: seal it again');
  });
});

describe('names in a request', () => {
  const MIB = 1024 * 1024;

  test('have their control characters escaped', () => {
    const errors = new Map([['a\n\x1b[31m', error('BINDING_MISMATCH', 'found in \x07\u202e')]]);
    const { message } = denialOf({ namespace: 'h\rr', name: 'd\u2028b' }, errors, true);
    expect(message).toBe(
      'Secret h\\u{d}r/d\\u{2028}b, data key "a\\u{a}\\u{1b}[31m": found in \\u{7}\\u{202e}',
    );
  });

  test('of 1 MiB leave room for the problem and the hint', () => {
    const name = 'n'.repeat(MIB);
    const errors = new Map([[name, error('BINDING_MISMATCH', `moved to ${name}`, 'move it back')]]);
    const { message } = denialOf({ namespace: name, name }, errors, true);
    expect(message.length).toBeLessThan(2600);
    expect(message).toMatch(/^Secret n+…\/n+…, data key "n+…": moved to n+…; hint: move it back$/);
  });

  test('can be absent', () => {
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
  // A surrogate pair is not cut in half.
  ['ab😀', 3, 'ab…'],
])('%j shortened to %i characters is %j', (text, max, wanted) => {
  expect(shortened(text, max)).toBe(wanted);
});
