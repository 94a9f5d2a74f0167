import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepted, denied, refused } from '../checklist.mjs';
import { confidential, plaintext, secret } from '../secrets.mjs';
import { until } from '../services.mjs';

/** The timeout of the webhook as it is installed, in milliseconds. */
const TIMEOUT = 10_000;

/** The KMS is down. The cache must work without it, and so must changes to opened Secrets. */
export async function kmsOutage({ seal, apply, kubectl, values, exists, kms, audited }, check) {
  const known = await seal(confidential('hr', 'known', { password: 'known' }));
  await check('a Secret is stored before the KMS goes down', async () => {
    accepted(await apply(known));
    await kms.fail();
  });

  await check('KMS down: a label can be added', async () => {
    accepted(await kubectl('label', 'secret', 'known', '-n', 'hr', 'kms=down'));
  });

  await check('KMS down: a second apply is answered from the cache', async () => {
    accepted(await apply({ ...known, metadata: { ...known.metadata, labels: { a: 'b' } } }));
    assert.deepEqual(await values('hr', 'known'), { password: plaintext('known') });
  });

  await check(
    'KMS down: kubectl retries a new Secret, which is stored once the KMS is back',
    async () => {
      const before = await kms.decryptions();
      const applying = apply(await seal(confidential('hr', 'waiting', { password: 'new' })));
      await until(async () => (await kms.decryptions()) > before, 30_000);
      assert.equal(await exists('hr', 'waiting'), false);
      await kms.recover();
      accepted(await applying);
      assert.deepEqual(await values('hr', 'waiting'), { password: plaintext('new') });
    },
  );

  await check('KMS hanging: one clear refusal, which kubectl does not retry', async () => {
    const hanging = await seal(confidential('hr', 'hanging', { password: 'hanging' }));
    await kms.hang();
    const begun = performance.now();
    denied(await apply(hanging), 'Timeout', 'hr/hanging', 'did not answer in time');
    const elapsed = performance.now() - begun;
    await kms.recover();
    // On a busy machine kubectl itself takes seconds, but eleven tries took more than two minutes.
    assert.ok(elapsed < 3 * TIMEOUT, `after ${Math.round(elapsed)} ms`);
    const created = audited().filter(
      ({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'hanging',
    );
    assert.equal(created.length, 1);
  });

  await check('the KMS answers again, and so does the webhook', async () => {
    accepted(await apply(await seal(confidential('hr', 'hanging', { password: 'hanging' }))));
    assert.deepEqual(await values('hr', 'hanging'), { password: plaintext('hanging') });
  });
}

/** The webhook is down. Only sealed Secrets depend on it. */
export async function webhookOutage(world, check) {
  const { folder, seal, apply, kubectl, get, values, exists } = world;
  const failure = 'failed calling webhook "kseal-webhook.kseal.svc"';
  const dead = await seal(confidential('hr', 'dead', { password: 'dead' }));

  await check('the webhook exits on SIGTERM', world.stopWebhook);

  await check('webhook down: a plain Secret is accepted', async () => {
    accepted(await apply(secret('hr', 'plain', { a: 'b' })));
    accepted(await kubectl('label', 'secret', 'known', '-n', 'hr', 'webhook=dead'));
  });

  await check('webhook down: a ServiceAccount token is accepted', async () => {
    accepted(await kubectl('create', 'serviceaccount', 'default', '-n', 'hr'));
    const token = accepted(await kubectl('create', 'token', 'default', '-n', 'hr')).trim();
    const metadata = { annotations: { 'kubernetes.io/service-account.name': 'default' } };
    const type = 'kubernetes.io/service-account-token';
    accepted(await apply(secret('hr', 'token', { token }, { ...metadata, type })));
    assert.deepEqual(await values('hr', 'token'), { token });
  });

  await check('webhook down: a sealed Secret is refused', async () => {
    refused(await apply(dead), failure);
    assert.equal(await exists('hr', 'dead'), false);
  });

  await check(
    'webhook down: a Secret that is being deleted can be changed, even if it is sealed',
    async () => {
      const ending = ['secret', 'ending', '-n', 'hr'];
      refused(await kubectl('label', ...ending, 'a=b'), failure);
      accepted(await kubectl('delete', ...ending, '--wait=false'));
      const patch = ['--type=merge', '-p', '{"metadata":{"finalizers":null}}'];
      accepted(await kubectl('patch', ...ending, ...patch));
      assert.equal(await exists('hr', 'ending'), false);
    },
  );

  await check('the webhook starts again, and the sealed Secret is accepted', async () => {
    await world.startWebhook();
    accepted(await apply(dead));
    assert.deepEqual(await values('hr', 'dead'), { password: plaintext('dead') });
  });

  await check('a serving certificate that the API server does not trust is logged', async () => {
    const hooks = ['mutatingwebhookconfiguration', 'kseal-webhook'];
    const { clientConfig } = (await get(hooks[0], 'kseal', hooks[1])).webhooks[0];
    const trust = async (caBundle) => {
      const path = '/webhooks/0/clientConfig/caBundle';
      const patch = JSON.stringify([{ op: 'replace', path, value: caBundle }]);
      accepted(await kubectl('patch', ...hooks, '--type=json', '-p', patch));
    };
    const sealed = await seal(confidential('hr', 'untrusted', { password: 'untrusted' }));
    const isRefused = async () => (await apply(sealed, '--dry-run=server')).code !== 0;
    await trust(readFileSync(join(folder, 'ca.crt')).toString('base64'));
    await until(isRefused, 20_000);
    refused(await apply(sealed), failure, 'x509');
    await trust(clientConfig.caBundle);
    await until(async () => !(await isRefused()), 20_000);
    const log = readFileSync(join(folder, 'webhook.log'), 'utf8');
    assert.match(log, /"level":"error".*_ALERT_BAD_CERTIFICATE.*refused the serving certificate/);
  });
}
