import assert from 'node:assert/strict';
import { accepted, refused } from '../checklist.mjs';
import { confidential, plaintext } from '../secrets.mjs';

/** The flags for a server-side apply by a field manager. */
export const as = (manager) => ['--server-side', '--field-manager', manager];

/** The field managers of a data key. */
export function ownersOf({ managedFields }, key) {
  const owning = managedFields.filter(({ fieldsV1 }) => fieldsV1['f:data']?.[`f:${key}`]);
  return owning.map(({ manager }) => manager);
}

/** Server-side apply: which manager owns an opened value, and which one gets a conflict. */
export async function ownership({ seal, apply, get, values }, check) {
  const manifest = () => seal(confidential('hr', 'owned', { password: 'owned' }));
  const owned = await manifest();
  const owners = async (name) => ownersOf((await get('secret', 'hr', name)).metadata, 'password');

  await check('server-side apply: the value is opened, and only its applier owns it', async () => {
    accepted(await apply(owned, ...as('gitops')));
    assert.deepEqual(await values('hr', 'owned'), { password: plaintext('owned') });
    assert.deepEqual(await owners('owned'), ['gitops']);
  });

  await check(
    'its owner can apply it again, and a newly sealed copy, without a conflict',
    async () => {
      const { resourceVersion } = (await get('secret', 'hr', 'owned')).metadata;
      accepted(await apply(owned, ...as('gitops')));
      accepted(await apply(await manifest(), ...as('gitops')));
      assert.equal((await get('secret', 'hr', 'owned')).metadata.resourceVersion, resourceVersion);
      assert.deepEqual(await owners('owned'), ['gitops']);
    },
  );

  await check('another manager gets a conflict with the same manifest', async () => {
    refused(await apply(owned, ...as('other')), 'conflict with "gitops"', '.data.password');
  });

  await check('another manager can take the value over with --force-conflicts', async () => {
    accepted(await apply(owned, ...as('other'), '--force-conflicts'));
    assert.deepEqual(await owners('owned'), ['other']);
    assert.deepEqual(await values('hr', 'owned'), { password: plaintext('owned') });
  });

  await check('switching from kubectl apply to server-side apply is a conflict, once', async () => {
    const moved = await seal(confidential('hr', 'moved', { password: 'moved' }));
    accepted(await apply(moved));
    refused(await apply(moved, '--server-side'), 'conflict with "kubectl-client-side-apply"');
    accepted(await apply(moved, '--server-side', '--force-conflicts'));
    accepted(await apply(moved, '--server-side'));
    assert.deepEqual(await owners('moved'), ['kubectl']);
  });
}
