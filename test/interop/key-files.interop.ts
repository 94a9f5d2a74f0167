import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { kidOf } from '../../src/jwe/thumbprint.ts';
import {
  openingKeyFromFile,
  type Passphrases,
  publicKeyFromFile,
} from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';
import { describeWith } from './programs.ts';

// Runs the hints that need other programs than openssl, which test/keys/conversions.test.ts runs.

const folder = mkdtempSync(join(tmpdir(), 'kseal-key-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }).toString();

function save(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return name;
}

const none = async function* () {};

/** Pastes the hint for a file that is refused as a public key, and returns the kid of the result. */
async function publicKid(
  name: string,
  problem: string,
  output: string,
  shell = (hint: string) => hint,
) {
  const { message, hint = '' } = await rejectionOf(publicKeyFromFile(join(folder, name), name));
  expect(message).toBe(`${name}: ${problem}`);
  run('sh', '-ec', shell(hint));
  return (await publicKeyFromFile(join(folder, output), output)).kid;
}

/** The same for a private key. */
async function privateKid(
  name: string,
  problem: string,
  shell: (hint: string) => string,
  passphrases: Passphrases = none,
) {
  const { message, hint = '' } = await rejectionOf(
    openingKeyFromFile(join(folder, name), name, passphrases),
  );
  expect(message).toBe(`${name}: ${problem}`);
  run('sh', '-ec', shell(hint));
  return (await openingKeyFromFile(join(folder, 'key.pem'), 'key.pem', passphrases)).kid;
}

describeWith('ssh-keygen', () => {
  const keygen = (...args: string[]) => run('ssh-keygen', ...args);

  async function makeKeys(): Promise<string> {
    for (const name of ['id_rsa', 'id_encrypted', 'id_rsa.pub'])
      rmSync(join(folder, name), { force: true });
    keygen('-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', 'id_rsa');
    run('install', '-m', '600', 'id_rsa', 'id_encrypted');
    keygen('-q', '-p', '-P', '', '-N', 'secret', '-f', 'id_encrypted');
    const [, body = ''] = readFileSync(join(folder, 'id_rsa.pub'), 'utf8').split(' ');
    const lines = body.replace(/.{64}/g, '$&\n');
    save('labelled.pub', `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`);
    save('rfc4716.pub', keygen('-e', '-m', 'RFC4716', '-f', 'id_rsa.pub'));
    return kidOf(createPublicKey(keygen('-e', '-m', 'PKCS8', '-f', 'id_rsa.pub')));
  }

  test.each([
    ['id_rsa.pub', 'is an OpenSSH public key'],
    ['rfc4716.pub', 'is an SSH2 public key'],
    ['labelled.pub', 'is an OpenSSH public key in a PEM block'],
    ['id_rsa', 'is an OpenSSH private key, expected a public key'],
    ['id_encrypted', 'is an OpenSSH private key, expected a public key'],
  ])('the public key in %s is converted', async (name, problem) => {
    const kid = await makeKeys();
    expect(await publicKid(name, problem, 'key.pub')).toBe(kid);
  });

  test.each([
    ['id_rsa', '', ''],
    ['id_rsa', '', 'new secret'],
    ['id_encrypted', 'secret', 'new secret'],
  ])('the private key in %s (%s, %s) is converted in a copy', async (name, old, secret) => {
    const kid = await makeKeys();
    const before = readFileSync(join(folder, name));
    const passphrases = async function* () {
      yield secret;
    };
    const shell = (hint: string) => `${hint} -P '${old}' -N '${secret}'`;
    expect(await privateKid(name, 'is an OpenSSH private key', shell, passphrases)).toBe(kid);
    expect(readFileSync(join(folder, name))).toEqual(before);
  });

  test('a key that is not RSA has no command', async () => {
    keygen('-q', '-t', 'ed25519', '-N', '', '-f', 'id_ed25519');
    for (const name of ['id_ed25519', 'id_ed25519.pub']) {
      expect(await rejectionOf(publicKeyFromFile(join(folder, name), name))).toMatchObject({
        message: expect.stringContaining('that is not RSA'),
        hint: 'use an RSA key of 3072 or 4096 bits',
      });
    }
  });
});

describeWith('jq', () => {
  const problem = 'is a private key, expected a public key';

  test.each([
    [
      'two keys',
      ({ pub, other }: Jwks) => ({ keys: [pub, other] }),
      'JWK Set has 2 RSA keys to encrypt with: number 1, number 2',
    ],
    ['a private key', ({ secret }: Jwks) => secret, problem],
    ['a private key in a set', ({ secret }: Jwks) => ({ keys: [{ kty: 'EC' }, secret] }), problem],
  ])('the JWK of %s is converted', async (_, content, expected) => {
    const [pair, other] = await Promise.all([makePair(), makePair()]);
    const jwks = {
      pub: pair.key.export({ format: 'jwk' }),
      other: other.key.export({ format: 'jwk' }),
      secret: pair.privateKey.export({ format: 'jwk' }),
    };
    save('keys.json', JSON.stringify(content(jwks)));
    expect(await publicKid('keys.json', expected, 'key.jwk')).toBe(pair.kid);
  });
});

interface Jwks {
  readonly pub: object;
  readonly other: object;
  readonly secret: object;
}

describeWith('keytool', () => {
  test('a Java keystore is converted', async () => {
    const store = ['-keystore', 'store.jks', '-storepass', 'secret', '-storetype', 'JKS'];
    run(
      'keytool',
      '-genkeypair',
      '-keyalg',
      'RSA',
      '-alias',
      'a',
      '-dname',
      'CN=x',
      ...store,
      '-keypass',
      'secret',
    );
    const kid = await publicKid('store.jks', 'is a Java keystore', 'key.crt', (hint) =>
      hint.replace('-keystore', '-storepass secret -keystore'),
    );
    const shell = (hint: string) =>
      hint
        .replace('-srckeystore', '-srcstorepass secret -deststorepass secret -srckeystore')
        .replace('openssl pkcs12', '$& -passin pass:secret');
    expect(await privateKid('store.jks', 'is a Java keystore', shell)).toBe(kid);
  });
});
