import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parse } from 'yaml';
import { accepted, denied, refused } from '../checklist.mjs';
import { commandOf } from '../notes.mjs';
import { confidential, plaintext } from '../secrets.mjs';
import { until } from '../services.mjs';

const LIMIT = 30_000;
const bin = join(import.meta.dirname, '../../../bin/kseal.js');
const page = readFileSync(join(import.meta.dirname, '../../../docs/cluster.md'), 'utf8');
const policyName = "ValidatingAdmissionPolicy 'kseal-unopened-values'";

/** Runs kseal, and plays the control plane node that scp copies a file to. */
const prelude = `kseal() { '${process.execPath}' '${bin}' "$@"; }
scp() { cp "$1" "control-plane/\${2##*/}"; }
`;

/**
 * Follows docs/cluster.md: installs, upgrades, rotates, removes and installs again. Reads a Secret
 * after each command, and applies its sealed manifest again, as a GitOps tool does.
 */
export async function lifeCycle(world, check) {
  const { folder, shell, kubectl, get, seal, apply, values } = world;
  const sealed = await seal(confidential('hr', 'life', { password: 'life' }), '-k', 'prod.pub');
  const read = async () =>
    assert.deepEqual(await values('hr', 'life'), { password: plaintext('life') });
  const sync = async () => {
    const result = await apply(sealed);
    await read();
    return result;
  };
  /** Runs the commands below a heading; `after` gets each command when it has run. */
  const follow = async (heading, after = sync) => {
    for (const command of commandsBelow(heading)) {
      if (command.includes('rollout')) await playRollout(world);
      // All but the first one and deletions can be run twice.
      const again = / delete | -o kseal-files$/.test(command) ? '' : command;
      const args = ['--norc', '-euo', 'pipefail', '-c', `${prelude}${command}\n${again}`];
      const { code, stderr } = await shell('bash', args);
      assert.equal(code, 0, `${command}: ${stderr}`);
      await read();
      await after(command);
    }
  };
  const install = async () => {
    await follow('Install again', read);
    await world.startWebhook();
    accepted(await sync());
  };
  /** The webhook is gone, but not the policy. */
  const stopped = async () => {
    await world.stopWebhook();
    await until(async () => (await apply(sealed)).stderr.includes(policyName), LIMIT);
    refused(await sync(), policyName);
  };
  /** After each command of a rotation, the pods get their files, and nothing is refused. */
  const rotating = async (command) => {
    await world.updateVolumes();
    const { data } = await get('secret', 'kseal', 'kseal-webhook-tls');
    await until(() => serves(world, Buffer.from(data['tls.crt'], 'base64')), LIMIT);
    if (command.startsWith('scp')) await world.restartApiServer();
    else if (command.includes('apply'))
      await until(() => answers(world, kubeconfigIn(folder, 'kseal-files-private')), LIMIT);
    accepted(await sync());
  };

  await check(
    'removed with the command in the notes, its policy refuses sealed values',
    async () => {
      accepted(await sync());
      const removing = shell('bash', commandOf(folder, /delete -k base$/));
      await endNamespace(world, 'kseal');
      assert.equal((await removing).code, 0);
      await stopped();
    },
  );

  await check('the pages install it with a key file', async () => {
    await follow('With a private key file, or without cert-manager', () => {});
    copyFileSync(
      join(folder, 'kseal-files-private/apiserver-kubeconfig.yaml'),
      join(folder, 'control-plane/kubeconfig.yaml'),
    );
    await world.restartApiServer();
    await install();
  });

  await check('upgrade: another image and other options', async () => {
    await follow('Upgrade');
    const { containers } = (await get('deployment', 'kseal', 'kseal-webhook')).spec.template.spec;
    assert.equal(containers[0].image, 'registry.example.org/kseal:2');
    await world.stopWebhook();
    await world.startWebhook();
    accepted(await sync());
  });

  await check('the serving certificate is replaced, and nothing is refused', async () => {
    const before = readFileSync(join(folder, 'kseal-files/tls.crt'), 'utf8');
    const trusted = async () => {
      const { webhooks } = await get('mutatingwebhookconfiguration', 'kseal', 'kseal-webhook');
      return Buffer.from(webhooks[0].clientConfig.caBundle, 'base64').toString();
    };
    await follow('Replace certificates', rotating);
    assert.notEqual(readFileSync(join(folder, 'kseal-files/tls.crt'), 'utf8'), before);
    assert.equal((await trusted()).match(/BEGIN CERTIFICATE/g).length, 1);
  });

  await check("the API server's certificate is replaced, and nothing is refused", async () => {
    const before = kubeconfigIn(folder, 'control-plane');
    await follow('Replace the client certificate', rotating);
    await until(async () => !(await answers(world, before)), LIMIT);
    assert.ok(await answers(world, kubeconfigIn(folder, 'control-plane')));
  });

  await check('a second webhook changes nothing of the first, which opens the values', async () => {
    const state = async () => [
      (await get('mutatingwebhookconfiguration', 'kseal', 'kseal-webhook')).webhooks,
      (await get('deployment', 'kseal', 'kseal-webhook')).spec,
    ];
    const before = await state();
    await installSecond(world);
    assert.deepEqual(await state(), before);
    // The second has no pod yet, so it would refuse what is sent to it.
    accepted(
      await apply(await seal(confidential('hr', 'first', { a: 'first' }), '-k', 'prod.pub')),
    );
    assert.deepEqual(await values('hr', 'first'), { a: plaintext('first') });
    accepted(await sync());
  });

  await check('a value whose key only the second has is refused by the first', async () => {
    const foreign = await seal(confidential('hr', 'second', { a: 'second' }), '-k', 'two.pub');
    denied(await apply(foreign), 'BadRequest', 'hr/second', '"a"');
  });

  await check('the second opens values without the first, and is removed alone', async () => {
    await world.startWebhook('kseal-two');
    const configuration = 'kseal-webhook';
    accepted(await kubectl('delete', 'mutatingwebhookconfiguration', configuration));
    const mine = await seal(confidential('hr', 'second', { a: 'second' }), '-k', 'two.pub');
    await until(async () => (await apply(mine)).code === 0, LIMIT);
    assert.deepEqual(await values('hr', 'second'), { a: plaintext('second') });
    accepted(await sync());
    accepted(await kubectl('apply', '-k', 'kseal-files'));
    const removing = kubectl('delete', '-k', 'two');
    await endNamespace(world, 'kseal-two');
    assert.equal((await removing).code, 0);
    await world.stopWebhook('kseal-two');
    await until(async () => (await apply(sealed)).code === 0, LIMIT);
    accepted(await sync());
  });

  await check('removed, sealed values are refused, and the opened ones stay', async () => {
    const ending = endNamespace(world, 'kseal');
    await follow('Remove', () => ending);
    await stopped();
  });

  await check('without the policy, and without a sync, the opened values stay', async () => {
    await follow('Remove the policy', read);
    const { stdout } = await kubectl('get', 'validatingadmissionpolicies', '-o', 'name');
    assert.equal(stdout, '');
  });

  await check('installed again, it opens values as before', install);
}

