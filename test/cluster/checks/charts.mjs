import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { output } from '../../interop/process.mjs';
import { accepted, refused } from '../checklist.mjs';
import { confidential, plaintext } from '../secrets.mjs';
import { until } from '../services.mjs';

/** The options that the chart has values for, apart from those of the world. */
const moreOptions = [
  ...['--service-account-annotation', 'example.org/account=kseal', '--priority-class', 'high'],
  ...['--namespace-selector', 'kseal notin (off)', '--api-server-from', 'konnectivity'],
  ...['--client-name', 'other {{ $(HOME) }}', '--accept-unbound', 'legacy', '--no-memo'],
  ...['--max-scope', 'strict', '--log-level', 'info', '--kms-timeout', '5', '--replicas', '3'],
  ...['--service-monitor', '--alerts', '--monitoring-label', 'release=prometheus'],
];

/** Checks the chart with the tools for charts, and installs it with Helm in place of the base. */
export async function charts(world, check) {
  const { folder, shell, manifests, kubectl, get, values, seal, apply, create } = world;
  const kubernetes = world.programs.version;
  const helm = (...args) => shell('helm', args);
  const template = (program, chart) =>
    shell(program, [
      'template',
      'kseal-webhook',
      chart,
      '-n',
      'kseal',
      '--kube-version',
      kubernetes,
    ]);

  const certificate = ['--tls', 'files', '--tls-cert', 'base/tls.crt'];
  const key = ['--tls-key', 'base-private/tls.key'];
  const authorities = ['--tls-ca', 'base/ca.crt', '--client-ca', 'base/client-ca.crt'];
  const variants = {
    few: [...certificate, ...key, ...authorities],
    many: [...certificate, ...key, ...authorities, ...moreOptions],
  };
  for (const [name, options] of Object.entries(variants)) {
    await manifests(...options, '-o', `${name}-base`);
    await manifests(...options, '-o', `${name}-chart`, '--format', 'helm');
  }
  const remote = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1';
  const managed = ['--image', 'kseal:1', '-k', remote, '--allow-any-client', '-n', 'kseal'];
  await world.kseal(['webhook', 'manifests', ...managed, '-o', 'managed-base']);
  await world.kseal([
    'webhook',
    'manifests',
    ...managed,
    '-o',
    'managed-chart',
    '--format',
    'helm',
  ]);

  await check('helm lint accepts the chart', async () => {
    for (const program of ['helm', 'helm3']) {
      const linted = await shell(program, ['lint', '--strict', 'many-chart', '-n', 'kseal']);
      assert.match(linted.stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
      assert.equal(linted.code, 0);
    }
  });

  await check('Helm 3 and 4 render the objects of the kustomize base', async () => {
    for (const name of [...Object.keys(variants), 'managed']) {
      const plain = objectsOfBase(join(folder, `${name}-base`));
      assert.ok(plain.length > 8);
      for (const program of ['helm', 'helm3']) {
        const rendered = documentsIn(accepted(await template(program, `${name}-chart`)));
        assert.deepEqual(byName(rendered.map(withoutKeep)), byName(plain));
      }
    }
  });

  await check('Helm refuses a misspelt value, and another namespace', async () => {
    const install = ['install', 'kseal-webhook', 'few-chart', '--dry-run=client'];
    refused(await helm(...install, '-n', 'kseal', '--set', 'imagee=x'), 'imagee');
    refused(await helm(...install, '-n', 'hr'), 'made for the namespace kseal');
  });

  await check('kubeconform accepts every object, by the schemas of the API server', async () => {
    for (const plural of ['servicemonitors', 'prometheusrules'])
      accepted(await kubectl('create', '-f', await definition(world, plural)));
    accepted(await kubectl('wait', '--for=condition=Established', 'crd', '--all'));
    // The API server publishes the schema of a new kind a moment later.
    await until(async () => (await writeSchemas(world)).includes('PrometheusRule'), 30_000);
    const rendered = accepted(await template('helm', 'many-chart'));
    const conform = (stdin) =>
      shell('kubeconform', ['-strict', '-summary', ...schemaLocation(folder)], { stdin });
    const count = documentsIn(rendered).length;
    const valid = `Valid: ${count}, Invalid: 0, Errors: 0, Skipped: 0`;
    const { stdout } = await conform(rendered);
    assert.ok(stdout.includes(valid), stdout);
    for (const [field, typo] of [
      ['maxUnavailable: 1', 'maxUnavailible: 1'],
      ['port: metrics', 'port: [metrics]'],
    ]) {
      const wrong = await conform(rendered.replace(field, typo));
      assert.match(wrong.stdout, /Invalid: 1/);
    }
  });

  await check('promtool accepts the alerts, and they fire when they should', async () => {
    const rules = objectsOfBase(join(folder, 'many-base')).find(
      ({ kind }) => kind === 'PrometheusRule',
    );
    writeFileSync(join(folder, 'rules.yaml'), stringify(rules.spec));
    const checked = await shell('promtool', ['check', 'rules', '--lint=all', 'rules.yaml']);
    assert.equal(checked.code, 0, checked.stderr);
    assert.match(checked.stdout, /SUCCESS: 11 rules found/);
    writeFileSync(join(folder, 'alerts.yaml'), stringify(alertTests(rules.spec)));
    const tested = await shell('promtool', ['test', 'rules', 'alerts.yaml']);
    assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  });

  /** Reads the Secret, which must never hold ciphertext or disappear. */
  const intact = async (word) =>
    assert.deepEqual(await values('hr', 'helm'), { password: plaintext(word) });
  const store = async (word) => apply(await seal(confidential('hr', 'helm', { password: word })));
  const release = ['kseal-webhook', './few-chart', '-n', 'kseal'];
  // The fields belong to kubectl, too, until the objects are made again.
  const force = ['--force-conflicts'];
  const restart = async () => {
    await world.stopWebhook();
    await world.startWebhook();
  };

  await check('helm install takes over the objects of the kustomize base', async () => {
    accepted(await store('one'));
    await intact('one');
    const installed = await helm('upgrade', '--install', ...release, '--take-ownership', ...force);
    assert.equal(installed.code, 0, installed.stderr);
    await restart();
    await intact('one');
    accepted(await store('two'));
    await intact('two');
  });

  await check('helm upgrade changes values, and the webhook follows', async () => {
    accepted(await kubectl('label', 'namespace', 'hr', 'kseal=on'));
    const selector = 'namespaceSelector=[{"key":"kseal","operator":"Exists"}]';
    const changes = ['--set', 'logLevel=debug', '--set-json', selector];
    const upgraded = await helm('upgrade', ...release, ...changes, ...force);
    assert.equal(upgraded.code, 0, upgraded.stderr);
    await restart();
    const { spec } = await get('deployment', 'kseal', 'kseal-webhook');
    assert.ok(spec.template.spec.containers[0].args.includes('--log-level=debug'));
    await intact('two');
    const elsewhere = await seal(confidential('other', 'unselected', { password: 'x' }));
    const refusal = 'sealed values were not opened: data keys password';
    const isRefused = async () =>
      (await create(elsewhere, '--dry-run=server')).stderr.includes(refusal);
    await until(isRefused, 20_000);
    refused(await create(elsewhere), refusal, 'selects the namespace');
    accepted(await store('three'));
    await intact('three');
  });

  await check('helm uninstall keeps the policy, which protects the opened values', async () => {
    const removed = await helm('uninstall', 'kseal-webhook', '-n', 'kseal');
    assert.equal(removed.code, 0, removed.stderr);
    await intact('three');
    refused(await kubectl('get', 'mutatingwebhookconfiguration', 'kseal-webhook'), 'NotFound');
    const isRefused = async () => (await store('four')).stderr.includes('were not opened');
    await until(isRefused, 20_000);
    await intact('three');
    accepted(await kubectl('get', 'validatingadmissionpolicybinding', 'kseal-unopened-values'));
    for (const secret of ['kseal-keys', 'kseal-webhook-tls'])
      accepted(await kubectl('-n', 'kseal', 'get', 'secret', secret));
  });

  await check('helm install adopts the kept policy, and values are opened again', async () => {
    const installed = await helm('install', ...release);
    assert.equal(installed.code, 0, installed.stderr);
    await restart();
    await intact('three');
    await until(async () => (await store('five')).code === 0, 20_000);
    await intact('five');
  });
}

const documentsIn = (text) =>
  parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((object) => object !== null);

/** The objects of both kustomize bases, apart from the namespace, which is outside the chart. */
function objectsOfBase(base) {
  return [base, join(base, 'policy')]
    .flatMap((folder) => {
      const { resources } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'));
      return resources.flatMap((name) => documentsIn(readFileSync(join(folder, name), 'utf8')));
    })
    .filter(({ kind }) => kind !== 'Namespace');
}

function byName(objects) {
  const named = new Map(objects.map((one) => [`${one.kind} ${one.metadata.name}`, one]));
  assert.equal(named.size, objects.length);
  return new Map([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Removes the annotation that only the chart's policy has. */
function withoutKeep(object) {
  if (!object.kind.startsWith('ValidatingAdmissionPolicy')) return object;
  const { 'helm.sh/resource-policy': policy, ...annotations } = object.metadata.annotations;
  assert.equal(policy, 'keep');
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The path of the operator's definition of a kind, in the cache of Go modules. */
async function definition({ programs }, plural) {
  const module = 'github.com/prometheus-operator/prometheus-operator';
  const args = ['mod', 'download', '-json', module];
  const { Dir } = JSON.parse(await output('go', args, { cwd: programs.tools.source }));
  return join(Dir, 'example/prometheus-operator-crd', `monitoring.coreos.com_${plural}.yaml`);
}

const schemaLocation = (folder) => [
  '-schema-location',
  join(folder, 'schemas', '{{ .ResourceKind }}{{ .KindSuffix }}.json'),
];

/** Writes a JSON Schema for each kind of the API server. Resolves to the kinds. */
async function writeSchemas({ folder, shell }) {
  const openApi = accepted(await shell('kubectl', ['get', '--raw', '/openapi/v2']));
  const { definitions } = JSON.parse(openApi, closed);
  await mkdir(join(folder, 'schemas'), { recursive: true });
  const named = Object.entries(definitions).flatMap(([id, schema]) =>
    (schema['x-kubernetes-group-version-kind'] ?? []).map((kind) => ({ id, ...kind })),
  );
  for (const { id, group, version, kind } of named) {
    const [first] = group.split('.');
    const name = [kind.toLowerCase(), first, version].filter(Boolean).join('-');
    const schema = { $ref: `#/definitions/${id}`, definitions: needed(definitions, id) };
    writeFileSync(join(folder, 'schemas', `${name}.json`), JSON.stringify(schema));
  }
  return named.map(({ kind }) => kind);
}

/** The definitions that one refers to, because kubeconform reads all of them. */
function needed(definitions, id, found = {}) {
  if (id in found) return found;
  found[id] = definitions[id];
  for (const [, other] of JSON.stringify(definitions[id]).matchAll(/#\/definitions\/([^"]+)/g))
    needed(definitions, other, found);
  return found;
}

/** A reviver that translates OpenAPI to JSON Schema, and allows no other fields. */
function closed(_, schema) {
  if (schema?.format === 'int-or-string' || schema?.['x-kubernetes-int-or-string'])
    return { type: ['integer', 'string'] };
  const isOpen = schema?.['x-kubernetes-preserve-unknown-fields'] || schema?.additionalProperties;
  const isClosed = schema?.type === 'object' && schema.properties && !isOpen;
  return isClosed ? { ...schema, additionalProperties: false } : schema;
}

/** Tests for promtool: all is well, and each alert has its cause. */
function alertTests({ groups: [{ rules }] }) {
  const healthy = {
    kseal_keys: '2x60',
    kseal_certificate_expiry_timestamp_seconds: '9000000x60',
    'kseal_key_request_duration_seconds_count{outcome="answered"}': '1+1x60',
    kseal_key_refresh_failures_total: '0x60',
    'kseal_refusals_total{code="KEY_UNKNOWN"}': '4x60',
    'kseal_reviews_total{result="opened"}': '1+1x60',
    kseal_client_authentication: '1x60',
    kseal_certificate_refusals_total: '0x60',
    kseal_uncaught_errors_total: '0x60',
  };
  const causes = {
    KsealWebhookDown: { kseal_keys: '2x10' },
    KsealNoKeys: { kseal_keys: '2x10 0x50' },
    KsealCertificateExpires: { kseal_certificate_expiry_timestamp_seconds: '600000x60' },
    KsealCertificateExpiresSoon: { kseal_certificate_expiry_timestamp_seconds: '60000x60' },
    KsealKeyErrors: {
      'kseal_key_request_duration_seconds_count{outcome="KEY_UNAVAILABLE"}': '_x20 1+1x40',
    },
    KsealKeyRefreshFailures: { kseal_key_refresh_failures_total: '0x20 0+1x40' },
    // The first refusal creates the series.
    KsealRefusals: { 'kseal_refusals_total{code="MISPLACED"}': '_x55 1x5' },
    KsealLateReviews: { 'kseal_reviews_total{result="late"}': '_x55 1x5' },
    KsealNoClientAuthentication: { kseal_client_authentication: '1x55 0x5' },
    KsealCertificateRefused: { kseal_certificate_refusals_total: '0x50 1x10' },
    KsealUncaughtErrors: { kseal_uncaught_errors_total: '0x50 1x10' },
  };
  assert.deepEqual(Object.keys(causes).sort(), rules.map(({ alert }) => alert).sort());
  // An alert about the last days comes on top of the one about the last weeks.
  const all = { KsealCertificateExpiresSoon: ['KsealCertificateExpires'] };
  const test = (name, series, expected) => ({
    name,
    interval: '1m',
    input_series: Object.entries({ ...healthy, ...series }).map(([metric, numbers]) => ({
      series: /\}$/.test(metric)
        ? metric.replace('}', ', namespace="kseal"}')
        : `${metric}{namespace="kseal"}`,
      values: numbers,
    })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: '60m',
        exp_samples: expected.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
      },
    ],
  });
  return {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [
      test('healthy', {}, []),
      ...Object.entries(causes).map(([alert, series]) =>
        test(alert, series, [alert, ...(all[alert] ?? [])]),
      ),
    ],
  };
}
