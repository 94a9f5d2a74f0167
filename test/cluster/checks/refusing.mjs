import assert from 'node:assert/strict';
import { request } from 'node:https';
import { denied } from '../checklist.mjs';
import { confidential } from '../secrets.mjs';

/** Values that must not be opened, and Secrets that must not be stored. */
export async function refusing({ seal, apply, create, exists, ...world }, check) {
  const db = await seal(confidential('hr', 'db', { password: 'open' }));
  const moved = (metadata) => ({ ...db, metadata });

  await check(
    'a copy in another namespace is refused, with both places in the message',
    async () => {
      const copy = moved({ name: 'db', namespace: 'other' });
      denied(await apply(copy), 'Forbidden', 'hr/db', 'other/db', '"password"');
      denied(await create(copy, '--dry-run=server', '-o', 'yaml'), 'Forbidden');
      assert.equal(await exists('other', 'db'), false);
    },
  );

  await check('a copy under another name is refused', async () => {
    denied(await apply(moved({ name: 'db-2', namespace: 'hr' })), 'Forbidden', 'hr/db-2');
  });

  await check('a new Secret with a deletionTimestamp is checked like any other', async () => {
    const metadata = { name: 'claims', namespace: 'hr', deletionTimestamp: '2026-01-01T00:00:00Z' };
    denied(await create(moved(metadata)), 'Forbidden', 'hr/claims');
    assert.equal(await exists('hr', 'claims'), false);
  });

  await check('a strict value under generateName is refused', async () => {
    const generated = moved({ generateName: 'db-', namespace: 'hr' });
    denied(await create(generated), 'Forbidden', 'metadata.name');
  });

  await check('a Secret with one damaged value is refused', async () => {
    const two = await seal(confidential('hr', 'two', { good: 'a', bad: 'b' }));
    const jwe = Buffer.from(two.data.bad, 'base64').toString();
    const at = jwe.lastIndexOf('.') - 10;
    const damaged = `${jwe.slice(0, at)}${jwe[at] === 'A' ? 'B' : 'A'}${jwe.slice(at + 1)}`;
    const data = { ...two.data, bad: Buffer.from(damaged).toString('base64') };
    denied(await apply({ ...two, data }), 'BadRequest', 'hr/two', '"bad"');
    assert.equal(await exists('hr', 'two'), false);
  });

  await check('a value that was base64-encoded twice is refused', async () => {
    const { data, ...twice } = await seal(confidential('hr', 'twice', { a: 'b' }));
    const a = Buffer.from(data.a).toString('base64');
    denied(await apply({ ...twice, data: { a } }), 'BadRequest', 'hr/twice', '"a"');
  });

  await check('a value sealed to an unknown key is refused', async () => {
    await world.kseal(['keygen', '-o', 'mine']);
    const foreign = await seal(confidential('hr', 'foreign', { a: 'b' }), '-k', 'mine.pub');
    denied(await apply(foreign), 'BadRequest', 'hr/foreign', '"a"');
  });

  await check('a client without a certificate gets no answer', async () => {
    await assert.rejects(post(world.webhookPort()), { code: /RESET|CERTIFICATE_REQUIRED|EPIPE/ });
  });
}

/** Posts a review without a client certificate. */
function post(port) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/mutate', method: 'POST' };
    // This check is not about the server's certificate.
    const headers = { 'content-type': 'application/json' };
    request({ ...options, headers, rejectUnauthorized: false }, resolve)
      .on('error', reject)
      .end('{}');
  });
}
