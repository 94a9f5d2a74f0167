import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { issueCertificate } from '../../../src/webhook/install/certificates.ts';
import { chartFiles } from '../../../src/webhook/install/chart.ts';
import type { ManifestOptions } from '../../../src/webhook/install/options.ts';
import { optionsWith, passedOn } from './options.ts';

// Helm itself renders the chart in test/cluster/checks/charts.mjs.

const issued = await issueCertificate({
  ...{ commonName: 'a', usage: 'clientAuth' },
  ...{ validFrom: new Date(), days: 1 },
});

const full = optionsWith({
  keys: [
    { kind: 'file', name: 'prod.pem', path: 'keys/prod.pem' },
    { kind: 'remote', reference: 'gcpkms://projects/p/key' },
  ],
  keySecret: 'kseal-keys',
  tls: { kind: 'pair', isIssued: true, ...issued },
  clients: {
    ...{ kind: 'certified', isIssued: true, ca: issued.ca, made: issued },
    names: ['kube-apiserver', '{{ x }}'],
  },
  priorityClass: 'high',
  monitoring: { serviceMonitor: true, alerts: true, labels: { release: 'prometheus' } },
  serve: { ...passedOn, logLevel: 'debug', memo: false },
});

const folders = { base: 'chart', private: 'chart-private' };

const filesOf = (options: ManifestOptions) =>
  new Map(chartFiles(options, folders).base.map(({ name, text }) => [name, text]));

const textOf = (options: ManifestOptions, name: string) => filesOf(options).get(name) ?? '';

/** All templates as one text. */
function templatesOf(options: ManifestOptions): string {
  const files = [...filesOf(options)].filter(([name]) => name.startsWith('templates/'));
  return files.map(([, text]) => text).join('');
}

describe.each([
  ['the fewest options', optionsWith()],
  ['all options', full],
])('with %s', (_, options) => {
  const values = parse(textOf(options, 'values.yaml'));

  test('the templates use exactly the values that exist', () => {
    const used = [...templatesOf(options).matchAll(/\.Values\.(\w+)/g)].map(([, name]) => name);
    expect([...new Set(used)].sort()).toEqual(Object.keys(values).sort());
  });

  test('the schema allows exactly these values', () => {
    const { properties, additionalProperties } = JSON.parse(textOf(options, 'values.schema.json'));
    expect(Object.keys(properties).sort()).toEqual([...Object.keys(values), 'global'].sort());
    expect(additionalProperties).toBe(false);
  });

  test('every mark is replaced', () => {
    expect(templatesOf(options)).not.toMatch(/(AT|LINE)_/);
  });

  test('Helm ignores every file that is not part of the chart', () => {
    const ignored = textOf(options, '.helmignore').split('\n');
    const others = [...filesOf(options).keys()].filter(
      (name) => !/^(templates\/|Chart\.yaml$|values\.|\.helmignore$)/.test(name),
    );
    expect(others).toContain('namespace.yaml');
    for (const name of others) expect(ignored).toContain(`/${name}`);
  });

  test('uninstalling keeps the policy and its binding, and nothing else', () => {
    expect(templatesOf(options).match(/helm\.sh\/resource-policy: keep/g)).toHaveLength(2);
    expect(textOf(options, 'templates/policy.yaml')).toContain('helm.sh/resource-policy: keep');
    expect(templatesOf(options)).not.toMatch(/^kind: Namespace$/m);
  });
});

test('the values are those of the options', () => {
  expect(parse(textOf(full, 'values.yaml'))).toMatchObject({
    image: full.image,
    replicas: 2,
    keys: ['prod.pem', 'gcpkms://projects/p/key'],
    keySecret: 'kseal-keys',
    servingCa: issued.ca,
    clientCa: issued.ca,
    clientNames: ['kube-apiserver', '{{ x }}'],
    priorityClass: 'high',
    maxScope: '',
    logLevel: 'debug',
    memo: false,
    serviceMonitor: true,
    monitoringLabels: { release: 'prometheus' },
  });
});

test('braces of an option are text in a template', () => {
  expect(textOf(full, 'templates/client-ca.yaml')).toContain(
    'names: kube-apiserver, {{ "{{" }} x }}',
  );
});

test('the private keys are in the private folder only', () => {
  const chart = [...filesOf(full).values()].join('');
  expect(chart).toContain('BEGIN CERTIFICATE');
  expect(chart).not.toContain('PRIVATE KEY');
});
