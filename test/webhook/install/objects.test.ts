import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { issueCertificate } from '../../../src/webhook/install/certificates.ts';
import { clusterObjects, manifestText, outputFiles } from '../../../src/webhook/install/files.ts';
import { isCidr } from '../../../src/webhook/install/network.ts';
import type { KubernetesObject, ManifestOptions } from '../../../src/webhook/install/options.ts';
import { optionsWith, passedOn } from './options.ts';
import { checkSchema } from './schema.ts';

const issued = await issueCertificate({
  ...{ commonName: 'a', usage: 'clientAuth' },
  ...{ validFrom: new Date(), days: 1 },
});

const full = optionsWith({
  namespace: 'sealing',
  replicas: 3,
  keys: [
    { kind: 'file', name: 'prod.pem', path: 'my keys/prod.pem' },
    { kind: 'remote', reference: 'gcpkms://projects/p/key' },
  ],
  keySecret: 'kseal-keys',
  tls: { kind: 'pair', isIssued: true, ...issued },
  clients: {
    ...{ kind: 'certified', isIssued: true, ca: issued.ca, made: issued },
    names: ['kube-apiserver', 'a $(B)'],
  },
  apiServerFrom: ['10.0.0.2/32', 'konnectivity'],
  serviceAccountAnnotations: { 'iam.gke.io/gcp-service-account': 'kseal@p.example' },
  serve: {
    acceptUnbound: ['legacy', 'older'],
    maxScope: 'strict',
    deprecatedKids: ['-old'],
    revokedKids: ['bad'],
    logLevel: 'debug',
    memo: false,
    kmsEndpoint: 'kms.example:443',
    kmsTimeout: 3,
  },
});

const folders = { base: 'base', private: 'keys' };

function objectsOf(options: ManifestOptions): KubernetesObject[] {
  return [...clusterObjects(options).values()].flat().map(({ object }) => object);
}

/** The only object of a kind. */
// biome-ignore lint/suspicious/noExplicitAny: tests read any field of any kind
function only(kind: string, options: ManifestOptions): any {
  const found = objectsOf(options).filter((object) => object.kind === kind);
  expect(found).toHaveLength(1);
  return found[0];
}

function podOf(options: ManifestOptions) {
  const pod = only('Deployment', options).spec.template.spec;
  return { ...pod, container: pod.containers[0] };
}

describe.each([
  ['the fewest options', optionsWith()],
  ['all options', full],
])('with %s', (_, options) => {
  test.each(objectsOf(options).map((object) => [object.kind, object.metadata.name, object]))(
    '%s %s is valid',
    (_kind, _name, object) => checkSchema(object as KubernetesObject),
  );

  test('the YAML contains the objects in order', () => {
    const documents = parseAllDocuments(manifestText(options), { version: '1.1' });
    expect(documents.map((document) => document.toJS())).toEqual(objectsOf(options));
  });

  test('the two kustomize bases contain the objects in order, the policy in its own', () => {
    const files = new Map(outputFiles(options, folders).base.map(({ name, text }) => [name, text]));
    const documents = (name: string) =>
      parseAllDocuments(files.get(name) ?? '').map((document) => document.toJS());
    const objectsIn = (base: string): KubernetesObject[] =>
      documents(`${base}kustomization.yaml`)[0].resources.flatMap((name: string) =>
        documents(`${base}${name}`),
      );
    const policy = objectsIn('policy/');
    expect([...policy, ...objectsIn('')]).toEqual(objectsOf(options));
    expect(policy.map(({ kind }) => kind)).toEqual([
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding',
    ]);
  });

  test('Argo CD and Flux keep the policy, and only that', () => {
    const keeping = objectsOf(options).filter(
      ({ metadata: { annotations = {} } }) =>
        annotations['argocd.argoproj.io/sync-options'] === 'Prune=false,Delete=false' &&
        annotations['kustomize.toolkit.fluxcd.io/prune'] === 'disabled',
    );
    expect(keeping.map(({ kind }) => kind)).toEqual([
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding',
    ]);
  });

  test('every namespaced object is in the namespace of the webhook', () => {
    for (const { metadata } of objectsOf(options)) {
      expect([undefined, options.namespace]).toContain(metadata.namespace);
    }
  });

  test('pods meet the Pod Security Standard "restricted"', () => {
    const pod = podOf(options);
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod.container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(only('Namespace', options).metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
  });

  test('every file in the arguments is in a read-only volume', () => {
    const { container, volumes } = podOf(options);
    const paths = container.args.flatMap(
      (arg: string) => /=(\/etc\/.*)\/[^/]+$/.exec(arg)?.[1] ?? [],
    );
    const mounts = container.volumeMounts;
    expect(mounts.map(({ mountPath }: { mountPath: string }) => mountPath).sort()).toEqual(
      [...new Set(paths)].sort(),
    );
    expect(mounts.map(({ name }: { name: string }) => name)).toEqual(
      volumes.map(({ name }: { name: string }) => name),
    );
    for (const mount of mounts) expect(mount).toMatchObject({ readOnly: true });
  });

  test('all selectors match the pods', () => {
    const { labels } = only('Deployment', options).spec.template.metadata;
    const deployment = only('Deployment', options).spec.selector.matchLabels;
    const budget = only('PodDisruptionBudget', options).spec.selector.matchLabels;
    for (const selector of [only('Service', options).spec.selector, deployment, budget]) {
      expect(labels).toMatchObject(selector);
    }
  });

  test('the webhook fails closed, has no side effects, and skips only its own namespace', () => {
    const [webhook, ...others] = only('MutatingWebhookConfiguration', options).webhooks;
    expect(others).toEqual([]);
    expect(webhook).toMatchObject({
      name: `kseal-webhook.${options.namespace}.svc`,
      failurePolicy: 'Fail',
      sideEffects: 'None',
      timeoutSeconds: 10,
      matchPolicy: 'Equivalent',
      admissionReviewVersions: ['v1'],
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [options.namespace] },
        ],
      },
      clientConfig: { service: { namespace: options.namespace, path: '/mutate', port: 443 } },
    });
    expect(webhook.objectSelector).toBeUndefined();
  });
});

