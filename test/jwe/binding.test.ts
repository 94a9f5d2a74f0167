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

/** Places that differ from home in one part, and one that differs in all of them. */
const elsewhere: Record<string, Place> = {
  'another namespace': { ...home, namespace: 'ops' },
  'no namespace': { ...home, namespace: undefined },
  'another name': { ...home, name: 'db2' },
  'no name': { ...home, name: undefined },
  'another key': { ...home, key: 'user' },
  'an empty namespace': { ...home, namespace: '' },
  'everything else': { namespace: 'ops', name: 'db2', key: 'user' },
};

/** The other places where a value bound to home opens. */
const open: [Binding, string[]][] = [
  [strict, []],
  [wide, ['another name', 'no name', 'another key']],
  [widest, Object.keys(elsewhere)],
];

describe.each(open)('a value with the binding %j', (binding, places) => {
  test('opens at home', () => {
    expect(admits(binding, home)).toBe(true);
    expect(() => checkBinding(binding, home)).not.toThrow();
  });

  test.each(Object.entries(elsewhere))(
    'at %s: opens only if the scope allows it',
    (name, place) => {
      const admitted = places.includes(name);
      expect(admits(binding, place)).toBe(admitted);
      if (admitted) expect(() => checkBinding(binding, place)).not.toThrow();
      else expect(thrownBy(() => checkBinding(binding, place)).code).toBe('BINDING_MISMATCH');
    },
  );
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
  ])('names both places: %j at %j', (binding, place = home, sealed, found) => {
    expect(to(binding, place)).toEqual({
      code: 'BINDING_MISMATCH',
      message: `sealed for ${sealed}, found in ${found}`,
      hint: 'move the value back, or seal the plaintext again for the new place',
    });
  });

  test.each([strict, wide])('without a namespace suggests the right one: %j', (binding) => {
    expect(to(binding, { ...home, namespace: undefined })).toMatchObject({
      message: expect.stringContaining('found in (no namespace)/db'),
      hint: 'add -n hr',
    });
  });

  test('under generateName asks for a name', () => {
    expect(to(strict, { ...home, name: undefined })).toMatchObject({
      message: 'sealed for hr/db, data key "password", found in hr/(no name), data key "password"',
      hint: expect.stringContaining('set metadata.name'),
    });
  });
});

describe('the widest scope allowed', () => {
  const bindings = [strict, wide, widest];

  test.each(scopes)('%s admits itself and narrower scopes', (maxScope: Scope) => {
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

  test('is checked after the place', () => {
    const { message } = thrownBy(() => checkBinding(wide, { ...home, namespace: 'ops' }, 'strict'));
    expect(message).toContain('sealed for any Secret in namespace hr');
  });
});

describe('bindingTo', () => {
  test.each([strict, wide, widest])(
    'takes exactly the parts that the scope binds: %j',
    (binding) => {
      expect(bindingTo(binding.scope, home)).toEqual(binding);
      expect(readBinding({ ...absent, ...binding })).toEqual(binding);
    },
  );

  test.each([
    ['strict', { ...home, namespace: undefined }, 'scope strict needs a namespace'],
    ['strict', { ...home, name: undefined }, 'scope strict needs a Secret name'],
    ['namespace-wide', { key: 'a' }, 'scope namespace-wide needs a namespace'],
    ['strict', { ...home, namespace: 'Hr' }, 'invalid namespace "Hr"'],
    ['strict', { ...home, name: 'a_b' }, 'invalid Secret name "a_b"'],
    ['strict', { ...home, key: 'a/b' }, 'invalid data key "a/b"'],
    ['strict', { ...home, key: 'a\u001b[2J\n' }, 'invalid data key "a\\u001b[2J\\n"'],
    ['strict', { ...home, name: '' }, 'invalid Secret name ""'],
  ] as const)('%s: %j is refused', (scope, place, message) => {
    const error = thrownBy(() => bindingTo(scope, place));
    expect(error).toMatchObject({
      code: 'VALUE_REFUSED',
      message: expect.stringContaining(message),
    });
    expect(error.hint).toBeTruthy();
  });

  test.each([
    ['with an unknown scope', { ...absent, scope: 'wide' }],
    ['without a part', { ...strict, name: undefined }],
    ['with an extra part', { ...absent, ...wide, key: 'password' }],
    ['with an invalid part', { ...strict, namespace: 'hr\n' }],
    ['with a part that JSON would escape', { ...strict, key: 'a\\u0062' }],
  ])('members %s are not a binding', (_, text) => {
    expect(readBinding(text)).toBeUndefined();
  });

  test('ignores parts that the scope does not bind', () => {
    expect(bindingTo('cluster-wide', { key: '' })).toEqual(widest);
    expect(bindingTo('namespace-wide', { namespace: 'hr', name: 'A_', key: '/' })).toEqual(wide);
  });
});

test('places and bindings are described for people', () => {
  expect(describeBinding(strict)).toBe('hr/db, data key "password"');
  expect(describeBinding(wide)).toBe('any Secret in namespace hr');
  expect(describeBinding(widest)).toBe('any Secret in the cluster');
  expect(describePlace({ key: 'a' })).toBe('(no namespace)/(no name), data key "a"');
});
