import assert from 'node:assert/strict';
import { accepted, denied, refused } from '../checklist.mjs';
import { confidential, isSealed, plaintext, secret } from '../secrets.mjs';
import { until } from '../services.mjs';

const finalizers = ['kseal.test/wait'];

/** Stores Secrets sealed, before the webhook is installed, that it will not be able to open. */
export async function storing({ kseal, seal, create, kubectl }, check) {
  await check('Secrets that cannot be opened later are stored sealed', async () => {
    accepted(await kubectl('create', 'namespace', 'stored'));
    await kseal(['keygen', '-o', 'lost']);
    const words = { password: 'stored', user: 'too' };
    const metadata = { name: 'misplaced', namespace: 'stored', finalizers };
    const elsewhere = await seal(confidential('stored', 'elsewhere', words));
    accepted(await create({ ...elsewhere, metadata }));
    accepted(await create(await seal(confidential('stored', 'lost', words), '-k', 'lost.pub')));
    const fixed = await seal(confidential('stored', 'fixed', words, { finalizers }));
    accepted(await create({ ...fixed, immutable: true }));
    accepted(await create(await seal(confidential('stored', 'healable', words))));
    accepted(await create(confidential('stored', 'open', { password: 'open' }, { finalizers })));
  });
}

/** Asserts that kubectl succeeded with a warning that includes `text`. */
function warned({ code, stderr }, text) {
  assert.equal(code, 0, stderr);
  assert.ok(stderr.startsWith('Warning: '), stderr);
  assert.ok(stderr.includes(text), stderr);
}

/** Changes of Secrets that hold sealed values, or that are being deleted. */
export async function stored({ shell, kubectl, create, seal, get, values, exists, kms }, check) {
  const on = (verb, name, ...args) => kubectl(verb, 'secret', name, '-n', 'stored', ...args);
  const patch = (name, change, ...flags) =>
    on('patch', name, '--type=merge', '-p', JSON.stringify(change), ...flags);
  const staysSealed = async (name) =>
    assert.ok(Object.values(await values('stored', name)).every(isSealed));

  await check(
    'a stored value that is misplaced: label, owner and finalizer can change',
    async () => {
      warned(await on('label', 'misplaced', 'a=b'), 'sealed for stored/elsewhere');
      const { uid } = (await get('secret', 'stored', 'open')).metadata;
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Secret', name: 'open', uid }];
      warned(await patch('misplaced', { metadata: { ownerReferences } }), 'still sealed');
      warned(await patch('misplaced', { metadata: { finalizers: null } }), 'still sealed');
      await staysSealed('misplaced');
    },
  );

  await check('a stored value that is sealed to an unknown key: a label can change', async () => {
    warned(await on('label', 'lost', 'a=b'), 'sealed to unknown key');
    await staysSealed('lost');
  });

  await check('a value next to it cannot change', async () => {
    const change = { data: { user: Buffer.from('ann').toString('base64') } };
    denied(await patch('lost', change), 'BadRequest', 'stored/lost', '"password"');
  });

  await check(
    'KMS down: a stored value stays sealed; KMS up: the next change opens it',
    async () => {
      await kms.fail();
      warned(await on('label', 'healable', 'a=b'), 'the KMS that holds the key is unavailable');
      await staysSealed('healable');
      await kms.recover();
      accepted(await on('label', 'healable', 'c=d'));
      const opened = { password: plaintext('stored'), user: plaintext('too') };
      assert.deepEqual(await values('stored', 'healable'), opened);
    },
  );

  await check('an immutable Secret that was stored sealed: a label can change', async () => {
    warned(await on('label', 'fixed', 'a=b'), 'the Secret is immutable');
    warned(await patch('fixed', { metadata: { finalizers: null } }), 'the Secret is immutable');
    await staysSealed('fixed');
    const { data } = confidential('stored', 'fixed', { password: 'stored' });
    refused(await patch('fixed', { data }), 'field is immutable when `immutable` is set');
  });

  await check('kseal webhook sweep names what it cannot open', async () => {
    const sweep = (...flags) => shell('kseal', ['webhook', 'sweep', '-n', 'stored', ...flags]);
    const { code, stdout } = await sweep();
    assert.match(stdout, /^failed {2}stored\/fixed: is immutable$/m);
    assert.match(stdout, /^failed {2}stored\/misplaced: .* sealed for stored\/elsewhere, /m);
    assert.match(stdout, /^sealed {2}stored\/lost: 2 values, key [\w-]{43}$/m);
    assert.equal(code, 3);
    const written = await sweep('--write');
    assert.match(written.stdout, /^failed {2}stored\/lost: still sealed: sealed to unknown key /m);
    assert.equal(written.stdout.match(/^failed/gm).length, 3);
    assert.equal(written.code, 3);
    accepted(await on('delete', 'fixed'));
  });

  await check(
    'a Secret that is being deleted never gets a sealed value over an open one',
    async () => {
      accepted(await on('delete', 'open', '--wait=false'));
      const damaged = secret('stored', 'open', { password: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi' });
      denied(await patch('open', { data: damaged.data }), 'BadRequest', 'stored/open');
      const { data } = await seal(confidential('stored', 'open', { password: 'new' }));
      accepted(await patch('open', { data }));
      assert.deepEqual(await values('stored', 'open'), { password: plaintext('new') });
    },
  );

  await check(
    'without the webhook, the policy refuses it too, and accepts stored values',
    async () => {
      const { stdout: webhook } = await kubectl(
        'get',
        'mutatingwebhookconfiguration',
        '-o',
        'json',
      );
      accepted(await kubectl('delete', 'mutatingwebhookconfiguration', '--all'));
      const { data } = await seal(confidential('stored', 'open', { password: 'newer' }));
      const attempt = () => patch('open', { data }, '--dry-run=server');
      // The API server notices a changed configuration after a moment.
      await until(async () => (await attempt()).code !== 0, 20_000);
      refused(await attempt(), "ValidatingAdmissionPolicy 'kseal-unopened-values'", 'password');
      accepted(await on('label', 'lost', 'policy=only'));
      const { metadata: _, ...configuration } = JSON.parse(webhook).items[0];
      accepted(await create({ ...configuration, metadata: { name: 'kseal-webhook' } }));
      await until(async () => (await attempt()).code === 0, 20_000);
    },
  );

  await check('a Secret that is being deleted loses its finalizers', async () => {
    accepted(await patch('open', { metadata: { finalizers: null } }));
    assert.equal(await exists('stored', 'open'), false);
    for (const name of ['lost', 'misplaced']) accepted(await on('delete', name));
  });
}
