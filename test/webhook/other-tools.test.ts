import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlattenedEncrypt } from 'jose';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../src/cli/main.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { webhookWith } from './two-doors.ts';

// The way that kseal comes from: `jose-util encrypt --alg RSA-OAEP-256 --enc A128CBC-HS256 --full`
// makes a value out of a public key in Git, and the webhook opens it at admission.

const password = 'CANARY-P@ssword01';

/** What jose-util prints: Go sorts the members, of the header too. */
async function joseUtil(cwd: string) {
  const jwe = await new FlattenedEncrypt(Buffer.from(password))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' })
    .encrypt(createPublicKey(readFileSync(join(cwd, 'k.pub'))));
  const { protected: head, encrypted_key, iv, ciphertext, tag } = jwe;
  return {
    full: JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag }),
    compact: [head, encrypted_key, iv, ciphertext, tag].join('.'),
  };
}

async function run(cwd: string, args: readonly string[]) {
  const io = testIO({ cwd });
  expect([await main(args, io), io.stderr.text]).toEqual([0, expect.any(String)]);
  return io.stdout.text;
}

/** What the webhook answers where the Secret of a manifest is created. */
async function admit(manifest: string, acceptUnbound: readonly string[]) {
  const object = parse(manifest);
  const { name, namespace } = object.metadata;
  const kind = { group: '', version: 'v1', kind: 'Secret' };
  const request = { uid: 'u', kind, operation: 'CREATE', namespace, name, object };
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
  const webhook = await webhookWith({ acceptUnbound });
  const { status, text } = await webhook.post(JSON.stringify(review));
  expect(status).toBe(200);
  const { response } = JSON.parse(text);
  return response.patch
    ? { ...response, patch: JSON.parse(`${Buffer.from(response.patch, 'base64')}`) }
    : response;
}

const opened = {
  uid: 'u',
  allowed: true,
  patchType: 'JSONPatch',
  patch: [
    { op: 'replace', path: '/data/password', value: Buffer.from(password).toString('base64') },
  ],
};

const refused = {
  uid: 'u',
  allowed: false,
  status: {
    code: 400,
    reason: 'BadRequest',
    message:
      'Secret hr/db, data key "password": not bound to a Secret: sealed by another tool; hint: seal it again with kseal, or pass --accept-unbound',
  },
};

test('a flattened JWE is taken into a manifest without a key, and opened where that is accepted', async () => {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, 'db.json'), (await joseUtil(cwd)).full);
  const manifest = await run(cwd, ['seal', 'db', '-n', 'hr', '--from-jwe', 'password=db.json']);
  expect(await admit(manifest, ['hr'])).toEqual(opened);
  expect(await admit(manifest, [])).toEqual(refused);
  expect(await admit(manifest, ['ops'])).toEqual(refused);
});

test('a compact one is opened as it is', async () => {
  const { compact } = await joseUtil(folderWithKeys());
  const data = { password: Buffer.from(compact).toString('base64') };
  const manifest = JSON.stringify({ metadata: { name: 'db', namespace: 'hr' }, data });
  expect(await admit(manifest, ['hr'])).toEqual(opened);
  expect(await admit(manifest, [])).toEqual(refused);
});

test('one in JSON that stands in the Secret itself is refused, and the hint rewrites it', async () => {
  const { full } = await joseUtil(folderWithKeys());
  const data = { password: Buffer.from(full).toString('base64') };
  const manifest = JSON.stringify({ metadata: { name: 'db', namespace: 'hr' }, data });
  const { allowed, status } = await admit(manifest, ['hr']);
  expect([allowed, status.message]).toEqual([
    false,
    expect.stringMatching(/hint: kseal seal --from-jwe FILE$/),
  ]);
});
