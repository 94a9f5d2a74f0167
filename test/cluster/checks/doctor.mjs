import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { certificateAuthority } from '../certificates.mjs';
import { accepted } from '../checklist.mjs';
import { commandOf } from '../notes.mjs';
import { confidential, leaks, plaintext } from '../secrets.mjs';
import { until } from '../services.mjs';

const host = 'kseal-webhook.kseal.svc';
const tls = 'kseal-webhook-tls';
const DAY = 24 * 60 * 60 * 1000;

/** Nothing here runs kube-apiserver in a pod, and the image is pinned by a digest. */
const unknown = { 'cluster-image': 'skipped', 'cluster-audit': 'skipped' };

/** `kseal doctor` on the cluster, and on the same cluster with one fault after the other. */
export async function doctor(world, check) {
  const { folder, shell, kubectl, get, seal, create, values } = world;
  const repository = join(folder, 'repository');
  const install = async () => {
    for (const pattern of [/apply -k base\/policy/, /apply -k base$/])
      accepted(await shell('bash', commandOf(folder, pattern)));
  };
  const remove = async (kind, name) => accepted(await kubectl('delete', kind, name));
  const examine = (...flags) => examined(world, repository, flags);
  const expectFaults = async (faults, ...flags) => {
    const { code, outcomes, findings } = await examine('--kubeconfig', '../kubeconfig', ...flags);
    assert.deepEqual(outcomes, { ...unknown, ...faults });
    assert.equal(code, Object.values(faults).includes('failed') ? 1 : 0);
    return (id) => findings.find((one) => one.check === id);
  };

  await check('a healthy cluster has no fault', async () => {
    await playControllers(world);
    writeConfiguration(world, repository);
    const finding = await expectFaults({});
    assert.match(finding('cluster-version').message, /: Kubernetes v1\.\d+\./);
    assert.match(finding('cluster-stored').message, /^\d+ Secrets: none is stored sealed$/);
    const { outcomes } = await examine('--cluster', '--context', 'test');
    assert.deepEqual(outcomes, unknown);
  });

  await check('without the webhook, the checks that need it are skipped', async () => {
    await remove('mutatingwebhookconfiguration', 'kseal-webhook');
    const skipped = { 'cluster-ca': 'skipped', 'cluster-tls': 'skipped' };
    const finding = await expectFaults({ 'cluster-webhook': 'failed', ...skipped });
    assert.match(finding('cluster-webhook').message, /not found, so no value is opened$/);
  });

  await check('a policy that is not bound is a fault', async () => {
    await install();
    await remove('validatingadmissionpolicybinding', 'kseal-unopened-values');
    const finding = await expectFaults({ 'cluster-policy': 'failed' });
    assert.match(finding('cluster-policy').message, /: not bound, so it refuses nothing$/);
  });

  await check('a Secret that is stored sealed is named, and the hint opens it', async () => {
    await remove('mutatingwebhookconfiguration', 'kseal-webhook');
    const late = await seal(confidential('hr', 'late', { password: 'late' }));
    // The API server notices both changes some time later.
    await until(async () => (await create(late)).code === 0, 20_000);
    await install();
    const finding = await expectFaults({ 'cluster-stored': 'failed' });
    const { message, hint } = finding('cluster-stored');
    assert.match(message, /^\d+ Secrets: 1 stored sealed: hr\/late$/);
    const isOpen = async () => {
      const { code } = await shell('bash', ['--norc', '-c', hint], { cwd: repository });
      return code === 0 && (await values('hr', 'late')).password === plaintext('late');
    };
    await until(isOpen, 20_000);
    await expectFaults({});
  });

  await check('a certificate that has expired or is of another CA is a fault', async () => {
    const { data } = await get('secret', 'kseal', tls);
    const replace = async (values) =>
      accepted(await kubectl('patch', 'secret', tls, '-n', 'kseal', '-p', patchOf(values)));
    const ca = await certificateAuthority('another');
    const names = [{ type: 'dns', value: host }];
    const other = await ca.issue('CN=kseal-webhook', names);
    await replace({ 'tls.crt': base64(other.cert), 'tls.key': base64(other.key) });
    const finding = await expectFaults({ 'cluster-tls': 'failed' });
    assert.match(finding('cluster-tls').message, /: not signed by caBundle of kseal-webhook/);
    const ended = await ca.issue('CN=kseal-webhook', names, new Date(Date.now() - DAY));
    await replace({ 'tls.crt': base64(ended.cert), 'tls.key': base64(ended.key) });
    const before = await get('mutatingwebhookconfiguration', 'kseal', 'kseal-webhook');
    const trust = (caBundle) => patchWebhook(world, '/clientConfig/caBundle', caBundle);
    await trust(base64(ca.cert));
    const expired = (await expectFaults({ 'cluster-tls': 'failed' }))('cluster-tls');
    assert.match(expired.message, /: expired on /);
    await trust(before.webhooks[0].clientConfig.caBundle);
    await replace(data);
    await expectFaults({});
  });

  await check('a deprecated key that the webhook does not know of is a warning', async () => {
    writeConfiguration(world, repository, { state: 'deprecated' });
    const finding = await expectFaults({ 'cluster-keys': 'warning' });
    assert.match(finding('cluster-keys').message, /: prod is deprecated, but --deprecated-kid/);
    writeConfiguration(world, repository);
  });

  await check('a webhook that fails open is a fault', async () => {
    await patchWebhook(world, '/failurePolicy', 'Ignore');
    await expectFaults({ 'cluster-webhook': 'failed' });
    await patchWebhook(world, '/failurePolicy', 'Fail');
  });

  await check('the audit policy is judged, and the rule in the hint corrects it', async () => {
    const flags = ['--audit-policy', '../audit.yaml'];
    const finding = await expectFaults({ 'cluster-audit': 'failed' }, ...flags);
    const { message, hint } = finding('cluster-audit');
    const text = readFileSync(join(folder, 'audit.yaml'), 'utf8');
    const line = text.split('\n').findIndex((one) => one.includes('level: Request')) + 1;
    assert.match(message, new RegExp(`^audit policy \\.\\./audit\\.yaml:${line}: level Request `));
    const policy = parse(text);
    const [rule] = parse(hint.slice(hint.indexOf('- {')));
    writeFileSync(
      join(folder, 'corrected.yaml'),
      stringify({ ...policy, rules: [rule, ...policy.rules] }),
    );
    const corrected = ['--audit-policy', '../corrected.yaml'];
    const { outcomes } = await examine('--kubeconfig', '../kubeconfig', ...corrected);
    assert.deepEqual(outcomes, { 'cluster-image': 'skipped' });
  });

  await check('a user without rights sees which are missing', async () => {
    writeKubeconfigOf(folder, 'jane');
    const { code, outcomes, findings } = await examine('--kubeconfig', '../jane.kubeconfig');
    assert.equal(code, 0);
    assert.deepEqual(new Set(Object.values(outcomes)), new Set(['skipped']));
    assert.deepEqual(findings.filter(({ outcome }) => outcome === 'ok').length, 1);
    const denied = findings.filter(({ message }) => / no right to /.test(message));
    assert.equal(denied.length, findings.length - 1);
  });

  await check('with the rights in the docs, only Secrets are not read', async () => {
    accepted(await shell('kubectl', ['apply', '-f', '-'], { stdin: clusterRole() }));
    const name = 'kseal-doctor';
    accepted(
      await kubectl('create', 'clusterrolebinding', name, '--clusterrole', name, '--user=jane'),
    );
    const { code, outcomes } = await examine('--kubeconfig', '../jane.kubeconfig');
    const skipped = { 'cluster-tls': 'skipped', 'cluster-stored': 'skipped' };
    assert.deepEqual([code, outcomes], [0, { ...unknown, ...skipped }]);
  });

  await check('an API server with another CA is the only finding', async () => {
    const { cert } = await certificateAuthority('another');
    writeKubeconfigOf(folder, 'lost', { 'certificate-authority-data': base64(cert) });
    const { code, findings } = await examine('--kubeconfig', '../lost.kubeconfig');
    assert.equal(code, 1);
    assert.deepEqual(
      findings.map((one) => one.check),
      ['cluster-version'],
    );
    assert.match(findings[0].message, /: the certificate of the server is not signed by the CA/);
  });
}

