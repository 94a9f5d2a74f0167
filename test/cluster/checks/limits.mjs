import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { accepted, refused } from '../checklist.mjs';
import { confidential, many, plaintext, secret } from '../secrets.mjs';

const MIB = 2 ** 20;

/** The largest Secrets, against what the API server lets CEL expressions cost, and odd values. */
export async function limits({ seal, apply, create, kubectl, values }, check) {
  const holds = (namespace, name) => async (expected) =>
    assert.deepEqual(await values(namespace, name), expected);

  await check('null values, no data and empty values are accepted', async () => {
    const odd = secret('hr', 'odd', {});
    const all = [undefined, null, {}, { a: null }, { a: '', b: null }];
    // A client-side apply would leave null values away.
    for (const data of all) accepted(await create({ ...odd, data }, '--dry-run=server'));
    for (const data of all) accepted(await apply({ ...odd, data }, '--server-side'));
    const add = ['--type=json', '-p', '[{"op":"add","path":"/data/c","value":null}]'];
    accepted(await kubectl('patch', 'secret', 'odd', '-n', 'hr', ...add));
  });

  await check('a sealed value beside a null value opens', async () => {
    const sealed = await seal(confidential('hr', 'beside', { password: 'beside' }));
    accepted(await create({ ...sealed, data: { ...sealed.data, nothing: null } }));
    await holds('hr', 'beside')({ password: plaintext('beside'), nothing: '' });
  });

  await check('1 MiB in one data key is accepted', async () => {
    accepted(await create(secret('hr', 'large', { a: randomBytes(MIB) })));
  });

  await check('a sealed value of 500 kB opens', async () => {
    const values = { big: plaintext('x'.repeat(500_000)) };
    accepted(await create(await seal(secret('hr', 'big', values))));
    await holds('hr', 'big')(values);
  });

  await check(
    '1,000 data keys are accepted, and the one of them that is sealed opens',
    async () => {
      const sealed = await seal(confidential('hr', 'thousand', { sealed: 'one of them' }));
      const plain = secret('hr', 'thousand', many(999, randomBytes(64).toString('base64')));
      accepted(await create({ ...sealed, data: { ...plain.data, ...sealed.data } }));
      assert.equal((await values('hr', 'thousand')).sealed, plaintext('one of them'));
    },
  );

  await check('more than 256 sealed values are refused', async () => {
    const sealed = await seal(confidential('hr', 'too-many', many(256, 'one of them')));
    const last = await seal(confidential('hr', 'too-many', { last: 'of them' }));
    const data = { ...sealed.data, ...last.data };
    refused(await create({ ...sealed, data }), 'more than 256 sealed values');
  });

  await check('a release of Helm is accepted', async () => {
    const release = Buffer.from(randomBytes(300_000)).toString('base64');
    const type = 'helm.sh/release.v1';
    accepted(await create(secret('hr', 'sh.helm.release.v1.app.v1', { release }, { type })));
  });

  await check('19,000 data keys of the costliest value are accepted', async () => {
    // Base64 that sorts after all prefixes, so that each of them is compared.
    const all = secret('hr', 'wide', many(19_000, Buffer.from('zzzzzzzzzzzzzzzz', 'base64')));
    accepted(await create(all, '--dry-run=server'));
  });

  await check('40,000 data keys are refused: the cost limit fails closed', async () => {
    const all = secret('hr', 'wide', many(40_000, 'a'));
    refused(await create(all, '--dry-run=server'), 'cost limit exceeded');
  });
}
