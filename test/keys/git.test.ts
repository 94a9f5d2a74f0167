import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { fetchPublicKey } from '../../src/keys/git.ts';
import { readKeyFile } from '../../src/keys/key-file.ts';
import { type GitWorld, gitWorld, Repository } from '../helpers/git-repository.ts';

function keyFile(name: string): string {
  return readFileSync(join(inject('keys'), name), 'utf8');
}

function fetchKey({ env }: GitWorld, reference: string, verifySignature = false) {
  const note = () => {};
  return fetchPublicKey(reference, { env, kmsEndpoint: undefined, verifySignature, note });
}

test('a public key, with the commit it came from', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({ 'keys/prod.pub': keyFile('k.pub') });
  const key = await fetchKey(world, `git+${repository.url}?ref=main#keys/prod.pub`);
  const wanted = await readKeyFile(join(inject('keys'), 'k.pub'), 'k.pub');
  expect(key).toMatchObject({ kind: 'public', form: 'SPKI PEM', bits: 3072, kid: wanted.kid });
  expect(key.origin).toBe(`${repository.url}@${commit}#keys/prod.pub`);
  expect([...key.facts]).toEqual([
    ['commit', commit],
    ['ref', 'refs/heads/main'],
  ]);
});

test('--verify-signature refuses a commit without one', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({ 'keys/prod.pub': keyFile('k.pub') });
  const reference = `git+${repository.url}?ref=main#keys/prod.pub`;
  await expect(fetchKey(world, reference, true)).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
    message: `${repository.url}: commit ${commit} is not signed`,
  });
});

test.each([
  ['PKCS#8', () => keyFile('k.pem')],
  ['behind other text', () => `# production\n${keyFile('k.pem')}`],
  ['under a passphrase', () => encrypted()],
  ['of OpenSSH', () => keyFile('k.pem').replaceAll('PRIVATE', 'OPENSSH PRIVATE')],
  ['as a JWK', () => JSON.stringify(jwk())],
])('a private key %s is refused loudly and not echoed', async (_, content) => {
  const world = gitWorld();
  const repository = new Repository(world);
  const text = content();
  const commit = repository.commit({ 'prod.pem': text });
  const error = await fetchKey(world, `git+${repository.url}#prod.pem`).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'KEY_INVALID',
    message: `${repository.url}@${commit}#prod.pem: is a private key, and a private key in a repository is no secret any more`,
    hint: 'make a new key, and change every value sealed to this one: kseal keygen -o PREFIX',
  });
  const said = `${error.message} ${error.hint} ${error.cause}`;
  for (const part of text.match(/[\w+/-]{40,}/g) ?? []) expect(said).not.toContain(part);
});

function encrypted(): string {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  }).privateKey;
}

function jwk(): unknown {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ format: 'jwk' });
}

test('what is no key, or breaks the key policy, is refused with its origin', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  repository.commit({
    'none.pub': 'hello',
    'empty.pub': '',
    'ec.pub': publicKey.export({ type: 'spki', format: 'pem' }),
  });
  for (const [path, what] of [
    ['none.pub', 'holds no key in PEM or JWK form'],
    ['empty.pub', 'is empty'],
    ['ec.pub', 'is not an RSA encryption key but ec'],
  ]) {
    await expect(fetchKey(world, `git+${repository.url}#${path}`)).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: expect.stringMatching(new RegExp(`^file://.*@[0-9a-f]{40}#${path}: ${what}`)),
    });
  }
});

test('a file larger than a key file may be is refused', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'large.pub': Buffer.alloc(64 * 1024 + 1, 'x') });
  await expect(fetchKey(world, `git+${repository.url}#large.pub`)).rejects.toMatchObject({
    code: 'KEY_INVALID',
    message: `${repository.url}: large.pub is larger than 65536 bytes`,
  });
});