/** Writes the configuration of a repository with the keys of the webhook. */
function writeConfiguration({ cryptoKey }, repository, changes = {}) {
  const keys = {
    hr: { file: '../hr.pub', source: `gcpkms://${cryptoKey}` },
    prod: { file: '../prod.pub', private: '../prod.pem', ...changes },
  };
  mkdirSync(repository, { recursive: true });
  writeFileSync(join(repository, '.kseal.yaml'), stringify({ version: 1, keys }));
}

const base64 = (text) => Buffer.from(text).toString('base64');
const patchOf = (data) => JSON.stringify({ data });

async function patchWebhook({ kubectl }, path, value) {
  const patch = JSON.stringify([{ op: 'replace', path: `/webhooks/0${path}`, value }]);
  const name = ['mutatingwebhookconfiguration', 'kseal-webhook'];
  accepted(await kubectl('patch', ...name, '--type=json', '-p', patch));
}

/** Runs `kseal doctor`. Resolves also to the outcome of each check that is not ok. */
async function examined({ doctor: run }, repository, flags) {
  const { code, findings, text } = await run(repository, ...flags);
  assert.ok(!leaks(text), 'plaintext in the output');
  assert.doesNotMatch(text, /eyJ|ZXlK|PRIVATE KEY/);
  const faults = findings.filter(({ outcome }) => outcome !== 'ok');
  const outcomes = Object.fromEntries(faults.map((one) => [one.check, one.outcome]));
  return { code, findings, outcomes };
}

/** Does what the controllers do, none of which runs here: they report pods that are ready. */
async function playControllers({ kubectl, apply }) {
  const status = { replicas: 2, readyReplicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  const spec = { replicas: 2 };
  const deployment = ['deployment', 'kseal-webhook', '-n', 'kseal', '--type=merge', '-p'];
  accepted(await kubectl('patch', ...deployment, JSON.stringify({ spec })));
  accepted(
    await kubectl('patch', ...deployment, JSON.stringify({ status }), '--subresource=status'),
  );
  const labels = { 'kubernetes.io/service-name': 'kseal-webhook' };
  accepted(
    await apply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'kseal-webhook-1', namespace: 'kseal', labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.3'], conditions: { ready: true } }],
      ports: [{ name: 'https', port: 8443, protocol: 'TCP' }],
    }),
  );
}

/** Writes NAME.kubeconfig, with which the administrator acts as another user. */
function writeKubeconfigOf(folder, name, cluster = {}) {
  const config = parse(readFileSync(join(folder, 'kubeconfig'), 'utf8'));
  Object.assign(config.users[0].user, { as: name });
  Object.assign(config.clusters[0].cluster, cluster);
  writeFileSync(join(folder, `${name}.kubeconfig`), stringify(config), { mode: 0o600 });
}

/** The ClusterRole in docs/cluster.md. */
function clusterRole() {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/cluster.md'), 'utf8');
  return /^```yaml kseal-doctor\.yaml\n([\s\S]*?)^```/m.exec(page)[1];
}
