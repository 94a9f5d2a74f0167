import { scopes } from '../../jwe/binding.ts';
import { printYaml } from '../../yaml/print.ts';
import { logLevels } from '../server/settings.ts';
import { GROWTH, KEYS_FOLDER, printed, resources, serveArguments, spreads } from './deployment.ts';
import {
  certificateFiles,
  clusterObjects,
  confidentialFiles,
  type OutputFile,
  type OutputFiles,
} from './files.ts';
import { KONNECTIVITY, peer } from './network.ts';
import { notes } from './notes.ts';
import {
  type Folders,
  type KubernetesObject,
  type ManifestOptions,
  NAME,
  privateFiles,
} from './options.ts';

/** An option of `kseal webhook manifests` that can be changed in the chart. */
interface ChartValue {
  readonly name: string;
  /** The comment in values.yaml. */
  readonly about: string;
  /** The JSON Schema of the value. */
  readonly schema: object;
  /** The default; undefined if the value does not exist with these options. */
  readonly from: (options: ManifestOptions) => unknown;
}

const text = { type: 'string' };
const texts = { type: 'array', items: text };
const map = { type: 'object', additionalProperties: text };
const flag = { type: 'boolean' };
const objects = { type: 'array', items: { type: 'object' } };

const values: readonly ChartValue[] = [
  {
    name: 'image',
    about: 'The kseal image, preferably pinned by its digest.',
    schema: { ...text, minLength: 1 },
    from: ({ image }) => image,
  },
  {
    name: 'replicas',
    about: `The minimum number of pods. The autoscaler starts at most ${GROWTH} times as many.`,
    schema: { type: 'integer', minimum: 1 },
    from: ({ replicas }) => replicas,
  },
  {
    name: 'resources',
    about: 'The resources of each pod. A CPU limit could make answers late.',
    schema: { type: 'object' },
    from: () => resources,
  },
  {
    name: 'priorityClass',
    about: 'The PriorityClass of the pods.',
    schema: text,
    from: ({ priorityClass = '' }) => priorityClass,
  },
  {
    name: 'topologySpreadConstraints',
    about: 'How pods are spread over nodes and zones.',
    schema: objects,
    from: () => spreads,
  },
  {
    name: 'serviceAccountAnnotations',
    about: 'Annotations of the service account, for workload identity.',
    schema: map,
    from: ({ serviceAccountAnnotations }) => serviceAccountAnnotations,
  },
  {
    name: 'keys',
    about: 'The keys to open values with: references to a KMS, and names of files in keySecret.',
    schema: { ...texts, minItems: 1 },
    from: ({ keys }) => keys.map((key) => (key.kind === 'file' ? key.name : key.reference)),
  },
  {
    name: 'keySecret',
    about: 'The Secret that contains the key files.',
    schema: text,
    from: ({ keySecret = '' }) => keySecret,
  },
  {
    name: 'servingCa',
    about: 'The CA of the serving certificate, which the API server trusts.',
    schema: { ...text, minLength: 1 },
    from: ({ tls }) => (tls.kind === 'pair' ? tls.ca : undefined),
  },
  {
    name: 'clientCa',
    about: "The CA of the API server's client certificate.",
    schema: { ...text, minLength: 1 },
    from: ({ clients }) => (clients.kind === 'certified' ? clients.ca : undefined),
  },
  {
    name: 'clientNames',
    about: "The accepted common names in the API server's client certificate.",
    schema: { ...texts, minItems: 1 },
    from: ({ clients }) => (clients.kind === 'certified' ? clients.names : undefined),
  },
  {
    name: 'apiServerFrom',
    about: `Who may connect: CIDRs, and ${KONNECTIVITY}. Empty: no NetworkPolicy.`,
    schema: texts,
    from: ({ apiServerFrom }) => apiServerFrom,
  },
  {
    name: 'namespaceSelector',
    about: `Requirements (matchExpressions) for namespaces whose Secrets are opened. In all others, Secrets
with sealed values are refused.`,
    schema: objects,
    from: ({ namespaceSelector }) => namespaceSelector,
  },
  {
    name: 'acceptUnbound',
    about: 'Namespaces in which values from other tools are opened, too.',
    schema: texts,
    from: ({ serve }) => serve.acceptUnbound,
  },
  {
    name: 'maxScope',
    about: 'The widest scope to open.',
    schema: { enum: ['', ...scopes] },
    from: ({ serve: { maxScope = '' } }) => maxScope,
  },
  {
    name: 'deprecatedKids',
    about: 'Keys whose values are opened with a warning.',
    schema: texts,
    from: ({ serve }) => serve.deprecatedKids,
  },
  {
    name: 'revokedKids',
    about: 'Keys whose values are refused.',
    schema: texts,
    from: ({ serve }) => serve.revokedKids,
  },
  {
    name: 'logLevel',
    about: 'The lowest level to log.',
    schema: { enum: ['', ...logLevels] },
    from: ({ serve: { logLevel = '' } }) => logLevel,
  },
  {
    name: 'memo',
    about: 'Whether to cache which values were opened.',
    schema: flag,
    from: ({ serve }) => serve.memo,
  },
  {
    name: 'kmsEndpoint',
    about: 'Another address of Cloud KMS.',
    schema: text,
    from: ({ serve: { kmsEndpoint = '' } }) => kmsEndpoint,
  },
  {
    name: 'kmsTimeout',
    about: 'How long a review may wait for the KMS, in seconds. 0: as long as the API server does.',
    schema: { type: 'integer', minimum: 0, maximum: 30 },
    from: ({ serve: { kmsTimeout = 0 } }) => kmsTimeout,
  },
  {
    name: 'policy',
    about: 'Whether this release has the policy. Only one release in a cluster can have it.',
    schema: flag,
    from: () => true,
  },
  {
    name: 'serviceMonitor',
    about: 'Whether to install a ServiceMonitor for the Prometheus operator.',
    schema: flag,
    from: ({ monitoring }) => monitoring.serviceMonitor,
  },
  {
    name: 'alerts',
    about: 'Whether to install alerts, as a PrometheusRule.',
    schema: flag,
    from: ({ monitoring }) => monitoring.alerts,
  },
  {
    name: 'monitoringLabels',
    about: 'Labels by which your Prometheus selects these two objects.',
    schema: map,
    from: ({ monitoring }) => monitoring.labels,
  },
];

