import { describe, expect, it } from 'vitest';
import { secretLabel } from '../../src/kubernetes/secret.ts';

const none = { name: undefined, generateName: undefined, namespace: undefined };
describe('secretLabel', () => {
  it.each([
    [{ ...none, name: 'db', namespace: 'hr' }, 'hr/db'],
    [{ ...none, name: 'db' }, 'db'],
    [{ ...none, generateName: 'db-' }, 'generateName db-*'],
    [{ ...none, namespace: 'hr' }, '(no name)'],
    [none, '(no name)'],
  ])('calls %j %j', (names, expected) => {
    expect(secretLabel(names)).toBe(expected);
  });
});
