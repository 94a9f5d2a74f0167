import { describe, expect, it } from 'vitest';
import { problemError, secretLabel, where } from '../../src/manifest/types.ts';

const none = { name: undefined, generateName: undefined, namespace: undefined };
const position = { line: 11, column: 13 };

describe('secretLabel', () => {
  it.each([
    [{ ...none, name: 'db', namespace: 'hr' }, 'hr/db'],
    [{ ...none, name: 'db' }, 'db'],
    [{ ...none, generateName: 'db-' }, 'generateName db-*'],
    [{ ...none, namespace: 'hr' }, '(no name)'],
    [none, '(no name)'],
  ])('for %j is %j', (names, expected) => {
    expect(secretLabel(names)).toBe(expected);
  });
});

describe('where', () => {
  it('names file, line, column, Secret and data key', () => {
    expect(where('db.yaml', position, 'hr/db', 'password')).toBe(
      'db.yaml:11:13: Secret hr/db, data key "password"',
    );
    expect(where('db.yaml', position, 'hr/db')).toBe('db.yaml:11:13: Secret hr/db');
    expect(where('db.yaml', position)).toBe('db.yaml:11:13');
  });

  it('escapes characters that a terminal would obey', () => {
    expect(where('a\x1b[2J.yaml', position, 'x\u202Ey\u2028\x9b')).toBe(
      'a\\u{1b}[2J.yaml:11:13: Secret x\\u{202e}y\\u{2028}\\u{9b}',
    );
  });
});

describe('problemError', () => {
  it('has the place in front and a hint', () => {
    const problem = {
      id: 'null-value',
      message: 'the value is null',
      hint: 'quote it',
    } as const;
    const error = problemError('db.yaml', {
      ...problem,
      position,
      secret: 'hr/db',
      key: 'password',
    });
    expect(error).toMatchObject({
      code: 'MANIFEST_INVALID',
      message: 'db.yaml:11:13: Secret hr/db, data key "password": the value is null',
      hint: 'quote it',
    });
  });
});
