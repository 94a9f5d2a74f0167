import { expect, test } from 'vitest';
import { monitoring } from '../../../src/webhook/install/monitoring.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { optionsWith } from './options.ts';

// Promtool checks and runs the alerts in test/cluster/checks/charts.mjs.

const all = { serviceMonitor: true, alerts: true, labels: { release: 'prometheus' } };
const certified = {
  kind: 'certified' as const,
  isIssued: false,
  ca: 'CA',
  names: ['kube-apiserver'],
};

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

function rulesOf(options: Parameters<typeof optionsWith>[0]): readonly Rule[] {
  const objects = monitoring(optionsWith({ monitoring: all, ...options }));
  const { spec } = objects[1] as unknown as { spec: { groups: { rules: Rule[] }[] } };
  return spec.groups.flatMap(({ rules }) => rules);
}

test('there is no object without an option, and one for each', () => {
  const kinds = (changes: Partial<typeof all>) =>
    monitoring(
      optionsWith({ monitoring: { ...all, serviceMonitor: false, alerts: false, ...changes } }),
    ).map(({ kind }) => kind);
  expect(kinds({})).toEqual([]);
  expect(kinds({ serviceMonitor: true })).toEqual(['ServiceMonitor']);
  expect(kinds({ alerts: true })).toEqual(['PrometheusRule']);
});

test('both objects have the labels by which Prometheus selects them', () => {
  for (const { metadata } of monitoring(optionsWith({ monitoring: all })))
    expect(metadata.labels).toMatchObject({ release: 'prometheus' });
});

test('every alert reads metrics of the webhook, in its namespace', async () => {
  const known = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  for (const { expr } of rulesOf({ namespace: 'vault', clients: certified })) {
    const metrics = [...expr.matchAll(/(kseal_\w+)(\{namespace="vault")?/g)];
    expect(metrics.length).toBeGreaterThan(0);
    for (const [, metric = '', selector] of metrics) {
      expect(known).toContain(metric.replace(/_count$/, ''));
      expect(selector).toBe('{namespace="vault"');
    }
  }
});

test('missing client authentication raises an alert unless it is wanted', () => {
  const names = (options: Parameters<typeof optionsWith>[0]) =>
    rulesOf(options).map(({ alert }) => alert);
  expect(names({ clients: certified })).toContain('KsealNoClientAuthentication');
  expect(names({})).not.toContain('KsealNoClientAuthentication');
});
