import assert from 'node:assert/strict';
import { accepted } from '../checklist.mjs';
import { commandOf } from '../notes.mjs';
import { confidential, plaintext } from '../secrets.mjs';
import { as, ownersOf } from './ownership.mjs';

/** What was stored sealed before the webhook was there. */
export async function healing({ folder, shell, seal, apply, get, values }, check) {
  const sweep = () => shell('bash', commandOf(folder, 6));

  await check('the sweep of the notes opens what was stored sealed', async () => {
    const out = accepted(await sweep());
    assert.match(out, /^secret\/old replaced$/m);
    const opened = { password: plaintext('old'), user: plaintext('older') };
    assert.deepEqual(await values('hr', 'old'), opened);
  });

  await check('a second sweep finds nothing', async () => {
    assert.equal(accepted(await sweep()), '');
  });

  await check(
    'its owner by server-side apply still is, and applies it without a conflict',
    async () => {
      const { metadata } = await get('secret', 'hr', 'old');
      assert.deepEqual(ownersOf(metadata, 'password'), ['gitops']);
      const words = { password: 'old', user: 'older' };
      accepted(await apply(await seal(confidential('hr', 'old', words)), ...as('gitops')));
    },
  );
}