/** The options with everything that values can turn on, so that the templates contain it. */
function complete(options: ManifestOptions): ManifestOptions {
  return {
    ...options,
    keys: [{ kind: 'file', name: 'key', path: 'key' }],
    keySecret: 'keys',
    apiServerFrom: ['0.0.0.0/0'],
    serviceAccountAnnotations: { of: 'a cloud' },
    priorityClass: 'any',
    monitoring: { serviceMonitor: true, alerts: true, labels: {} },
  };
}

/**
 * A YAML scalar that `templateOf` turns into an action: at its place, or instead of its whole line,
 * which is a list item or a member without a value. `unique` distinguishes members.
 */
const mark = (kind: 'AT' | 'LINE', action: string, unique = '') =>
  `${kind}_${Buffer.from(action).toString('hex')}_${unique}_`;
const at = (action: string) => mark('AT', action);
const line = (action: string, unique?: string) => mark('LINE', action, unique);

/** List items between two lines with actions. */
const between = (action: string, ...items: readonly unknown[]) => [
  line(action),
  ...items,
  line('end'),
];

const json = (value: string) => at(`toJson .Values.${value}`);

/** The text of a template: literal text is escaped, marks become actions. */
function templateOf(yaml: string): string {
  const action = (hex: string) => Buffer.from(hex, 'hex').toString();
  return yaml
    .replaceAll('{{', '{{ "{{" }}')
    .replace(
      /^( *)(?:- )?LINE_(\w*?)_\w*_(?:: null)?$/gm,
      (_, indent, hex) => `${indent}{{- ${action(hex)} }}`,
    )
    .replace(/AT_(\w*?)__/g, (_, hex) => `{{ ${action(hex)} }}`);
}

/** A field of an object that depends on values. */
interface Place {
  readonly kind: string;
  readonly path: readonly (string | number)[];
  /** Returns the field with actions. */
  // biome-ignore lint/suspicious/noExplicitAny: fields have all types
  readonly put: (field: any, options: ManifestOptions) => unknown;
  /** The value without which the member is omitted. */
  readonly unlessEmpty?: string;
}

const pod = ['spec', 'template', 'spec'];
const container = [...pod, 'containers', 0];
const ifKeyFiles = 'if .Values.keySecret';