test.each([
  ['a wrong type', { maxUnavailable: true }, /maxUnavailable/],
  ['a misspelt field', { maxUnavailible: 1 }, /unknown to its schema: \/spec\/maxUnavailible$/],
])('the schema check notices %s', (_, spec, message) => {
  const budget = only('PodDisruptionBudget', full);
  expect(() => checkSchema({ ...budget, spec: { ...budget.spec, ...spec } })).toThrow(message);
});

test('webhooks in different namespaces have different names in the cluster, and share the policy', () => {
  const namesIn = (namespace: string) =>
    objectsOf(optionsWith({ namespace }))
      .filter(({ metadata }) => metadata.namespace === undefined)
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  const [first, second] = [namesIn('kseal'), namesIn('two')];
  expect(first.filter((name) => second.includes(name))).toEqual([
    'ValidatingAdmissionPolicy kseal-unopened-values',
    'ValidatingAdmissionPolicyBinding kseal-unopened-values',
  ]);
  expect(first).toContain('MutatingWebhookConfiguration kseal-webhook');
  expect(second).toContain('MutatingWebhookConfiguration kseal-webhook-two');
});

test('the policy has no exceptions, and denies', () => {
  const { spec } = only('ValidatingAdmissionPolicy', full);
  expect(spec).toMatchObject({ failurePolicy: 'Fail', validations: [{ reason: 'Forbidden' }] });
  expect(Object.keys(spec.matchConstraints).sort()).toEqual(['matchPolicy', 'resourceRules']);
  expect(only('ValidatingAdmissionPolicyBinding', full).spec).toEqual({
    policyName: only('ValidatingAdmissionPolicy', full).metadata.name,
    validationActions: ['Deny'],
  });
  // The message may name data keys, but no values.
  expect(spec.validations[0].messageExpression).not.toContain('data[');
});

test('only the autoscaler sets the number of pods', () => {
  expect(only('Deployment', full).spec).not.toHaveProperty('replicas');
  expect(only('HorizontalPodAutoscaler', full).spec).toMatchObject({ minReplicas: 3 });
});

test('startup and liveness probes do not depend on keys', () => {
  const { startupProbe, livenessProbe, readinessProbe } = podOf(full).container;
  const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path);
  expect(paths).toEqual(['/livez', '/livez', '/readyz']);
});

test('webhook serve gets every option, each as one argument', () => {
  expect(podOf(full).container.args).toEqual([
    ...['webhook', 'serve', '--key=/etc/kseal/keys/prod.pem', '--key=gcpkms://projects/p/key'],
    ...['--tls-cert=/etc/kseal/tls/tls.crt', '--tls-key=/etc/kseal/tls/tls.key'],
    ...['--port=8443', '--metrics-port=9090', '--client-ca=/etc/kseal/client-ca/ca.crt'],
    // Kubernetes would expand $(B).
    ...['--client-name=kube-apiserver', '--client-name=a $$(B)'],
    ...['--accept-unbound=legacy', '--accept-unbound=older', '--max-scope=strict'],
    ...['--deprecated-kid=-old', '--revoked-kid=bad', '--log-level=debug', '--no-memo'],
    ...['--kms-endpoint=kms.example:443', '--kms-timeout=3'],
  ]);
  expect(podOf(optionsWith()).container.args).toEqual([
    ...['webhook', 'serve', '--key=gcpkms://projects/p/key'],
    ...['--tls-cert=/etc/kseal/tls/tls.crt', '--tls-key=/etc/kseal/tls/tls.key'],
    ...['--port=8443', '--metrics-port=9090', '--allow-any-client'],
  ]);
});

