import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { type ClusterCheckOptions, clusterFindings } from '../../src/doctor/cluster.ts';
import { clusterObjects } from '../../src/webhook/install/files.ts';
import type { KubernetesObject } from '../../src/webhook/install/options.ts';
import { type Reply, startServer, writeKubeconfig } from '../helpers/api-server.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { rejectionOf } from '../jwe/thrown.ts';
import { freshFolder } from '../webhook/common.ts';
import { optionsWith, passedOn } from '../webhook/install/options.ts';

const [reference, host] = ['gcpkms://projects/p/key', 'kseal-webhook.kseal.svc'];
const [kid, otherKid] = ['A'.repeat(43), 'B'.repeat(42).concat('A')];

const webhookCa = await makeAuthority('CN=webhook CA', 300);
const anotherCa = await makeAuthority('CN=other CA', 300);
const endingCa = await makeAuthority('CN=webhook CA', 20);
const endedCa = await makeAuthority('CN=webhook CA', -1);
const leaf = { hosts: [host], use: 'server' as const };
const [serving, misnamed, foreign, expired, expiring, ofEndingCa] = await Promise.all([
  webhookCa.issue({ ...leaf, expires: 200 }),
  webhookCa.issue({ hosts: ['kseal-webhook.two.svc'], expires: 200 }),
  anotherCa.issue({ ...leaf, expires: 200 }),
  webhookCa.issue({ ...leaf, expires: -1 }),
  webhookCa.issue({ ...leaf, expires: 29 }),
  endingCa.issue({ ...leaf, expires: 200 }),
]);

const base64 = (text: string) => Buffer.from(text).toString('base64');
const sealed = base64('eyJhbGciOiJSU0EtT0FFUC0yNTYi.CANARY-value');

// biome-ignore lint/suspicious/noExplicitAny: tests change any field of any kind
type Any = any;

/** The objects of a cluster by the path of each, which a fault changes. */
type Objects = Map<string, Any>;

const admission = '/apis/admissionregistration.k8s.io/v1';
const inKseal = '/api/v1/namespaces/kseal';
const paths = {
  version: '/version',
  webhook: `${admission}/mutatingwebhookconfigurations/kseal-webhook`,
  policy: `${admission}/validatingadmissionpolicies/kseal-unopened-values`,
  binding: `${admission}/validatingadmissionpolicybindings/kseal-unopened-values`,
  deployment: '/apis/apps/v1/namespaces/kseal/deployments/kseal-webhook',
  slice: '/apis/discovery.k8s.io/v1/namespaces/kseal/endpointslices/one',
  service: `${inKseal}/services/kseal-webhook`,
  tls: `${inKseal}/secrets/kseal-webhook-tls`,
  secrets: '/api/v1/secrets',
  apiServer: '/api/v1/namespaces/kube-system/pods/kube-apiserver',
};

/** The objects that `kseal webhook manifests` makes, and what a cluster adds to them. */
function healthyObjects(): Objects {
  const pair = { certificate: serving.cert, key: 'CANARY-key', ca: webhookCa.cert };
  const options = optionsWith({
    image: 'registry.example.org/kseal:1.2.3',
    keys: [
      { kind: 'remote', reference },
      { kind: 'file', name: 'prod.pem', path: 'prod.pem' },
    ],
    keySecret: 'kseal-keys',
    tls: { kind: 'pair', isIssued: false, ...pair },
    serve: { ...passedOn, deprecatedKids: [kid] },
  });
  const all = [...clusterObjects(options).values()].flat().map(({ object }) => object);
  const one = (kind: string): KubernetesObject =>
    structuredClone(all.find((object) => object.kind === kind)) as KubernetesObject;
  const deployment = one('Deployment') as Any;
  deployment.spec.replicas = 2;
  deployment.status = { readyReplicas: 2 };
  const binding = one('ValidatingAdmissionPolicyBinding') as Any;
  binding.spec.matchResources = { matchPolicy: 'Equivalent', namespaceSelector: {} };
  const data = { 'tls.crt': base64(serving.cert), 'tls.key': base64('CANARY-key') };
  const command = ['kube-apiserver', '--secure-port=6443'];
  return new Map<string, Any>([
    [paths.version, { gitVersion: 'v1.35.4' }],
    [paths.webhook, one('MutatingWebhookConfiguration')],
    [paths.policy, one('ValidatingAdmissionPolicy')],
    [paths.binding, binding],
    [paths.deployment, deployment],
    [paths.slice, { endpoints: [{ conditions: { ready: true } }, { conditions: {} }] }],
    [paths.service, one('Service')],
    [paths.tls, { data }],
    [paths.secrets, { items: [stored('hr', 'db', base64('CANARY-value')), stored('hr', 'no')] }],
    [paths.apiServer, { spec: { containers: [{ command }] } }],
  ]);
}

