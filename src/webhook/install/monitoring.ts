import { type KubernetesObject, type ManifestOptions, metaIn, NAME, podLabels } from './options.ts';

/** A PromQL selector of a metric, with further label matchers. */
type Select = (metric: string, matchers?: string) => string;

/**
 * PromQL for a counter that grew, by a label. `increase` alone misses the first event, which creates
 * its series.
 */
function grew(counter: string, label: string, time: string): string {
  const sum = (series: string) => `sum by (${label}) (${series})`;
  return `${sum(`increase(${counter}[${time}])`)} > 0 or (${sum(counter)} > 0 unless ${sum(`${counter} offset ${time}`)})`;
}

/** An alert on the metrics of the webhook. */
interface Alert {
  readonly alert: string;
  /** PromQL. `of` selects the series of this webhook. */
  readonly expr: (of: Select) => string;
  /** How long the expression must hold; default: not at all. */
  readonly for?: string;
  readonly severity: 'warning' | 'critical';
  readonly summary: string;
  readonly description: string;
  /** Whether the alert makes sense; default: always. */
  readonly applies?: (options: ManifestOptions) => boolean;
}

const validFor = (of: Select) =>
  `min(${of('kseal_certificate_expiry_timestamp_seconds')}) - time()`;

const alerts: readonly Alert[] = [
  {
    alert: 'KsealWebhookDown',
    expr: (of) => `absent(${of('kseal_keys')})`,
    for: '5m',
    severity: 'critical',
    summary: 'No pod of the kseal webhook can be reached.',
    description: 'Secrets with sealed values are refused. Other Secrets are not affected.',
  },
  {
    alert: 'KsealNoKeys',
    expr: (of) => `max(${of('kseal_keys')}) == 0`,
    for: '5m',
    severity: 'critical',
    summary: 'The kseal webhook has no key.',
    description: 'Secrets with sealed values are refused. The log says why no key can be read.',
  },
  {
    alert: 'KsealCertificateExpires',
    expr: (of) => `${validFor(of)} < 14 * 24 * 3600`,
    for: '1h',
    severity: 'warning',
    summary:
      'The serving certificate of the kseal webhook expires in {{ $value | humanizeDuration }}.',
    description: 'Once it has expired, Secrets with sealed values are refused. Renew it.',
  },
  {
    alert: 'KsealCertificateExpiresSoon',
    expr: (of) => `${validFor(of)} < 2 * 24 * 3600`,
    severity: 'critical',
    summary:
      'The serving certificate of the kseal webhook expires in {{ $value | humanizeDuration }}.',
    description: 'Once it has expired, Secrets with sealed values are refused. Renew it now.',
  },
  {
    alert: 'KsealKeyErrors',
    expr: (of) =>
      grew(of('kseal_key_request_duration_seconds_count', 'outcome!="answered"'), 'outcome', '10m'),
    for: '15m',
    severity: 'critical',
    summary: 'Calls of the kseal webhook to its keys fail: {{ $labels.outcome }}.',
    description: 'Secrets with values to open are refused until the key or the KMS answers.',
  },
  {
    alert: 'KsealKeyRefreshFailures',
    expr: (of) => `sum(increase(${of('kseal_key_refresh_failures_total')}[15m])) > 0`,
    for: '15m',
    severity: 'warning',
    summary: 'The kseal webhook cannot read a key reference.',
    description: 'It continues with the keys that it knows, and does not notice new versions.',
  },
  {
    alert: 'KsealRefusals',
    expr: (of) => grew(of('kseal_refusals_total'), 'code', '15m'),
    severity: 'warning',
    summary: 'The kseal webhook refuses sealed values: {{ $labels.code }}.',
    description:
      'A Secret is not updated. The log names it, and kseal verify finds the cause in Git.',
  },
  {
    alert: 'KsealLateReviews',
    expr: (of) => grew(of('kseal_reviews_total', 'result=~"late|failed"'), 'result', '15m'),
    severity: 'warning',
    summary: 'Reviews of the kseal webhook end as {{ $labels.result }}.',
    description:
      'The webhook had no answer in time. Secrets were refused, and can be applied again.',
  },
  {
    alert: 'KsealNoClientAuthentication',
    expr: (of) => `min(${of('kseal_client_authentication')}) == 0`,
    severity: 'critical',
    summary: 'The kseal webhook answers anyone who can reach it.',
    description: 'Anyone who can reach it can have any value opened. Start it with --client-ca.',
    // With --allow-any-client it would never end.
    applies: ({ clients }) => clients.kind === 'certified',
  },
  {
    alert: 'KsealCertificateRefused',
    expr: (of) => `sum(increase(${of('kseal_certificate_refusals_total')}[15m])) > 0`,
    severity: 'critical',
    summary: 'A client does not accept the serving certificate of the kseal webhook.',
    description:
      'If it is the API server, Secrets with sealed values are refused. The log says which client it is.',
  },
  {
    alert: 'KsealUncaughtErrors',
    expr: (of) => `sum(increase(${of('kseal_uncaught_errors_total')}[1h])) > 0`,
    severity: 'warning',
    summary: 'The kseal webhook has a bug.',
    description: 'Please report the line in its log.',
  },
];

/** The ServiceMonitor and the PrometheusRule for the Prometheus operator. */
export function monitoring(options: ManifestOptions): readonly KubernetesObject[] {
  const { serviceMonitor, alerts, labels } = options.monitoring;
  const object = (kind: string, spec: object): KubernetesObject => {
    const metadata = metaIn(options.namespace);
    return {
      apiVersion: 'monitoring.coreos.com/v1',
      kind,
      metadata: { ...metadata, labels: { ...metadata.labels, ...labels } },
      spec,
    };
  };
  const scraped = { selector: { matchLabels: podLabels }, endpoints: [{ port: 'metrics' }] };
  return [
    ...(serviceMonitor ? [object('ServiceMonitor', scraped)] : []),
    ...(alerts ? [object('PrometheusRule', { groups: [group(options)] })] : []),
  ];
}

function group(options: ManifestOptions) {
  const rules = alerts.filter(({ applies = () => true }) => applies(options));
  return { name: NAME, rules: rules.map((alert) => rule(alert, options.namespace)) };
}

function rule({ alert, expr, for: duration, severity, ...texts }: Alert, namespace: string) {
  const of: Select = (metric, ...matchers) =>
    `${metric}{${[`namespace="${namespace}"`, ...matchers].join(', ')}}`;
  return {
    alert,
    expr: expr(of),
    ...(duration === undefined ? {} : { for: duration }),
    labels: { severity },
    annotations: { summary: texts.summary, description: texts.description },
  };
}
