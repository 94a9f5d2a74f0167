import assert from 'node:assert/strict';
import { accepted, refused } from '../checklist.mjs';
import { confidential, many, plaintext, secret } from '../secrets.mjs';

/** Sealed Secrets are opened, whichever way they are sent to the API server. */
export async function opening(world, check) {
  const { seal, apply, create, diff, get, values, exists, kms } = world;
  const db = await seal(confidential('hr', 'db', { password: 'open', user: 'me' }));
  const versionOf = async (name) => (await get('secret', 'hr', name)).metadata.resourceVersion;

  await check('kubectl apply: a sealed Secret is stored opened', async () => {
    accepted(await apply(db));
    const opened = { password: plaintext('open'), user: plaintext('me') };
    assert.deepEqual(await values('hr', 'db'), opened);
  });

  await check('a second apply changes nothing and does not call the KMS', async () => {
    const before = [await versionOf('db'), await kms.decryptions()];
    assert.match(accepted(await apply(db)), /configured/);
    assert.deepEqual([await versionOf('db'), await kms.decryptions()], before);
  });

  await check('kubectl diff finds no difference', async () => {
    assert.equal(accepted(await diff(db)), '');
  });

  await check('kubectl diff finds no difference if the same values are sealed again', async () => {
    const again = await seal(confidential('hr', 'db', { password: 'open', user: 'me' }));
    assert.notDeepEqual(again.data, db.data);
    assert.equal(accepted(await diff(again)), '');
  });

  await check('a data key removed from the manifest is removed from the Secret', async () => {
    const { user: _, ...data } = db.data;
    accepted(await apply({ ...db, data }));
    assert.deepEqual(await values('hr', 'db'), { password: plaintext('open') });
  });

  await check('a server-side dry run shows the opened value and stores nothing', async () => {
    const dry = await seal(confidential('hr', 'dry', { password: 'dry' }));
    const flags = ['--dry-run=server', '-o', 'jsonpath={.data.password}'];
    const shown = accepted(await apply(dry, ...flags));
    assert.equal(Buffer.from(shown, 'base64').toString(), plaintext('dry'));
    assert.equal(await exists('hr', 'dry'), false);
  });

  await check('a value under stringData is opened', async () => {
    const { data, ...rest } = await seal(confidential('hr', 'text', { password: 'text' }));
    const jwe = Buffer.from(data.password, 'base64').toString();
    accepted(await apply({ ...rest, stringData: { password: jwe } }));
    assert.deepEqual(await values('hr', 'text'), { password: plaintext('text') });
  });

  await check('a value sealed to the key file in a Secret is opened', async () => {
    const plain = confidential('hr', 'filed', { password: 'filed' });
    accepted(await apply(await seal(plain, '-k', 'prod.pub')));
    assert.deepEqual(await values('hr', 'filed'), { password: plaintext('filed') });
  });

  await check('an immutable Secret can be applied again', async () => {
    const fixed = { ...(await seal(confidential('hr', 'fixed', { a: 'b' }))), immutable: true };
    accepted(await apply(fixed));
    accepted(await apply(fixed));
    assert.deepEqual(await values('hr', 'fixed'), { a: plaintext('b') });
  });

  await check('the API server validates the opened value: this type requires JSON', async () => {
    const pullSecret = (text) => seal(secret('hr', 'pull', { '.dockerconfigjson': text }));
    const type = 'kubernetes.io/dockerconfigjson';
    accepted(await apply({ ...(await pullSecret('{"auths":{}}')), type }));
    const wrong = { ...(await pullSecret('no JSON')), type };
    refused(await create(wrong, '--dry-run=server'), 'data[.dockerconfigjson]: Invalid value');
  });

  await check('a namespace-wide value under generateName is opened', async () => {
    const plain = confidential('hr', 'any', { password: 'any' });
    const { metadata: _, ...rest } = await seal(plain, '-k', 'hr.pub', '--scope', 'namespace-wide');
    const metadata = { namespace: 'hr', generateName: 'any-' };
    const [kind, name] = accepted(await create({ ...rest, metadata }, '-o', 'name'))
      .trim()
      .split('/');
    assert.equal(kind, 'secret');
    assert.deepEqual(await values('hr', name), { password: plaintext('any') });
  });

  await check('256 sealed values in one Secret are opened within one request', async () => {
    accepted(await create(await seal(confidential('hr', 'many', many(256, 'of many')))));
    assert.deepEqual(await values('hr', 'many'), many(256, plaintext('of many')));
  });
}