const stored = (namespace: string, name: string, password?: string) => ({
  metadata: { namespace, name },
  ...(password === undefined ? {} : { data: { password, empty: null } }),
});

const lists = /\/(?:mutating\w+|\w+bindings|endpointslices|pods|secrets)$/;

/** Answers for an object, or for a list of the objects below a path. */
function replyFrom(objects: Objects, path: string): Reply {
  const object = objects.get(path);
  if (typeof object === 'number') return { status: object, body: {} };
  if (object !== undefined) return { status: 200, body: object };
  const below = [...objects].filter(([one]) => one.startsWith(`${path}/`));
  const refused = below.find(([, one]) => typeof one === 'number');
  if (refused !== undefined) return { status: refused[1], body: {} };
  if (lists.test(path)) return { status: 200, body: { items: below.map(([, one]) => one) } };
  return { status: 404, body: {} };
}

const configuration = `
version: 1
keys:
  prod: { source: '${reference}', kid: ${otherKid} }
  old: { private: keys/prod.pem, kid: ${kid}, state: deprecated }
`;

type Change = (objects: Objects) => void;

interface Setting extends Partial<ClusterCheckOptions> {
  /** Changes the objects of a healthy cluster. */
  readonly change?: Change;
  readonly contextNamespace?: string;
}

async function listed<T>(all: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const one of all) list.push(one);
  return list;
}

/** The findings about a cluster. */
async function findingsOf({ change, contextNamespace, ...more }: Setting = {}) {
  const objects = healthyObjects();
  change?.(objects);
  const server = await startServer(({ path }) => replyFrom(objects, path));
  const cwd = more.cwd ?? freshFolder();
  const namespace = contextNamespace ? { namespace: contextNamespace } : {};
  const kubeconfig = writeKubeconfig(cwd, { server, ...namespace });
  const findings = await listed(
    clusterFindings({
      ...{ kubeconfig, env: {}, cwd, namespace: 'kseal', version: '1.2.3' },
      config: parseConfig(Buffer.from(configuration), '.kseal.yaml', cwd),
      ...more,
    }),
  );
  expect(JSON.stringify(findings)).not.toMatch(/CANARY|eyJ|ZXlK/);
  return findings.map((one) => ({ ...one, message: one.message.replace(server, 'SERVER') }));
}

/** The only finding that is neither `ok` nor in `more`. */
async function faultIn(setting: Setting, ...more: readonly string[]) {
  const findings = await findingsOf(setting);
  const all = findings.filter(({ check, outcome }) => outcome !== 'ok' && !more.includes(check));
  expect(all).toHaveLength(1);
  return all[0];
}

const kubectl = 'kubectl --kubeconfig kubeconfig';

