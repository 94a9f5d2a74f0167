import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { accepted, refused } from '../checklist.mjs';
import { commandOf } from '../notes.mjs';
import { confidential } from '../secrets.mjs';
import { until } from '../services.mjs';
import { AUDITED } from '../world.mjs';

/** Stores sealed Secrets before the webhook is installed, for later checks. */
export async function beforeInstallation({ seal, apply, kubectl, values }, check) {
  await check('without the webhook, a sealed value is stored as is', async () => {
    for (const name of ['hr', 'other', AUDITED])
      accepted(await kubectl('create', 'namespace', name));
    const old = await seal(confidential('hr', 'old', { password: 'old', user: 'older' }));
    accepted(await apply(old, '--server-side', '--field-manager=gitops'));
    const more = { finalizers: ['kseal.test/wait'] };
    accepted(await apply(await seal(confidential('hr', 'ending', { password: 'old' }, more))));
    assert.match((await values('hr', 'old')).password, /^eyJ/);
  });
}

/** Installs the output of `kseal webhook manifests` with the commands in its notes. */
export async function installation(world, check) {
  const { folder, shell, kubectl, get, seal, apply, create } = world;

  await check('the commands in the notes install the webhook without a warning', async () => {
    const secrets = [/create secret tls/, /create secret generic/];
    for (const pattern of [/apply -k base\/policy/, /apply -k base$/, ...secrets])
      accepted(await shell('bash', commandOf(folder, pattern)));
  });

  await check(
    'the webhook starts with the arguments and volumes of its Deployment',
    world.startWebhook,
  );

  await check(
    'the API server stores the configuration unchanged, with its match conditions',
    async () => {
      const written = parse(readFileSync(join(folder, 'base/admission.yaml'), 'utf8')).webhooks;
      const { webhooks } = await get('mutatingwebhookconfiguration', 'kseal', 'kseal-webhook');
      assert.equal(written[0].matchConditions.length, 2);
      // The API server adds the default selector.
      assert.deepEqual(webhooks, [{ objectSelector: {}, ...written[0] }]);
    },
  );

  await check("the policy is in force, also in the webhook's own namespace", async () => {
    const leftover = await seal(confidential('kseal', 'leftover', { password: 'x', user: 'y' }));
    const isDenied = async () => (await create(leftover, '--dry-run=server')).code !== 0;
    await until(isDenied, 20_000);
    const parts = ["ValidatingAdmissionPolicy 'kseal-unopened-values'", 'password', 'user'];
    refused(await create(leftover), ...parts);
  });

  await check('Pod Security "restricted" accepts a pod of the Deployment', async () => {
    const { metadata, spec } = (await get('deployment', 'kseal', 'kseal-webhook')).spec.template;
    const pod = (changes) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: 'pod', namespace: 'kseal' },
      spec: { ...spec, ...changes },
    });
    accepted(await create(pod({}), '--dry-run=server'));
    const violation = 'violates PodSecurity "restricted';
    refused(await create(pod({ hostNetwork: true }), '--dry-run=server'), violation);
  });

  await check('the output for cert-manager passes a server-side dry run', async () => {
    for (const kind of ['Certificate', 'Issuer']) accepted(await create(definition(kind)));
    accepted(await kubectl('wait', '--for=condition=Established', 'crd', '--all'));
    const metadata = { name: 'kseal-two' };
    accepted(await apply({ apiVersion: 'v1', kind: 'Namespace', metadata }));
    const key = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1';
    const flags = ['--image', 'kseal:1', '-k', key, '-n', 'kseal-two', '--allow-any-client'];
    const text = await world.kseal(['webhook', 'manifests', ...flags]);
    const dryRun = ['apply', '--dry-run=server', '-f', '-'];
    const out = accepted(await shell('kubectl', dryRun, { stdin: text }));
    assert.match(out, /certificate\.cert-manager\.io\/kseal-webhook created/);
  });
}

/** A minimal definition, so that the API server accepts the objects of cert-manager. */
function definition(kind) {
  const [group, plural] = ['cert-manager.io', `${kind.toLowerCase()}s`];
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } };
  const names = { kind, plural, singular: kind.toLowerCase() };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: { group, names, scope: 'Namespaced', versions: [version] },
  };
}