const places: readonly Place[] = [
  {
    kind: 'ServiceAccount',
    path: ['metadata', 'annotations'],
    put: () => json('serviceAccountAnnotations'),
    unlessEmpty: 'serviceAccountAnnotations',
  },
  { kind: 'Deployment', path: [...container, 'image'], put: () => json('image') },
  { kind: 'Deployment', path: [...container, 'resources'], put: () => json('resources') },
  {
    kind: 'Deployment',
    path: [...container, 'args'],
    put: (_, options) => ['webhook', 'serve', ...serveArguments(options).flatMap(argument)],
  },
  {
    kind: 'Deployment',
    path: [...container, 'volumeMounts'],
    put: (mounts) => [...mounts.slice(0, -1), ...between(ifKeyFiles, mounts.at(-1))],
  },
  {
    kind: 'Deployment',
    path: [...pod, 'volumes'],
    put: (volumes) => [...volumes.slice(0, -1), ...between(ifKeyFiles, keysVolume(volumes.at(-1)))],
  },
  {
    kind: 'Deployment',
    path: [...pod, 'priorityClassName'],
    put: () => json('priorityClass'),
    unlessEmpty: 'priorityClass',
  },
  {
    kind: 'Deployment',
    path: [...pod, 'topologySpreadConstraints'],
    put: () => json('topologySpreadConstraints'),
    unlessEmpty: 'topologySpreadConstraints',
  },
  {
    kind: 'HorizontalPodAutoscaler',
    path: ['spec', 'minReplicas'],
    put: () => json('replicas'),
  },
  {
    kind: 'HorizontalPodAutoscaler',
    path: ['spec', 'maxReplicas'],
    put: () => at(`mul .Values.replicas ${GROWTH}`),
  },
  { kind: 'ConfigMap', path: ['data', 'ca.crt'], put: () => json('clientCa') },
  {
    kind: 'NetworkPolicy',
    path: ['spec', 'ingress', 0, 'from'],
    put: () =>
      between(
        'range .Values.apiServerFrom',
        line(`if eq . "${KONNECTIVITY}"`),
        peer(KONNECTIVITY),
        line('else'),
        peer(at('toJson .')),
        line('end'),
      ),
  },
  {
    kind: 'MutatingWebhookConfiguration',
    path: ['webhooks', 0, 'clientConfig', 'caBundle'],
    put: () => at('.Values.servingCa | b64enc | toJson'),
  },
  {
    kind: 'MutatingWebhookConfiguration',
    path: ['webhooks', 0, 'namespaceSelector', 'matchExpressions'],
    put: ([own]) => [own, ...between('range .Values.namespaceSelector', at('toJson .'))],
  },
  ...['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'].map((kind) => ({
    kind,
    path: ['metadata'],
    // Without the policy, the next sync would overwrite opened values with sealed ones.
    put: ({ annotations, ...meta }: KubernetesObject['metadata']) => ({
      ...meta,
      annotations: { ...annotations, 'helm.sh/resource-policy': 'keep' },
    }),
  })),
  ...['ServiceMonitor', 'PrometheusRule'].map((kind) => ({
    kind,
    path: ['metadata', 'labels'],
    put: (labels: object) => ({
      ...labels,
      [line('range $name, $text := .Values.monitoringLabels')]: null,
      [at('toJson $name')]: at('toJson $text'),
      [line('end')]: null,
    }),
  })),
];

/** Objects that exist only if a value is not empty. */
const conditions: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: 'policy',
  ValidatingAdmissionPolicyBinding: 'policy',
  NetworkPolicy: 'apiServerFrom',
  ServiceMonitor: 'serviceMonitor',
  PrometheusRule: 'alerts',
};

/** The value of an option of `webhook serve`. */
const argumentValues: Readonly<Record<string, string>> = {
  '--client-name': 'clientNames',
  '--accept-unbound': 'acceptUnbound',
  '--max-scope': 'maxScope',
  '--deprecated-kid': 'deprecatedKids',
  '--revoked-kid': 'revokedKids',
  '--log-level': 'logLevel',
  '--kms-endpoint': 'kmsEndpoint',
  '--kms-timeout': 'kmsTimeout',
};

function argument(one: ReturnType<typeof serveArguments>[number]): readonly unknown[] {
  const { flag } = one;
  const item = (value: string) => at(`printf "${flag}=%v" ${value} | replace "$" "$$" | toJson`);
  if (flag === '--key') {
    const reference = `(ternary . (print "${KEYS_FOLDER}/" .) (contains "://" .))`;
    return between('range .Values.keys', item(reference));
  }
  if (flag === '--no-memo') return between('if not .Values.memo', flag);
  const value = argumentValues[flag];
  if (value === undefined) return printed(one);
  // Both actions omit an empty value.
  const { schema } = values.find(({ name }) => name === value) ?? {};
  const isList = schema !== undefined && 'items' in schema;
  return between(`${isList ? 'range' : 'with'} .Values.${value}`, item('.'));
}

function keysVolume({ name, secret }: { name: string; secret: object }) {
  const item = at('dict "key" . "path" . | toJson');
  const items = between('range .Values.keys', ...between('if not (contains "://" .)', item));
  return { name, secret: { ...secret, secretName: json('keySecret'), items } };
}

