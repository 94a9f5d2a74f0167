import assert from 'node:assert/strict';
import { accepted, refused } from '../checklist.mjs';
import { confidential, plaintext, secret } from '../secrets.mjs';
import { until } from '../services.mjs';

/** The KMS does not answer. The memo and everything that is open already must do without it. */
export async function kmsOutage({ seal, apply, kubectl, values, isThere, kms }, check) {
  const known = await seal(confidential('hr', 'known', { password: 'known' }));
  await check('before the KMS goes down a Secret is stored', async () => {
    accepted(await apply(known));
    await kms.fail();
  });

  await check('KMS down: a label is added', async () => {
    accepted(await kubectl('label', 'secret', 'known', '-n', 'hr', 'kms=down'));
  });

  await check('KMS down: a second apply is answered from memory', async () => {
    accepted(await apply({ ...known, metadata: { ...known.metadata, labels: { a: 'b' } } }));
    assert.deepEqual(await values('hr', 'known'), { password: plaintext('known') });
  });

  await check(
    'KMS down: kubectl waits with a new one, and stores it when the KMS is back',
    async () => {
      const asked = await kms.decryptions();
      const applying = apply(await seal(confidential('hr', 'waiting', { password: 'new' })));
      await until(async () => (await kms.decryptions()) > asked, 30_000);
      assert.equal(await isThere('hr', 'waiting'), false);
      await kms.recover();
      accepted(await applying);
      assert.deepEqual(await values('hr', 'waiting'), { password: plaintext('new') });
    },
  );
}

/** The webhook is not there. Only what is sealed depends on it. */
export async function webhookOutage(world, check) {
  const { seal, apply, kubectl, values, isThere } = world;
  const deadWords = 'failed calling webhook "kseal-webhook.kseal.svc"';
  const dead = await seal(confidential('hr', 'dead', { password: 'dead' }));

  await check('the webhook ends when it is told to', world.stopWebhook);

  await check('webhook dead: an ordinary Secret is accepted', async () => {
    accepted(await apply(secret('hr', 'plain', { a: 'b' })));
    accepted(await kubectl('label', 'secret', 'known', '-n', 'hr', 'webhook=dead'));
  });

  await check('webhook dead: a ServiceAccount token is accepted', async () => {
    accepted(await kubectl('create', 'serviceaccount', 'default', '-n', 'hr'));
    const token = accepted(await kubectl('create', 'token', 'default', '-n', 'hr')).trim();
    const metadata = { annotations: { 'kubernetes.io/service-account.name': 'default' } };
    const type = 'kubernetes.io/service-account-token';
    accepted(await apply(secret('hr', 'token', { token }, { ...metadata, type })));
    assert.deepEqual(await values('hr', 'token'), { token });
  });

  await check('webhook dead: a sealed Secret is refused', async () => {
    refused(await apply(dead), deadWords);
    assert.equal(await isThere('hr', 'dead'), false);
  });

  await check(
    'webhook dead: what is being deleted is left alone, even if it is sealed',
    async () => {
      const ending = ['secret', 'ending', '-n', 'hr'];
      refused(await kubectl('label', ...ending, 'a=b'), deadWords);
      accepted(await kubectl('delete', ...ending, '--wait=false'));
      const patch = ['--type=merge', '-p', '{"metadata":{"finalizers":null}}'];
      accepted(await kubectl('patch', ...ending, ...patch));
      assert.equal(await isThere('hr', 'ending'), false);
    },
  );

  await check('it starts again, and the sealed Secret is accepted', async () => {
    await world.startWebhook();
    accepted(await apply(dead));
    assert.deepEqual(await values('hr', 'dead'), { password: plaintext('dead') });
  });
}