test('a healthy cluster passes every check', async () => {
  expect(
    (await findingsOf()).map(({ check, outcome, message }) => [check, outcome, message]),
  ).toEqual([
    ['cluster-version', 'ok', 'API server SERVER: Kubernetes v1.35.4'],
    ['cluster-webhook', 'ok', 'MutatingWebhookConfiguration kseal-webhook: as made by kseal 1.2.3'],
    ['cluster-ready', 'ok', 'Deployment kseal/kseal-webhook: 2 of 2 pods ready, 2 ready endpoints'],
    ['cluster-image', 'ok', 'image registry.example.org/kseal:1.2.3: the version of this kseal'],
    ['cluster-ca', 'ok', expect.stringMatching(/^caBundle of kseal-webhook: valid until \d{4}-/)],
    ['cluster-tls', 'ok', expect.stringMatching(/-webhook-tls: valid until \d{4}-/)],
    ['cluster-policy', 'ok', 'ValidatingAdmissionPolicy kseal-unopened-values: bound, and denies'],
    ['cluster-audit', 'ok', 'audit policy: none, so nothing is audited'],
    ['cluster-stored', 'ok', '2 Secrets: none is stored sealed'],
    ['cluster-keys', 'ok', 'Deployment kseal/kseal-webhook: its keys are those of .kseal.yaml'],
  ]);
});

const webhookIn = (objects: Objects) => objects.get(paths.webhook).webhooks[0];
const set =
  (path: string, change: (object: Any) => void): Change =>
  (objects) =>
    change(objects.get(path));
const setWebhook =
  (changes: Record<string, unknown>): Change =>
  (objects) =>
    Object.assign(webhookIn(objects), changes);
const caBundle =
  (pem: string): Change =>
  (objects) => {
    webhookIn(objects).clientConfig.caBundle = base64(pem);
  };
const certificate =
  (text: string): Change =>
  (objects) => {
    objects.get(paths.tls).data['tls.crt'] = base64(text);
  };
const both =
  (...changes: readonly Change[]): Change =>
  (objects) => {
    for (const change of changes) change(objects);
  };
const without =
  (...gone: readonly string[]): Change =>
  (objects) => {
    for (const path of gone) objects.delete(path);
  };

