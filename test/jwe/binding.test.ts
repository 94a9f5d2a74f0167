import { describe, expect, test } from 'vitest';
import {
  admits,
  type Binding,
  bindingTo,
  checkBinding,
  describeBinding,
  describePlace,
  type Place,
  readBinding,
  type Scope,
  scopes,
} from '../../src/jwe/binding.ts';
import { thrownBy } from './thrown.ts';

const home: Place & { namespace: string; name: string } = {
  namespace: 'hr',
  name: 'db',
  key: 'password',
};
const absent = { namespace: undefined, name: undefined, key: undefined };
const strict: Binding = { scope: 'strict', ...home };
const wide: Binding = { scope: 'namespace-wide', namespace: 'hr' };
const widest: Binding = { scope: 'cluster-wide' };

/** Every place that differs from home in one part, and in all of them. */
const elsewhere: Record<string, Place> = {
  'another namespace': { ...home, namespace: 'ops' },
  'no namespace': { ...home, namespace: undefined },
  'another name': { ...home, name: 'db2' },
  'no name': { ...home, name: undefined },
  'another key': { ...home, key: 'user' },
  'an empty namespace': { ...home, namespace: '' },
  'everything else': { namespace: 'ops', name: 'db2', key: 'user' },
};

/** Where a value bound to home opens, by scope, besides home itself. */
const open: [Binding, string[]][] = [
  [strict, []],
  [wide, ['another name', 'no name', 'another key']],
  [widest, Object.keys(elsewhere)],
];

describe.each(open)('a value bound by %j', (binding, places) => {
  test('opens at home', () => {
    expect(admits(binding, home)).toBe(true);
    expect(() => checkBinding(binding, home)).not.toThrow();
  });

  test.each(Object.entries(elsewhere))('opens or does not in %s', (name, place) => {
    const admitted = places.includes(name);
    expect(admits(binding, place)).toBe(admitted);
    if (admitted) expect(() => checkBinding(binding, place)).not.toThrow();
    else expect(thrownBy(() => checkBinding(binding, place)).code).toBe('BINDING_MISMATCH');
  });
});

describe('a mismatch', () => {
  const to = (binding: Binding, place: Place) => thrownBy(() => checkBinding(binding, place));

  test.each([
    [
      strict,
      elsewhere['another namespace'],
      'hr/db, data key "password"',
      'ops/db, data key "password"',
    ],
    [
      strict,
      elsewhere['another name'],
      'hr/db, data key "password"',
      'hr/db2, data key "password"',
    ],
    [strict, elsewhere['another key'], 'hr/db, data key "password"', 'hr/db, data key "user"'],
    [wide, elsewhere['everything else'], 'any Secret in namespace hr', 'ops/db2, data key "user"'],
  ])('names both places: %j in %j', (binding, place = home, sealed, stands) => {
    expect(to(binding, place)).toEqual({
      code: 'BINDING_MISMATCH',
      message: `sealed for ${sealed}, but stands in ${stands}`,
      hint: 'put it back, or seal the plaintext again for the new place',
    });
  });

  test.each([strict, wide])('without a namespace says which one was meant: %j', (binding) => {
    expect(to(binding, { ...home, namespace: undefined })).toMatchObject({
      message: expect.stringContaining('stands in (no namespace)/db'),
      hint: 'say where the manifest is applied: -n hr',
    });
  });

  test('under generateName says what is missing', () => {
    expect(to(strict, { ...home, name: undefined })).toMatchObject({
      message:
        'sealed for hr/db, data key "password", but stands in hr/(no name), data key "password"',
      hint: expect.stringContaining('give the Secret a metadata.name'),
    });
  });
});

describe('the widest scope allowed', () => {
  const bindings = [strict, wide, widest];

  test.each(scopes)('%s lets it and the narrower ones pass', (maxScope: Scope) => {
    for (const binding of bindings) {
      const check = () => checkBinding(binding, home, maxScope);
      if (scopes.indexOf(binding.scope) <= scopes.indexOf(maxScope)) {
        expect(check).not.toThrow();
        continue;
      }
      expect(thrownBy(check)).toMatchObject({
        code: 'BINDING_MISMATCH',
        message: `scope ${binding.scope} is wider than ${maxScope}`,
      });
    }
  });

  test('a wide scope does not hide that the place is wrong', () => {
    const { message } = thrownBy(() => checkBinding(wide, { ...home, namespace: 'ops' }, 'strict'));
    expect(message).toContain('sealed for any Secret in namespace hr');
  });
});

describe('binding to a place', () => {
  test.each([strict, wide, widest])('takes what the scope binds and no more: %j', (binding) => {
    expect(bindingTo(binding.scope, home)).toEqual(binding);
    expect(readBinding({ ...absent, ...binding })).toEqual(binding);
  });

  test.each([
    [
      'strict',
      { ...home, namespace: undefined },
      'scope strict binds the namespace, and there is none',
    ],
    ['strict', { ...home, name: undefined }, 'scope strict binds the name, and there is none'],
    ['namespace-wide', { key: 'a' }, 'scope namespace-wide binds the namespace, and there is none'],
    ['strict', { ...home, namespace: 'Hr' }, 'Kubernetes allows no namespace "Hr"'],
    ['strict', { ...home, name: 'a_b' }, 'Kubernetes allows no name "a_b"'],
    ['strict', { ...home, key: 'a/b' }, 'Kubernetes allows no key "a/b"'],
    ['strict', { ...home, key: 'a\u001b[2J\n' }, 'Kubernetes allows no key "a\\u001b[2J\\n"'],
    ['strict', { ...home, name: '' }, 'Kubernetes allows no name ""'],
  ] as const)('%s: %j is refused', (scope, place, message) => {
    const said = thrownBy(() => bindingTo(scope, place));
    expect(said).toMatchObject({
      code: 'VALUE_REFUSED',
      message: expect.stringContaining(message),
    });
    expect(said.hint).toBeTruthy();
  });

  test.each([
    ['of no scope', { ...absent, scope: 'wide' }],
    ['without a part', { ...strict, name: undefined }],
    ['with a part too many', { ...absent, ...wide, key: 'password' }],
    ['with an illegal part', { ...strict, namespace: 'hr\n' }],
    ['with a part that JSON escapes', { ...strict, key: 'a\\u0062' }],
  ])('members %s are no binding', (_, text) => {
    expect(readBinding(text)).toBeUndefined();
  });

  test('a part that the scope does not bind may be missing or odd', () => {
    expect(bindingTo('cluster-wide', { key: '' })).toEqual(widest);
    expect(bindingTo('namespace-wide', { namespace: 'hr', name: 'A_', key: '/' })).toEqual(wide);
  });
});

test('places and bindings in words', () => {
  expect(describeBinding(strict)).toBe('hr/db, data key "password"');
  expect(describeBinding(wide)).toBe('any Secret in namespace hr');
  expect(describeBinding(widest)).toBe('any Secret in the cluster');
  expect(describePlace({ key: 'a' })).toBe('(no namespace)/(no name), data key "a"');
});