/** The object with actions in the places that depend on values. */
function templated(object: KubernetesObject, options: ManifestOptions): KubernetesObject {
  const own = places.filter(({ kind }) => kind === object.kind);
  return own.reduce(
    (result, { path, put, unlessEmpty }) =>
      changed(result, path, (field) => put(field, options), unlessEmpty) as KubernetesObject,
    object,
  );
}

/** A copy with another field at `path`; the same if there is none. */
function changed(
  object: unknown,
  [step, ...rest]: readonly (string | number)[],
  change: (field: unknown) => unknown,
  unlessEmpty?: string,
): unknown {
  const inside = (field: unknown) =>
    rest.length > 0 ? changed(field, rest, change, unlessEmpty) : change(field);
  if (Array.isArray(object))
    return object.map((item, index) => (index === step ? inside(item) : item));
  const isOptional = rest.length === 0 && unlessEmpty !== undefined;
  const members = Object.entries(object as object).flatMap(([name, field]) => {
    if (name !== step) return [[name, field]];
    const member = [name, inside(field)];
    if (!isOptional) return [member];
    return [[line(`if .Values.${unlessEmpty}`, name), null], member, [line('end', name), null]];
  });
  return Object.fromEntries(members);
}

/** The files of a Helm chart and its private folder. */
export function chartFiles(options: ManifestOptions, folders: Folders): OutputFiles {
  const all = complete(options);
  const { 'namespace.yaml': namespace = [], ...groups } = Object.fromEntries(clusterObjects(all));
  // A file without objects replaces one that other options have written.
  const optional: typeof groups = { 'certificates.yaml': [], 'client-ca.yaml': [] };
  const templates = Object.entries({ ...optional, ...groups }).map(([name, documents]) => {
    const texts = documents.map(({ object, comment }) => {
      const text = `---\n${templateOf(printYaml(templated(object, all), comment))}`;
      const value = conditions[object.kind];
      return value === undefined ? text : `{{- if .Values.${value} }}\n${text}{{- end }}\n`;
    });
    return { name: `templates/${name.split('/').at(-1)}`, text: texts.join('') };
  });
  const { trusted, presented } = certificateFiles(options);
  const others = [
    ...namespace.map(({ object }) => ({ name: 'namespace.yaml', text: printYaml(object) })),
    ...presented,
  ];
  // Helm stores all other files of a chart in the cluster.
  const ignored = [...trusted, ...others].map(({ name }) => `/${name}`);
  const patterns = [...ignored, ...IGNORED].map((pattern) => `${pattern}\n`);
  return {
    base: [
      ...trusted,
      { name: '.helmignore', text: patterns.join('') },
      { name: 'Chart.yaml', text: printYaml(chart(options), notes(options, folders, 'helm')) },
      ...valuesFiles(options),
      { name: 'templates/release.yaml', text: releaseCheck(options) },
      ...templates,
      ...others,
    ],
    private: confidentialFiles(options),
  };
}

/** Files that earlier versions of kseal, git or the user may have put into the folder. */
const IGNORED = ['.git*', '*.key', '*.pem', ...Object.values(privateFiles)];

function chart({ version }: ManifestOptions) {
  return {
    apiVersion: 'v2',
    name: NAME,
    description: 'The kseal admission webhook, which opens sealed values of Secrets',
    type: 'application',
    version,
    appVersion: version,
    kubeVersion: '>=1.30.0-0',
  };
}

function valuesFiles(options: ManifestOptions): readonly OutputFile[] {
  const own = values.flatMap(({ from, ...value }) => {
    const start = from(options);
    return start === undefined ? [] : [{ ...value, start }];
  });
  const properties = Object.fromEntries(own.map(({ name, schema }) => [name, schema]));
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    // Helm passes `global` to every chart.
    properties: { ...properties, global: { type: 'object' } },
    additionalProperties: false,
  };
  return [
    {
      name: 'values.yaml',
      text: own
        .map(({ name, about, start }) => `${commented(about)}${printYaml({ [name]: start })}`)
        .join('\n'),
    },
    { name: 'values.schema.json', text: `${JSON.stringify(schema, null, 2)}\n` },
  ];
}

const commented = (about: string) => about.replace(/^.*$/gm, '# $&').concat('\n');

/** The certificate contains the namespace, so a release elsewhere would not work. */
function releaseCheck({ namespace }: ManifestOptions): string {
  return `{{- if ne .Release.Namespace "${namespace}" }}
{{- fail "this chart is made for the namespace ${namespace}: add -n ${namespace}" }}
{{- end }}
`;
}