describe('a fault is found by its check only', () => {
  test.each<[string, string, Change, 'failed' | 'warning' | 'skipped', string]>([
    [
      'cluster-version',
      'an old API server',
      set(paths.version, (one) => {
        one.gitVersion = 'v1.29.9-gke.1';
      }),
      'failed',
      'Kubernetes v1.29.9-gke.1, but the webhook needs 1.30 or newer',
    ],
    [
      'cluster-webhook',
      'a webhook that fails open',
      setWebhook({ failurePolicy: 'Ignore' }),
      'failed',
      'failurePolicy is not Fail',
    ],
    [
      'cluster-webhook',
      'a webhook without UPDATE',
      set(paths.webhook, (one) => {
        one.webhooks[0].rules[0].operations = ['CREATE'];
      }),
      'failed',
      'no rule for CREATE and UPDATE of secrets',
    ],
    [
      'cluster-webhook',
      'a webhook for other objects',
      set(paths.webhook, (one) => {
        one.webhooks[0].rules[0].resources = ['configmaps'];
      }),
      'failed',
      'no rule for CREATE and UPDATE of secrets',
    ],
    [
      'cluster-webhook',
      'a webhook without rules',
      setWebhook({ rules: undefined }),
      'failed',
      'no rule for CREATE and UPDATE of secrets',
    ],
    [
      'cluster-webhook',
      'side effects',
      setWebhook({ sideEffects: 'Unknown' }),
      'failed',
      'sideEffects is not None',
    ],
    [
      'cluster-webhook',
      'no reinvocation',
      setWebhook({ reinvocationPolicy: 'Never' }),
      'warning',
      'reinvocationPolicy is not IfNeeded',
    ],
    [
      'cluster-webhook',
      'a short timeout',
      setWebhook({ timeoutSeconds: 2 }),
      'warning',
      'timeoutSeconds is less than 5',
    ],
    [
      'cluster-webhook',
      'another path',
      set(paths.webhook, (one) => {
        one.webhooks[0].clientConfig.service.path = '/';
      }),
      'failed',
      'the path of its Service is not that of kseal',
    ],
    ...[
      { objectSelector: { matchLabels: { kseal: 'yes' } } },
      { objectSelector: { matchExpressions: [{ key: 'kseal', operator: 'DoesNotExist' }] } },
    ].map((selectors): [string, string, Change, 'warning', string] => [
      'cluster-webhook',
      `the selectors ${JSON.stringify(selectors)}`,
      setWebhook(selectors),
      'warning',
      'objectSelector chooses some of the Secrets',
    ]),
    [
      'cluster-keys',
      'a webhook whose arguments have no keys',
      set(paths.deployment, (one) => {
        one.spec.template.spec.containers[0].args = ['webhook', 'serve', '--key', 'prod.pem'];
      }),
      'skipped',
      'its arguments name no --key=REF',
    ],
    [
      'cluster-webhook',
      'match conditions of another version',
      set(paths.webhook, (one) => {
        one.webhooks[0].matchConditions[1].expression = 'true';
      }),
      'warning',
      'match conditions of another version of kseal',
    ],
    [
      'cluster-webhook',
      'several at once',
      setWebhook({ timeoutSeconds: 2, failurePolicy: 'Ignore' }),
      'failed',
      'is down; timeoutSeconds is',
    ],
    [
      'cluster-webhook',
      'a Service that does not exist',
      without(paths.service),
      'failed',
      'calls the Service kseal/kseal-webhook, which does not exist',
    ],
    [
      'cluster-webhook',
      'a URL for a Service',
      setWebhook({ clientConfig: { url: 'https://x', caBundle: base64(webhookCa.cert) } }),
      'failed',
      'calls no Service',
    ],
    [
      'cluster-webhook',
      'a Service in another namespace',
      set(paths.webhook, (one) => {
        one.webhooks[0].clientConfig.service.namespace = 'two';
      }),
      'failed',
      'calls the Service two/kseal-webhook, not one in kseal',
    ],
    [
      'cluster-webhook',
      'a second webhook',
      (objects) => {
        objects.set(`${admission}/mutatingwebhookconfigurations/old`, {
          metadata: { name: 'old' },
          webhooks: [webhookIn(objects)],
        });
      },
      'warning',
      'old also calls kseal',
    ],
    [
      'cluster-webhook',
      'no webhook of its own beside one in another namespace',
      (objects) => {
        const other = structuredClone(webhookIn(objects));
        other.clientConfig.service.namespace = 'two';
        objects.delete(paths.webhook);
        objects.set(`${admission}/mutatingwebhookconfigurations/kseal-webhook-two`, {
          metadata: { name: 'kseal-webhook-two' },
          webhooks: [other],
        });
      },
      'failed',
      'kseal-webhook-two: calls the Service two/kseal-webhook, not one in kseal',
    ],
    [
      'cluster-ready',
      'no pod that is ready',
      set(paths.deployment, (one) => {
        one.status = {};
      }),
      'failed',
      '0 of 2 pods ready, 2 ready endpoints',
    ],
    [
      'cluster-ready',
      'one pod that is not ready',
      set(paths.deployment, (one) => {
        one.status.readyReplicas = 1;
      }),
      'warning',
      '1 of 2 pods ready',
    ],
    [
      'cluster-ready',
      'endpoints that are not ready',
      set(paths.slice, (one) => {
        one.endpoints = [{ conditions: { ready: false } }];
      }),
      'failed',
      '2 of 2 pods ready, 0 ready endpoints',
    ],
    [
      'cluster-ready',
      'no endpoints',
      set(paths.slice, (one) => {
        one.endpoints = null;
      }),
      'failed',
      '0 ready endpoints',
    ],
    [
      'cluster-image',
      'another version',
      set(paths.deployment, (one) => {
        one.spec.template.spec.containers[0].image = 'kseal:v1.0.0@sha256:ab';
      }),
      'warning',
      'image kseal:v1.0.0@sha256:ab: this kseal is 1.2.3',
    ],
    [
      'cluster-image',
      'an image that names no version',
      set(paths.deployment, (one) => {
        one.spec.template.spec.containers[0].image = 'r:5000/kseal@sha256:ab';
      }),
      'skipped',
      'names no version',
    ],
    [
      'cluster-ca',
      'a CA that ends soon',
      both(caBundle(endingCa.cert), certificate(ofEndingCa.cert)),
      'warning',
      'caBundle of kseal-webhook: expires on',
    ],
    [
      'cluster-tls',
      'a certificate for another host',
      certificate(misnamed.cert),
      'failed',
      `not valid for ${host}`,
    ],
    [
      'cluster-tls',
      'a certificate of another CA',
      certificate(foreign.cert),
      'failed',
      'not signed by caBundle of kseal-webhook',
    ],
    [
      'cluster-tls',
      'a certificate that has expired',
      certificate(expired.cert),
      'failed',
      'Secret kseal/kseal-webhook-tls: expired on',
    ],
    [
      'cluster-tls',
      'a certificate that expires soon',
      certificate(expiring.cert),
      'warning',
      'Secret kseal/kseal-webhook-tls: expires on',
    ],
    [
      'cluster-tls',
      'a Secret without a certificate',
      set(paths.tls, (one) => {
        one.data = {};
      }),
      'failed',
      'not a file of PEM certificates',
    ],
    [
      'cluster-tls',
      'a Secret that is missing',
      without(paths.tls),
      'failed',
      'Secret kseal/kseal-webhook-tls: not found',
    ],
    [
      'cluster-policy',
      'a policy that is missing',
      without(paths.policy),
      'failed',
      'not found, so sealed values can be stored',
    ],
    [
      'cluster-policy',
      'a policy that is not bound',
      without(paths.binding),
      'failed',
      'not bound, so it refuses nothing',
    ],
    [
      'cluster-policy',
      'a binding of another policy',
      set(paths.binding, (one) => {
        one.spec.policyName = 'other';
      }),
      'failed',
      'not bound',
    ],
    [
      'cluster-policy',
      'a policy that only warns',
      set(paths.binding, (one) => {
        one.spec.validationActions = ['Warn'];
      }),
      'failed',
      'bound without Deny',
    ],
    [
      'cluster-policy',
      'a policy that fails open',
      set(paths.policy, (one) => {
        one.spec.failurePolicy = 'Ignore';
      }),
      'failed',
      'failurePolicy is not Fail',
    ],
    [
      'cluster-policy',
      'warnings about expressions',
      set(paths.policy, (one) => {
        one.status = { typeChecking: { expressionWarnings: [{}] } };
      }),
      'warning',
      'the API server warns about its expressions',
    ],
    [
      'cluster-policy',
      'expressions of another version',
      set(paths.policy, (one) => {
        one.spec.variables[2].expression = 'true';
      }),
      'warning',
      'expressions of another version',
    ],
    [
      'cluster-policy',
      'a binding to some namespaces',
      set(paths.binding, (one) => {
        one.spec.matchResources.namespaceSelector = { matchLabels: { a: 'b' } };
      }),
      'warning',
      'bound only to a part of the cluster',
    ],
    [
      'cluster-stored',
      'a Secret that is stored sealed',
      set(paths.secrets, (one) => {
        one.items.push(stored('hr', 'old', sealed));
      }),
      'failed',
      '3 Secrets: 1 stored sealed: hr/old',
    ],
    [
      'cluster-keys',
      'a state that is not passed on',
      set(paths.deployment, (one) => {
        one.spec.template.spec.containers[0].args = [`--key=${reference}`];
      }),
      'warning',
      'old is deprecated, but --deprecated-kid does not pass it',
    ],
    [
      'cluster-keys',
      'a key that the configuration does not have',
      set(paths.deployment, (one) => {
        one.spec.template.spec.containers[0].args.push(
          '--key=gcpkms://projects/$$p/other',
          '--key=/etc/kseal/keys/x.pem',
        );
      }),
      'warning',
      'gcpkms://projects/$p/other is not in .kseal.yaml; /etc/kseal/keys/x.pem is not in',
    ],
  ])('%s: %s', async (check, _, change, outcome, part) => {
    expect(await faultIn({ change })).toMatchObject({
      ...{ check, outcome, message: expect.stringContaining(part) },
      ...(outcome === 'skipped' ? {} : { hint: expect.stringMatching(/./) }),
    });
  });

  test.each([
    ['that has expired', endedCa.cert, /: expired on \d/],
    ['that is damaged', 'CANARY', /: not a file of PEM certificates$/],
    ['that is empty', '', /: empty, so the API server cannot trust the webhook$/],
  ])('cluster-ca: a caBundle %s', async (_, pem, message) => {
    expect(await faultIn({ change: caBundle(pem) }, 'cluster-tls')).toMatchObject({
      ...{ check: 'cluster-ca', outcome: 'failed', message: expect.stringMatching(message) },
    });
  });
});

