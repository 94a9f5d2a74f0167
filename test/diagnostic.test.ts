import { describe, expect, test } from 'vitest';
import { byPosition, errorFor, inOrder, locationOf } from '../src/diagnostic.ts';

const position = { line: 11, column: 13 };

describe('locationOf', () => {
  test('returns the file, line, column, Secret and data key', () => {
    expect(locationOf('db.yaml', { position, secret: 'hr/db', key: 'password' })).toBe(
      'db.yaml:11:13: Secret hr/db, data key "password"',
    );
    expect(locationOf('db.yaml', { position, secret: 'hr/db' })).toBe(
      'db.yaml:11:13: Secret hr/db',
    );
    expect(locationOf('db.yaml', { position })).toBe('db.yaml:11:13');
  });

  test('omits the position in a manifest without a file', () => {
    expect(locationOf('', { position, secret: 'hr/db' })).toBe('Secret hr/db');
  });

  test('escapes control characters', () => {
    const location = { position, secret: 'x\u202Ey\u2028\x9b' };
    expect(locationOf('a\x1b[2J.yaml', location)).toBe(
      'a\\u{1b}[2J.yaml:11:13: Secret x\\u{202e}y\\u{2028}\\u{9b}',
    );
  });
});

test('an error for a diagnostic begins with its location', () => {
  const words = { message: 'the value is null', hint: 'quote it' };
  const error = errorFor('db.yaml', { position, secret: 'hr/db', key: 'password', ...words });
  expect(error).toMatchObject({
    code: 'MANIFEST_INVALID',
    message: 'db.yaml:11:13: Secret hr/db, data key "password": the value is null',
    problem: 'the value is null',
    hint: 'quote it',
  });
});

test('diagnostics are ordered by line, column and code', () => {
  const at = (line: number, column: number, code = 'a') => {
    return { code, position: { line, column }, message: '' };
  };
  const ordered = [at(1, 9), at(2, 1), at(2, 3, 'a'), at(2, 3, 'b'), at(10, 1)];
  expect(ordered.toReversed().sort(inOrder)).toEqual(ordered);
  expect(byPosition(at(2, 3, 'a'), at(2, 3, 'b'))).toBe(0);
});
