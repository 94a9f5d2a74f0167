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

test('fetches a public key with its commit', async () => {
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
  ['after other text', () => `# production\n${keyFile('k.pem')}`],
  ['with a passphrase', () => encrypted()],
  ['of OpenSSH', () => keyFile('k.pem').replaceAll('PRIVATE', 'OPENSSH PRIVATE')],
  ['as a JWK', () => JSON.stringify(jwk())],
])('refuses a private key (%s), and does not quote it', async (_, content) => {
  const world = gitWorld();
  const repository = new Repository(world);
  const text = content();
  const commit = repository.commit({ 'prod.pem': text });
  const error = await fetchKey(world, `git+${repository.url}#prod.pem`).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'KEY_INVALID',
    message: `${repository.url}@${commit}#prod.pem: is a private key, which everyone with the repository can read`,
    hint: 'change every value sealed to it, and make a new key: kseal keygen -o PREFIX',
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

test('refuses a file that is not a key or violates the key policy, with its origin', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  repository.commit({
    'none.pub': 'hello',
    'empty.pub': '',
    'ec.pub': publicKey.export({ type: 'spki', format: 'pem' }),
  });
  for (const [path, what] of [
    ['none.pub', 'not a key in PEM or JWK format'],
    ['empty.pub', 'is empty'],
    ['ec.pub', 'key type is ec'],
  ]) {
    await expect(fetchKey(world, `git+${repository.url}#${path}`)).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: expect.stringMatching(new RegExp(`^file://.*@[0-9a-f]{40}#${path}: ${what}`)),
    });
  }
});

test('refuses a file larger than 64 KiB', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'large.pub': Buffer.alloc(64 * 1024 + 1, 'x') });
  await expect(fetchKey(world, `git+${repository.url}#large.pub`)).rejects.toMatchObject({
    code: 'KEY_INVALID',
    message: `${repository.url}: large.pub is larger than 65536 bytes`,
  });
});