test('without the webhook, the checks that need it are skipped', async () => {
  const findings = await findingsOf({ change: without(paths.webhook, paths.deployment) });
  const faults = findings.filter(({ outcome }) => outcome !== 'ok');
  expect(faults).toEqual([
    {
      ...{ check: 'cluster-webhook', outcome: 'failed', hint: `${kubectl} apply -k kseal-webhook` },
      message: 'MutatingWebhookConfiguration kseal-webhook: not found, so no value is opened',
    },
    {
      ...{ check: 'cluster-ready', outcome: 'failed', hint: `${kubectl} apply -k kseal-webhook` },
      message: 'Deployment kseal/kseal-webhook: not found',
    },
    skipped('cluster-image', 'Deployment kseal-webhook: not found in kseal'),
    skipped('cluster-ca', 'caBundle: no webhook'),
    skipped('cluster-tls', 'Secret kseal-webhook-tls: no webhook'),
    skipped('cluster-keys', 'Deployment kseal-webhook: not found in kseal'),
  ]);
});

function skipped(check: string, message: string) {
  return { check, outcome: 'skipped', message, hint: undefined };
}

test('without rights, every check is skipped and names the right that is missing', async () => {
  const change = (objects: Objects) => {
    for (const path of objects.keys()) if (path !== paths.version) objects.set(path, 403);
  };
  const [version, ...others] = await findingsOf({ change, contextNamespace: 'hr' });
  expect(version?.outcome).toBe('ok');
  const list = 'list mutatingwebhookconfigurations.admissionregistration.k8s.io';
  const deployments = 'no right to get deployments.apps in kseal';
  expect(others.filter(({ outcome }) => outcome !== 'ok')).toEqual([
    skipped('cluster-webhook', `MutatingWebhookConfiguration kseal-webhook: no right to ${list}`),
    skipped('cluster-ready', `Deployment kseal-webhook: ${deployments}`),
    skipped('cluster-image', `Deployment kseal-webhook: ${deployments}`),
    skipped('cluster-ca', `caBundle: no right to ${list}`),
    skipped('cluster-tls', `Secret kseal-webhook-tls: no right to ${list}`),
    skipped(
      'cluster-policy',
      'ValidatingAdmissionPolicy kseal-unopened-values: no right to get validatingadmissionpolicies.admissionregistration.k8s.io',
    ),
    skipped('cluster-audit', 'audit policy: no right to list pods in kube-system'),
    skipped('cluster-keys', `Deployment kseal-webhook: ${deployments}`),
  ]);
  // The server of the test knows no Secrets in the namespace of the context.
  expect(others.find(({ check }) => check === 'cluster-stored')?.message).toBe(
    '0 Secrets in hr: none is stored sealed',
  );
  const [stored] = (await findingsOf({ change })).filter(({ check }) => check === 'cluster-stored');
  expect(stored).toEqual(skipped('cluster-stored', 'Secrets: no right to list secrets'));
});

