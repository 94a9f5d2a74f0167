import { describe, expect, test } from 'vitest';
import { forbiddenValue, knownTypes, missingKeys } from '../../src/kubernetes/secret.ts';

const missing = (type: string | undefined, ...keys: string[]) => missingKeys(type, new Set(keys));

describe('the data keys that a type requires', () => {
  test.each([
    ['kubernetes.io/tls', [], ['"tls.crt"', '"tls.key"']],
    ['kubernetes.io/tls', ['tls.crt'], ['"tls.key"']],
    ['kubernetes.io/tls', ['tls.crt', 'tls.key', 'ca.crt'], []],
    ['kubernetes.io/dockerconfigjson', ['config.json'], ['".dockerconfigjson"']],
    ['kubernetes.io/dockerconfigjson', ['.dockerconfigjson'], []],
    ['kubernetes.io/dockercfg', [], ['".dockercfg"']],
    ['kubernetes.io/basic-auth', [], ['"username" or "password"']],
    ['kubernetes.io/basic-auth', ['username'], []],
    ['kubernetes.io/basic-auth', ['password'], []],
    ['kubernetes.io/ssh-auth', ['ssh-publickey'], ['"ssh-privatekey"']],
    ['Opaque', [], []],
    ['example.com/own', [], []],
    ['constructor', [], []],
    [undefined, [], []],
  ])('%s with %j lacks %j', (type, keys, lacking) => {
    expect(missing(type, ...keys)).toEqual(lacking);
  });
});

describe('the values that a type forbids', () => {
  const docker = 'kubernetes.io/dockerconfigjson';

  test.each(['{}', ' {"auths":{}}\n', '{"a":1,"a":2}'])('%j is a JSON object', (value) => {
    expect(forbiddenValue(docker, '.dockerconfigjson', Buffer.from(value))).toBeUndefined();
  });

  test.each([
    ...['', 'CANARY', '{"CANARY', '["CANARY"]', '"CANARY"', 'null', '1', "{'CANARY':1}"],
    ...['\ufeff{}', '{"CANARY":}', '{}{}'],
  ])('%j is none, and is not quoted', (value) => {
    const reason = forbiddenValue(docker, '.dockerconfigjson', Buffer.from(value));
    expect(reason).toBe(`is not a JSON object, which type ${docker} demands`);
  });

  test('bytes that are no UTF-8 are none', () => {
    expect(
      forbiddenValue(docker, '.dockerconfigjson', Buffer.from([0x7b, 0xff, 0x7d])),
    ).toBeTruthy();
  });

  test.each([
    [docker, 'other'],
    ['kubernetes.io/tls', '.dockerconfigjson'],
    ['Opaque', '.dockerconfigjson'],
    [undefined, '.dockerconfigjson'],
  ])('type %s says nothing about %s', (type, key) => {
    expect(forbiddenValue(type, key, Buffer.from('CANARY'))).toBeUndefined();
  });

  test('the older type demands the same of its own key', () => {
    expect(forbiddenValue('kubernetes.io/dockercfg', '.dockercfg', Buffer.from('x'))).toContain(
      'kubernetes.io/dockercfg demands',
    );
  });
});

test('the types that messages offer', () => {
  expect(knownTypes).toEqual([
    'Opaque',
    'kubernetes.io/tls',
    'kubernetes.io/dockerconfigjson',
    'kubernetes.io/dockercfg',
    'kubernetes.io/basic-auth',
    'kubernetes.io/ssh-auth',
  ]);
});
