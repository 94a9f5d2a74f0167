import assert from 'node:assert/strict';
import { accepted } from '../checklist.mjs';
import { commandOf } from '../notes.mjs';
import { confidential, plaintext } from '../secrets.mjs';
import { as, ownersOf } from './ownership.mjs';

/** Opens values that were stored sealed before the webhook was installed. */
export async function healing({ folder, shell, seal, apply, get, values }, check) {
  const sweep = () => shell('bash', commandOf(folder, /get secrets (-A|--all-namespaces)/));

  await check('the sweep in the notes opens values that were stored sealed', async () => {
    assert.match(accepted(await sweep()), /^secret\/old replaced$/m);
    const opened = { password: plaintext('old'), user: plaintext('older') };
    assert.deepEqual(await values('hr', 'old'), opened);
  });

  await check('a second sweep finds nothing', async () => {
    assert.equal(accepted(await sweep()), '');
  });

  await check(
    'the field manager of a swept value stays, and applies it without a conflict',
    async () => {
      const { metadata } = await get('secret', 'hr', 'old');
      assert.deepEqual(ownersOf(metadata, 'password'), ['gitops']);
      const words = { password: 'old', user: 'older' };
      accepted(await apply(await seal(confidential('hr', 'old', words)), ...as('gitops')));
    },
  );
}