test('an API server that does not answer is the only finding', async () => {
  const cwd = freshFolder();
  const kubeconfig = writeKubeconfig(cwd, { server: 'https://127.0.0.1:1' });
  const common = { env: {}, cwd, namespace: 'kseal', version: '1.2.3' };
  expect(await listed(clusterFindings({ ...common, kubeconfig }))).toEqual([
    {
      ...{ check: 'cluster-version', outcome: 'failed' },
      message: 'https://127.0.0.1:1: connection refused',
      hint: `${kubectl} get --raw /version`,
    },
  ]);
  expect(await findingsOf({ change: (objects) => objects.set(paths.version, 401) })).toHaveLength(
    1,
  );
});

test('without the right to ask for the version, the other checks run', async () => {
  const fault = await faultIn({ change: (objects) => objects.set(paths.version, 403) });
  expect(fault).toEqual(skipped('cluster-version', 'API server: no right to get /version'));
});

test('at most ten Secrets that are stored sealed are named, with the command that opens them', async () => {
  const change = set(paths.secrets, (list) => {
    for (let n = 1; n <= 1234; n++) list.items.push(stored('hr', `s${n}`, sealed));
  });
  const { message, hint } = (await faultIn({ change })) ?? {};
  expect(message).toMatch(/^1,236 Secrets: 1,234 stored sealed: hr\/s1, .*hr\/s10 and 1,224 more$/);
  expect(hint).toBe('kseal webhook sweep --kubeconfig kubeconfig --write');
});

