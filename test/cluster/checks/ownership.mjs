import assert from 'node:assert/strict';
import { accepted, refused } from '../checklist.mjs';
import { confidential, plaintext } from '../secrets.mjs';

/** Flags: by server-side apply, in the name of a manager. */
export const as = (manager) => ['--server-side', '--field-manager', manager];

/** The managers of a Secret's data key. */
export function ownersOf({ managedFields }, key) {
  const owning = managedFields.filter(({ fieldsV1 }) => fieldsV1['f:data']?.[`f:${key}`]);
  return owning.map(({ manager }) => manager);
}

/** Server-side apply: who owns what the webhook has changed, and who gets into conflict. */
export async function ownership({ seal, apply, get, values }, check) {
  const manifest = () => seal(confidential('hr', 'owned', { password: 'owned' }));
  const owned = await manifest();
  const owners = async (name) => ownersOf((await get('secret', 'hr', name)).metadata, 'password');

  await check('server-side apply: the value is open, its applier owns it alone', async () => {
    accepted(await apply(owned, ...as('gitops')));
    assert.deepEqual(await values('hr', 'owned'), { password: plaintext('owned') });
    assert.deepEqual(await owners('owned'), ['gitops']);
  });

  await check('its owner applies it again, and sealed anew, without a conflict', async () => {
    const { resourceVersion } = (await get('secret', 'hr', 'owned')).metadata;
    accepted(await apply(owned, ...as('gitops')));
    accepted(await apply(await manifest(), ...as('gitops')));
    assert.equal((await get('secret', 'hr', 'owned')).metadata.resourceVersion, resourceVersion);
    assert.deepEqual(await owners('owned'), ['gitops']);
  });

  await check('another manager gets into conflict with the very same manifest', async () => {
    refused(await apply(owned, ...as('other')), 'conflict with "gitops"', '.data.password');
  });

  await check('... and takes it over with --force-conflicts', async () => {
    accepted(await apply(owned, ...as('other'), '--force-conflicts'));
    assert.deepEqual(await owners('owned'), ['other']);
    assert.deepEqual(await values('hr', 'owned'), { password: plaintext('owned') });
  });

  await check('from kubectl apply to server-side apply there is that conflict, once', async () => {
    const moved = await seal(confidential('hr', 'moved', { password: 'moved' }));
    accepted(await apply(moved));
    refused(await apply(moved, '--server-side'), 'conflict with "kubectl-client-side-apply"');
    accepted(await apply(moved, '--server-side', '--force-conflicts'));
    accepted(await apply(moved, '--server-side'));
    assert.deepEqual(await owners('moved'), ['kubectl']);
  });
}
