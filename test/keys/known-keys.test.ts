import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { knownKeysPath, knownKid, readKnownKeys, rememberKey } from '../../src/keys/known-keys.ts';
import { rejectionOf, thrownBy } from '../jwe/thrown.ts';

const [A, B] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64url')) as [
  string,
  string,
];
const origin = 'https://git.example.org/hr/deploy.git';

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-known-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  path = join(folder, 'config/kseal/known_keys');
});

function write(text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

describe('knownKeysPath', () => {
  test.each([
    ['HOME', { HOME: '/home/ann' }, '/home/ann/.config/kseal/known_keys'],
    ['XDG_CONFIG_HOME', { HOME: '/home/ann', XDG_CONFIG_HOME: '/xdg' }, '/xdg/kseal/known_keys'],
    ['APPDATA', { USERPROFILE: '/Users/ann', APPDATA: '/roaming' }, '/roaming/kseal/known_keys'],
    ['USERPROFILE', { USERPROFILE: '/Users/ann' }, '/Users/ann/.config/kseal/known_keys'],
    [
      'HOME, if XDG_CONFIG_HOME is relative',
      { HOME: '/home/ann', XDG_CONFIG_HOME: 'config' },
      '/home/ann/.config/kseal/known_keys',
    ],
    [
      'HOME, if XDG_CONFIG_HOME is empty',
      { HOME: '/h', XDG_CONFIG_HOME: '' },
      '/h/.config/kseal/known_keys',
    ],
  ])('uses %s', (_, env, wanted) => {
    expect(knownKeysPath(env)).toBe(wanted);
  });

  test.each([{}, { HOME: '' }, { HOME: 'relative' }])('finds nothing with %j', (env) => {
    expect(knownKeysPath(env)).toBeUndefined();
  });
});

describe('rememberKey', () => {
  test('creates the folders and the file, with one key a line', async () => {
    await rememberKey(path, { kid: A, name: 'prod', repository: origin });
    await rememberKey(path, { kid: B, name: 'test', repository: origin });
    expect(readFileSync(path, 'utf8')).toBe(`${A} prod ${origin}\n${B} test ${origin}\n`);
  });

  test('replaces only a key of the same name and repository', async () => {
    write(`${A} prod ${origin}\n${A} test ${origin}\n${A} prod /srv/my repository\n`);
    await rememberKey(path, { kid: B, name: 'prod', repository: origin });
    expect(readKnownKeys(path)).toEqual([
      { kid: A, name: 'test', repository: origin },
      { kid: A, name: 'prod', repository: '/srv/my repository' },
      { kid: B, name: 'prod', repository: origin },
    ]);
  });

  test('keeps the mode of the file', async () => {
    write('');
    await rememberKey(path, { kid: A, name: 'prod', repository: origin });
    const { mode } = statSync(path);
    await rememberKey(path, { kid: B, name: 'prod', repository: origin });
    expect(statSync(path).mode).toBe(mode);
  });

  test('keeps a file that it cannot parse', async () => {
    write('CANARY what is this\n');
    const said = await rejectionOf(rememberKey(path, { kid: A, name: 'prod', repository: origin }));
    expect(said.code).toBe('CONFIG_INVALID');
    expect(readFileSync(path, 'utf8')).toBe('CANARY what is this\n');
  });

  test('reports where it cannot write', async () => {
    write('');
    const file = join(path, 'kseal/known_keys');
    const said = await rejectionOf(rememberKey(file, { kid: A, name: 'prod', repository: origin }));
    expect(said).toMatchObject({
      code: 'IO',
      message: `${dirname(file)}: cannot write: no such file`,
    });
  });
});

describe('knownKid', () => {
  test('is undefined without a file', () => {
    expect(knownKid(path, 'prod', origin)).toBeUndefined();
  });

  test('matches the whole name and repository', () => {
    write(`${A} prod ${origin}\r\n\n${B} test ${origin}`);
    expect(knownKid(path, 'prod', origin)).toBe(A);
    expect(knownKid(path, 'test', origin)).toBe(B);
    expect(knownKid(path, 'pro', origin)).toBeUndefined();
    expect(knownKid(path, 'prod', `${origin}x`)).toBeUndefined();
  });

  test.each([
    ['a line of one word', 'x', 1],
    ['a malformed kid', `abc prod ${origin}`, 1],
    ['a kid in another form', `${Buffer.from(A, 'base64url').toString('hex')} prod x`, 1],
    ['no repository', `${A} prod x\n${A} prod`, 2],
    ['a merge conflict', `<<<<<<< ours\n${A} prod x`, 1],
  ])('refuses %s, and names the line', (_, text, line) => {
    write(text);
    expect(thrownBy(() => knownKid(path, 'prod', origin))).toEqual({
      code: 'CONFIG_INVALID',
      message: `${path}:${line}: expected KID NAME REPOSITORY`,
      hint: 'remove this line, then confirm the key again',
    });
  });
});