test('with cert-manager, the hint about a certificate names it', async () => {
  const change = (objects: Objects) => {
    objects.get(paths.webhook).metadata.annotations = { 'cert-manager.io/inject-ca-from': 'x' };
    objects.delete(paths.tls);
  };
  expect((await faultIn({ change }))?.hint).toBe(`${kubectl} -n kseal describe certificate`);
});

describe('the audit policy', () => {
  const leaking = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  resources: [{ group: apps }]
- level: Request
`;

  const folderWith = (text: string) => {
    const cwd = freshFolder();
    writeFileSync(join(cwd, 'audit.yaml'), text);
    return cwd;
  };

  test('in a file is judged, whatever the API server uses', async () => {
    const options = { cwd: folderWith(leaking), auditPolicy: 'audit.yaml' };
    expect(await faultIn(options)).toEqual({
      ...{ check: 'cluster-audit', outcome: 'failed' },
      message:
        'audit policy audit.yaml:6: level Request writes plaintext to the audit log at create of a Secret',
      hint: "insert as the first rule: - { level: Metadata, resources: [{ group: '', resources: [secrets] }] }",
    });
  });

  test('that the API server names is judged, if the file is on this machine', async () => {
    const cwd = folderWith(leaking.replace('Request', 'None'));
    const option = '--audit-policy-file';
    const withArgs = (args: readonly string[]) => (objects: Objects) => {
      objects.get(paths.apiServer).spec.containers[0].args = args;
    };
    const change = (file: string) => withArgs([`${option}=${file}`]);
    const found = await findingsOf({ change: change(join(cwd, 'audit.yaml')) });
    expect(found.find(({ check }) => check === 'cluster-audit')).toMatchObject({
      outcome: 'ok',
      message: expect.stringMatching(/audit\.yaml: no plaintext of a Secret gets into/),
    });
    for (const args of [[`${option}=/nowhere/a.yaml`], [option, '/nowhere/a.yaml']])
      expect(await faultIn({ change: withArgs(args) })).toMatchObject({
        ...{ check: 'cluster-audit', outcome: 'skipped' },
        message: 'audit policy /nowhere/a.yaml: not on this machine',
      });
    writeFileSync(join(cwd, 'audit.yaml'), '');
    expect(await faultIn({ change: change(join(cwd, 'audit.yaml')) })).toMatchObject({
      ...{ check: 'cluster-audit', outcome: 'skipped' },
      message: expect.stringMatching(/audit\.yaml: not an audit policy$/),
    });
  });

  test('of a managed control plane is not known', async () => {
    expect(await faultIn({ change: without(paths.apiServer) })).toMatchObject({
      ...{ check: 'cluster-audit', outcome: 'skipped' },
      message: 'audit policy: not known to the API; Secrets must be at level Metadata',
    });
  });

  test('that cannot be read is an error', async () => {
    const auditPolicy = 'audit.yaml';
    expect(await rejectionOf(findingsOf({ cwd: folderWith(''), auditPolicy }))).toMatchObject({
      code: 'CONFIG_INVALID',
    });
    expect(await rejectionOf(findingsOf({ auditPolicy }))).toMatchObject({ code: 'IO' });
  });
});

test('without a configuration, the keys are not compared', async () => {
  expect(await faultIn({ config: undefined })).toMatchObject({
    ...{ check: 'cluster-keys', outcome: 'skipped' },
    message: 'Deployment kseal/kseal-webhook: no configuration to compare its keys with',
  });
});

test.each([
  ['a version without a member', paths.version, {}, 'cluster-version', 'SERVER'],
  ['a version that is a mapping', paths.version, { gitVersion: {} }, 'cluster-version', 'SERVER'],
  ['a text', paths.version, '<html>CANARY</html>', 'cluster-version', 'SERVER'],
  ['a list', paths.version, [{ gitVersion: 'v1.35.0' }], 'cluster-version', 'SERVER'],
  ['Secrets that are a text', paths.secrets, '<html>CANARY</html>', 'cluster-stored', 'SERVER'],
  ['Secrets without a list', paths.secrets, {}, 'cluster-stored', 'SERVER'],
  ['a null for a Secret', paths.secrets, { items: [null] }, 'cluster-stored', 'Secrets'],
  [
    'a number for the endpoints',
    paths.slice,
    { endpoints: 7 },
    'cluster-ready',
    'Deployment kseal-webhook',
  ],
  [
    'a null for an endpoint',
    paths.slice,
    { endpoints: [null] },
    'cluster-ready',
    'Deployment kseal-webhook',
  ],
])(
  'an unexpected answer is a failure of the check alone: %s',
  async (_, path, body, check, thing) => {
    const findings = await findingsOf({ change: (objects) => objects.set(path, body) });
    expect(findings.filter(({ outcome }) => outcome === 'failed')).toEqual([
      {
        ...{ check, outcome: 'failed', message: `${thing}: unexpected answer` },
        hint: `${kubectl} get --raw /version`,
      },
    ]);
  },
);

test('a webhook may leave out namespaces, as some providers of clusters want', async () => {
  const change = set(paths.webhook, ({ webhooks }) => {
    webhooks[0].objectSelector = {};
    const excluded = { key: 'control-plane', operator: 'DoesNotExist' };
    webhooks[0].namespaceSelector.matchExpressions.push(excluded);
  });
  expect((await findingsOf({ change })).filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
});

test.each([
  { matchLabels: { kseal: 'yes' } },
  { matchExpressions: [{ key: 'kseal', operator: 'Exists' }] },
])('a webhook for the namespaces of %j is reported as such', async (namespaceSelector) => {
  const change = set(paths.webhook, ({ webhooks }) => {
    webhooks[0].namespaceSelector = namespaceSelector;
  });
  const findings = await findingsOf({ change });
  expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  expect(findings.find(({ check }) => check === 'cluster-webhook')?.message).toMatch(
    'as made by kseal 1.2.3, for namespaces with certain labels',
  );
});

test('without a CA, the certificate is not compared with it', async () => {
  const change = caBundle('');
  const findings = (await findingsOf({ change })).filter(({ outcome }) => outcome !== 'ok');
  expect(findings.map(({ check, outcome }) => [check, outcome])).toEqual([
    ['cluster-ca', 'failed'],
    ['cluster-tls', 'skipped'],
  ]);
});
