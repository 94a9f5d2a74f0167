import assert from 'node:assert/strict';
import { request } from 'node:https';
import { refused } from '../checklist.mjs';
import { confidential } from '../secrets.mjs';

const ours = 'admission webhook "kseal-webhook.kseal.svc" denied the request: ';

/** What must not open, or not be stored. */
export async function refusing({ seal, apply, create, isThere, ...world }, check) {
  const db = await seal(confidential('hr', 'db', { password: 'open' }));
  const moved = (metadata) => ({ ...db, metadata });

  await check('a copy in another namespace is refused, in our words', async () => {
    const where = 'sealed for hr/db, data key "password", found in other/db';
    refused(await apply(moved({ name: 'db', namespace: 'other' })), ours, where);
    const dryRun = ['--dry-run=server', '-o', 'yaml'];
    refused(await create(moved({ name: 'db', namespace: 'other' }), ...dryRun), ours);
    assert.equal(await isThere('other', 'db'), false);
  });

  await check('a copy under another name is refused', async () => {
    refused(await apply(moved({ name: 'db-2', namespace: 'hr' })), ours, 'found in hr/db-2');
  });

  await check('a Secret that claims to be in deletion is looked at like any other', async () => {
    const metadata = { name: 'claims', namespace: 'hr', deletionTimestamp: '2026-01-01T00:00:00Z' };
    refused(await create(moved(metadata)), ours, 'found in hr/claims');
    assert.equal(await isThere('hr', 'claims'), false);
  });

  await check('a strict value under generateName is refused', async () => {
    const generated = moved({ generateName: 'db-', namespace: 'hr' });
    refused(await create(generated), ours, 'set metadata.name');
  });

  await check('one damaged value refuses the whole Secret', async () => {
    const two = await seal(confidential('hr', 'two', { good: 'a', bad: 'b' }));
    const jwe = Buffer.from(two.data.bad, 'base64').toString();
    const at = jwe.lastIndexOf('.') - 10;
    const damaged = `${jwe.slice(0, at)}${jwe[at] === 'A' ? 'B' : 'A'}${jwe.slice(at + 1)}`;
    const data = { ...two.data, bad: Buffer.from(damaged).toString('base64') };
    refused(await apply({ ...two, data }), ours, 'Secret hr/two, data key "bad"');
    assert.equal(await isThere('hr', 'two'), false);
  });

  await check('a value that was base64-encoded twice is refused', async () => {
    const { data, ...twice } = await seal(confidential('hr', 'twice', { a: 'b' }));
    const a = Buffer.from(data.a).toString('base64');
    refused(await apply({ ...twice, data: { a } }), ours, 'data key "a"');
  });

  await check('a key that the webhook does not have is refused, by its name', async () => {
    await world.kseal(['keygen', '-o', 'mine']);
    const foreign = await seal(confidential('hr', 'foreign', { a: 'b' }), '-k', 'mine.pub');
    refused(await apply(foreign), ours, 'data key "a"');
  });

  await check('nobody without a client certificate gets an answer', async () => {
    await assert.rejects(post(world.webhookPort()), { code: /RESET|CERTIFICATE_REQUIRED|EPIPE/ });
  });
}

/** Sends a review as a stranger would. */
function post(port) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/mutate', method: 'POST' };
    // Whose certificate the server shows is not what is checked here.
    const headers = { 'content-type': 'application/json' };
    request({ ...options, headers, rejectUnauthorized: false }, resolve)
      .on('error', reject)
      .end('{}');
  });
}