/** The commands in the blocks below a heading of docs/cluster.md, up to the next heading. */
function commandsBelow(heading) {
  const [, section] = page.split(`### ${heading}\n`);
  const [text] = section.split(/^##/m);
  const blocks = [...text.matchAll(/^```(?:sh|text)\n([\s\S]*?)^```/gm)];
  return blocks.flatMap(([, block]) => block.trim().split('\n'));
}

/** Installs a webhook in another namespace, which also has a key of its own. */
async function installSecond({ folder, kseal, kubectl, shell }) {
  await kseal(['keygen', '-o', 'two']);
  const keys = ['-k', 'prod.pem', '-k', 'two.pem', '--key-secret', 'kseal-keys'];
  const options = ['-n', 'kseal-two', '--tls', 'self-signed', '--allow-any-client', '-o', 'two'];
  await kseal(['webhook', 'manifests', '--image', 'kseal:1', ...keys, ...options]);
  for (const base of ['two/policy', 'two']) accepted(await kubectl('apply', '-k', base));
  for (const pattern of [/create secret tls/, /create secret generic/])
    accepted(await shell('bash', commandOf(folder, pattern, 'two')));
}

/** Does what the Deployment controller does, which does not run here. */
async function playRollout({ kubectl, get }) {
  const { generation } = (await get('deployment', 'kseal', 'kseal-webhook')).metadata;
  const counts = { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  const patch = JSON.stringify({
    spec: { replicas: 1 },
    status: { ...counts, observedGeneration: generation },
  });
  const deployment = ['deployment', 'kseal-webhook', '-n', 'kseal', '--type=merge', '-p', patch];
  accepted(await kubectl('patch', ...deployment, '--subresource=status'));
}

/** Does what the namespace controller does, which does not run here. */
async function endNamespace({ kubectl, shell, get }, name) {
  await until(
    async () => (await get('namespace', name, name)).metadata.deletionTimestamp !== undefined,
    LIMIT,
  );
  accepted(await kubectl('delete', 'secrets,configmaps,endpointslices', '--all', '-n', name));
  const metadata = { name };
  const ended = { apiVersion: 'v1', kind: 'Namespace', metadata, spec: { finalizers: [] } };
  const args = ['replace', '--raw', `/api/v1/namespaces/${name}/finalize`, '-f', '-'];
  accepted(await shell('kubectl', args, { stdin: JSON.stringify(ended) }));
}

/** Whether the webhook serves a certificate, which is given in PEM. */
function serves({ webhookPort }, certificate) {
  const wanted = new X509Certificate(certificate).fingerprint256;
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: webhookPort(), rejectUnauthorized: false };
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().fingerprint256 === wanted);
      socket.destroy();
    }).on('error', reject);
  });
}

/** The client certificate of the API server and its key. */
function kubeconfigIn(folder, name) {
  const files = { 'control-plane': 'kubeconfig.yaml', other: 'apiserver-kubeconfig.yaml' };
  const file = join(folder, name, files[name] ?? files.other);
  const [{ user }] = parse(readFileSync(file, 'utf8')).users;
  const decoded = (field) => Buffer.from(user[`${field}-data`], 'base64');
  return { cert: decoded('client-certificate'), key: decoded('client-key') };
}

/** Whether the webhook answers a client with this certificate. */
function answers({ webhookPort }, client) {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port: webhookPort(), path: '/mutate', agent: false };
    request({ ...options, ...client, rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(true);
    })
      .on('error', () => resolve(false))
      .end();
  });
}