test('there is a NetworkPolicy only with --api-server-from', () => {
  expect(objectsOf(optionsWith()).map(({ kind }) => kind)).not.toContain('NetworkPolicy');
  const [reviews, probes] = only('NetworkPolicy', full).spec.ingress;
  expect(reviews.ports).toEqual([{ protocol: 'TCP', port: 8443 }]);
  expect(reviews.from).toHaveLength(2);
  expect(probes).toEqual({ ports: [{ protocol: 'TCP', port: 9090 }] });
});

test('the API server trusts the CA of cert-manager, or the given one', () => {
  const injected = only('MutatingWebhookConfiguration', optionsWith());
  expect(injected.metadata.annotations).toEqual({
    'cert-manager.io/inject-ca-from': 'kseal/kseal-webhook',
  });
  const given = only('MutatingWebhookConfiguration', full);
  expect(given.metadata.annotations).toBeUndefined();
  const { caBundle } = given.webhooks[0].clientConfig;
  expect(Buffer.from(caBundle, 'base64').toString()).toBe(issued.ca);
});

describe('private keys', () => {
  const { base, private: keys } = outputFiles(full, folders);
  const kustomization = base.find(({ name }) => name === 'kustomization.yaml')?.text ?? '';
  const holdsKey = (text: string) =>
    [
      text,
      ...(text.match(/[\w+/=]{40,}/g) ?? []).map((base64) => `${Buffer.from(base64, 'base64')}`),
    ].some((part) => part.includes('PRIVATE KEY'));

  test('are in a folder of their own, which git ignores, and never in the base', () => {
    expect(base.filter(({ text, confidential }) => holdsKey(text) || confidential)).toEqual([]);
    const marked = keys.filter(({ confidential }) => confidential).map(({ name }) => name);
    expect(keys.filter(({ text }) => holdsKey(text)).map(({ name }) => name)).toEqual(marked);
    expect(marked).toEqual(['tls.key', 'apiserver-kubeconfig.yaml']);
    expect(keys[0]).toEqual({ name: '.gitignore', text: '*\n' });
    for (const name of marked) expect(kustomization).not.toContain(`- ${name}`);
  });

  test('that are kept are not written again', () => {
    const options = optionsWith({
      tls: { kind: 'pair', isIssued: true, certificate: issued.certificate, ca: issued.ca },
      clients: { kind: 'certified', isIssued: true, ca: issued.ca, names: ['kube-apiserver'] },
    });
    const names = outputFiles(options, folders).private.map(({ name }) => name);
    expect(names).toEqual(['.gitignore', 'apiserver-admission.yaml']);
    expect(outputFiles(optionsWith(), folders).private).toEqual([]);
  });

  test('are written after everything that trusts their certificates', () => {
    const names = base.map(({ name }) => name);
    const last = Math.max(
      ...['ca.crt', 'client-ca.crt', 'client-ca.yaml', 'admission.yaml'].map((name) =>
        names.indexOf(name),
      ),
    );
    expect(names.indexOf('tls.crt')).toBeGreaterThan(last);
  });

  test('are not in the YAML for stdout', () => {
    expect(holdsKey(manifestText(full))).toBe(false);
  });

  test('of the serving certificate go into the Secret that the pods mount', () => {
    const { secretName } = podOf(full).volumes[0].secret;
    expect(kustomization).toContain(`kubectl -n sealing create secret tls ${secretName} `);
  });
});

test('options without a value are not passed on', () => {
  const options = optionsWith({ serve: { ...passedOn, memo: false } });
  expect(podOf(options).container.args.slice(-2)).toEqual(['--allow-any-client', '--no-memo']);
});

test.each([
  '10.0.0.0/8',
  '0.0.0.0/0',
  '255.255.255.255/32',
  'fd00::/64',
  '::1/128',
  '::ffff:1.2.3.4/120',
])('%s is a CIDR', (text) => {
  expect(isCidr(text)).toBe(true);
});

test.each([
  '',
  '10.0.0.1',
  '10.0.0.0/33',
  '10.0.0.256/32',
  '10.0.0/8',
  '10.0.0.0/08',
  '010.0.0.0/8',
  '10.0.0.0/8 ',
  'fd00::/129',
  'fd00:::/64',
  'fe80::1%eth0/64',
  'g::/64',
  '[::1]/64',
  'host/8',
  '10.0.0.0/-1',
])('%j is not a CIDR', (text) => {
  expect(isCidr(text)).toBe(false);
});
