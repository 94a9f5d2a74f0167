import { describe, expect, test } from 'vitest';
import { forbiddenValue, missingKeys } from '../../src/kubernetes/secret.ts';

const missing = (type: string | undefined, ...keys: string[]) =>
  missingKeys(type, new Set(keys)).map(({ message }) => message);

describe('missingKeys', () => {
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
  ])('for type %s and %j returns %j', (type, keys, lacking) => {
    expect(missing(type, ...keys)).toEqual(
      lacking.map((key) => `missing data key ${key}, which type ${type} requires`),
    );
  });
});

describe('forbiddenValue', () => {
  const docker = 'kubernetes.io/dockerconfigjson';

  test.each(['{}', ' {"auths":{}}\n', '{"a":1,"a":2}'])('accepts the JSON object %j', (value) => {
    expect(forbiddenValue(docker, '.dockerconfigjson', Buffer.from(value))).toBeUndefined();
  });

  test.each([
    ...['', 'CANARY', '{"CANARY', '["CANARY"]', '"CANARY"', 'null', '1', "{'CANARY':1}"],
    ...['\ufeff{}', '{"CANARY":}', '{}{}'],
  ])('rejects %j without quoting it', (value) => {
    const reason = forbiddenValue(docker, '.dockerconfigjson', Buffer.from(value));
    expect(reason).toBe(`is not a JSON object, as type ${docker} requires`);
  });

  test('rejects bytes that are not UTF-8', () => {
    expect(
      forbiddenValue(docker, '.dockerconfigjson', Buffer.from([0x7b, 0xff, 0x7d])),
    ).toBeTruthy();
  });

  test.each([
    [docker, 'other'],
    ['kubernetes.io/tls', '.dockerconfigjson'],
    ['Opaque', '.dockerconfigjson'],
    [undefined, '.dockerconfigjson'],
  ])('for type %s accepts any value of %s', (type, key) => {
    expect(forbiddenValue(type, key, Buffer.from('CANARY'))).toBeUndefined();
  });

  test('checks the data key of the older Docker type', () => {
    expect(forbiddenValue('kubernetes.io/dockercfg', '.dockercfg', Buffer.from('x'))).toContain(
      'as type kubernetes.io/dockercfg requires',
    );
  });
});
