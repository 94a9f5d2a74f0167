import type { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { expected } from '../errors.ts';
import { isFile, readFile } from '../fs/read.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { counted, grouped, listOf, MAX_LISTED, printable, shellWord } from '../text.ts';
import { certificatesIn, checkIssued, type PemFile } from '../webhook/certificates.ts';
import { mutatingWebhook, POLICY, policyObjects } from '../webhook/install/admission.ts';
import {
  configurationName,
  hostIn,
  NAME,
  POLICY_BASE,
  tlsSecret,
} from '../webhook/install/options.ts';
import { type AuditPolicyFile, auditLeak, parseAuditPolicy } from './audit-policy.ts';
import type { CheckId, Finding } from './check.ts';
import {
  type ApiObject,
  type Cluster,
  ClusterError,
  type ClusterOptions,
  connect,
  UNEXPECTED,
} from './kubernetes.ts';
import { type Secret, sealedIn } from './stored.ts';

export interface ClusterCheckOptions extends ClusterOptions {
  /** The namespace of the webhook. */
  readonly namespace: string;
  /** The version of kseal. */
  readonly version: string;
  /** The configuration with the keys of this repository. */
  readonly config?: Config | undefined;
  /** The audit policy of the API server, as the path was typed. */
  readonly auditPolicy?: string | undefined;
}

/** Everything that the checks share. */
interface Context extends Pick<ClusterCheckOptions, 'namespace' | 'version' | 'config' | 'cwd'> {
  readonly cluster: Cluster;
  readonly audit: { readonly file: AuditPolicyFile; readonly shown: string } | undefined;
  /** The configurations that call a webhook of kseal. */
  readonly configurations: () => Promise<readonly Configuration[]>;
  /** Undefined if there is none. */
  readonly deployment: () => Promise<Deployment | undefined>;
}

type Result = Omit<Finding, 'check'>;

/** The checks in order: id, the thing it is about, and the check. */
const checks: readonly (readonly [CheckId, string, (context: Context) => Promise<Result>])[] = [
  ['cluster-webhook', `MutatingWebhookConfiguration ${NAME}`, webhookResult],
  ['cluster-ready', `Deployment ${NAME}`, readyResult],
  ['cluster-image', `Deployment ${NAME}`, imageResult],
  ['cluster-ca', 'caBundle', caResult],
  ['cluster-tls', `Secret ${tlsSecret}`, certificateResult],
  ['cluster-policy', `ValidatingAdmissionPolicy ${POLICY}`, policyResult],
  ['cluster-audit', 'audit policy', auditResult],
  ['cluster-stored', 'Secrets', storedResult],
  ['cluster-keys', `Deployment ${NAME}`, keysResult],
];

/**
 * Checks the webhook in a cluster, which is only read from. The first finding is about the API
 * server, and the only one if it does not answer. Throws IO or CONFIG_INVALID for a kubeconfig or an
 * audit policy that cannot be read, before the first finding.
 */
export async function* clusterFindings(options: ClusterCheckOptions): AsyncGenerator<Finding> {
  const { namespace, auditPolicy, cwd } = options;
  const audit =
    auditPolicy === undefined
      ? undefined
      : { file: readAuditPolicy(cwd, auditPolicy), shown: auditPolicy };
  let cluster: Cluster | undefined;
  const version = await resultOf('API server', async () => {
    cluster = await connect(options);
    return versionResult(cluster);
  });
  yield { check: 'cluster-version', ...version.result };
  if (cluster === undefined || version.isUnanswered) return;
  const { get, pages, hint } = cluster;
  const context: Context = {
    ...options,
    ...{ cluster, audit },
    configurations: once(() => readConfigurations(pages)),
    deployment: once(() => {
      const right = `get deployments.apps in ${namespace}`;
      return get(`/apis/apps/v1/namespaces/${namespace}/deployments/${NAME}`, right);
    }),
  };
  const others = checks.map(async ([check, thing, run]) => {
    const { result } = await resultOf(thing, () => run(context), hint);
    return { check, ...result };
  });
  yield* await Promise.all(others);
}

/**
 * The result of a check; `isUnanswered` if the API server did not answer. With a hint, an answer in
 * which a field has another type than in Kubernetes is a failure, too.
 */
async function resultOf(thing: string, check: () => Promise<Result>, hint?: string) {
  try {
    return { result: await check(), isUnanswered: false };
  } catch (error) {
    if (hint !== undefined && error instanceof TypeError)
      return { result: failed(`${thing}: ${UNEXPECTED}`, hint), isUnanswered: true };
    if (!(error instanceof ClusterError)) throw error;
    const { outcome, message: problem, hint: next } = error;
    const message = outcome === 'skipped' ? `${thing}: ${problem}` : problem;
    return { result: { outcome, message, hint: next }, isUnanswered: outcome === 'failed' };
  }
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= read());
}

const ok = (message: string): Result => ({ outcome: 'ok', message });
const failed = (message: string, hint: string): Result => ({ outcome: 'failed', message, hint });
const warning = (message: string, hint: string): Result => ({ outcome: 'warning', message, hint });

const OLDEST_MINOR = 30;

async function versionResult({ get, server, hint }: Cluster): Promise<Result> {
  const { gitVersion } = (await get('/version', 'get /version')) ?? {};
  if (typeof gitVersion !== 'string') return failed(`${server}: ${UNEXPECTED}`, hint);
  const [, minor] = /^v1\.(\d+)\./.exec(gitVersion) ?? [];
  const message = `API server ${server}: Kubernetes ${printable(gitVersion)}`;
  if (Number(minor) >= OLDEST_MINOR) return ok(message);
  return failed(
    `${message}, but the webhook needs 1.${OLDEST_MINOR} or newer`,
    'upgrade the control plane of the cluster',
  );
}

const API = '/apis/admissionregistration.k8s.io/v1';

interface Configuration {
  readonly metadata?: {
    readonly name?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly webhooks?: readonly Webhook[];
}

interface Webhook {
  readonly clientConfig?: {
    readonly service?: {
      readonly name?: string;
      readonly namespace?: string;
      readonly path?: string;
    };
    readonly caBundle?: string;
  };
  readonly namespaceSelector?: Selector;
  readonly objectSelector?: Selector;
  readonly rules?: readonly {
    readonly apiGroups?: readonly string[];
    readonly apiVersions?: readonly string[];
    readonly operations?: readonly string[];
    readonly resources?: readonly string[];
  }[];
  readonly [field: string]: unknown;
}

async function readConfigurations(pages: Cluster['pages']): Promise<readonly Configuration[]> {
  const found: Configuration[] = [];
  const right = 'list mutatingwebhookconfigurations.admissionregistration.k8s.io';
  const path = `${API}/mutatingwebhookconfigurations`;
  for await (const page of pages(path, right)) {
    for (const one of page as readonly Configuration[])
      if (one.metadata?.name === NAME || one.webhooks?.some(isOfKseal)) found.push(one);
  }
  return found;
}

const isOfKseal = ({ clientConfig }: Webhook) => clientConfig?.service?.name === NAME;

/**
 * The webhook of kseal in the namespace, or else in another one; undefined without one. `all` are the
 * configurations that call the namespace: a cluster can have several webhooks.
 */
async function webhookOf({ configurations, namespace }: Context) {
  const every = await configurations();
  const all = every.filter(({ webhooks = [] }) =>
    webhooks.some(({ clientConfig }) => clientConfig?.service?.namespace === namespace),
  );
  const named = configurationName(namespace);
  const configuration =
    all.find(({ metadata }) => metadata?.name === named) ??
    all[0] ??
    every.find(({ metadata }) => metadata?.name === named) ??
    every[0];
  const webhook = configuration?.webhooks?.find(isOfKseal) ?? configuration?.webhooks?.[0];
  return { all, configuration, webhook };
}

/** How to install what is missing. */
const apply = ({ flags }: Cluster, base = 'kseal-webhook') => `kubectl${flags} apply -k ${base}`;

/** How to replace what another version of kseal has made. */
const again = (cluster: Cluster, base?: string) =>
  `run the command at the top of kseal-webhook/kustomization.yaml again, then: ${apply(cluster, base)}`;

/** A property that an installed webhook must have, and what its absence means. */
interface Requirement {
  readonly outcome: 'failed' | 'warning';
  readonly problem: string;
  readonly isMet: (webhook: Webhook, made: Webhook) => boolean;
}

const same =
  (...fields: readonly string[]): Requirement['isMet'] =>
  (webhook, made) =>
    fields.every((field) => isDeepStrictEqual(webhook[field], made[field]));

const requirements: readonly Requirement[] = [
  {
    outcome: 'failed',
    problem: 'failurePolicy is not Fail, so Secrets are stored sealed while the webhook is down',
    isMet: same('failurePolicy'),
  },
  {
    outcome: 'failed',
    problem: 'no rule for CREATE and UPDATE of secrets',
    isMet: ({ rules = [] }) => ['CREATE', 'UPDATE'].every((one) => rules.some(coversSecrets(one))),
  },
  {
    outcome: 'failed',
    problem: 'sideEffects is not None, so dry runs are refused',
    isMet: same('sideEffects'),
  },
  {
    outcome: 'warning',
    problem: 'reinvocationPolicy is not IfNeeded, so values that another webhook adds stay sealed',
    isMet: same('reinvocationPolicy'),
  },
  {
    outcome: 'warning',
    problem: 'timeoutSeconds is less than 5, too short for a KMS',
    isMet: ({ timeoutSeconds }) => Number(timeoutSeconds) >= 5,
  },
  {
    outcome: 'failed',
    problem: 'the path of its Service is not that of kseal',
    isMet: ({ clientConfig }, made) =>
      clientConfig?.service === undefined ||
      clientConfig.service.path === made.clientConfig?.service?.path,
  },
  {
    outcome: 'warning',
    problem: 'objectSelector chooses some of the Secrets, so values in others are not opened',
    isMet: ({ objectSelector }) => isAny(objectSelector),
  },
  {
    outcome: 'warning',
    problem: 'match conditions of another version of kseal',
    isMet: same('matchConditions'),
  },
];

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly operator?: string }[];
}

const isAny = ({ matchLabels = {}, matchExpressions = [] }: Selector = {}) =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

/** Whether --namespace-selector names labels. Each webhook has exclusions: its own, or a provider's. */
const chooses = ({ matchExpressions, ...others }: Selector = {}) =>
  !isAny(others) ||
  matchExpressions?.some(({ operator = '' }) => ['In', 'Exists'].includes(operator));

type Rule = NonNullable<Webhook['rules']>[number];

const coversSecrets =
  (operation: string) =>
  ({ apiGroups, apiVersions, operations, resources }: Rule): boolean => {
    const has = (list: readonly string[] = [], ...any: readonly string[]) =>
      any.some((one) => list.includes(one));
    return (
      has(apiGroups, '', '*') &&
      has(apiVersions, 'v1', '*') &&
      has(operations, operation, '*') &&
      has(resources, 'secrets', '*', '*/*')
    );
  };

async function webhookResult(context: Context): Promise<Result> {
  const { cluster, namespace } = context;
  const { all, configuration, webhook } = await webhookOf(context);
  if (!configuration || !webhook) {
    const name = configurationName(namespace);
    const message = `MutatingWebhookConfiguration ${name}: not found, so no value is opened`;
    return failed(message, apply(cluster));
  }
  const thing = `MutatingWebhookConfiguration ${configuration.metadata?.name}`;
  const made = mutatingWebhook({ namespace, namespaceSelector: [], tls: { kind: 'cert-manager' } });
  const [model = {}] = made.webhooks as readonly Webhook[];
  const missing = requirements.filter(({ isMet }) => !isMet(webhook, model));
  if (missing.length > 0) {
    const message = `${thing}: ${missing.map(({ problem }) => problem).join('; ')}`;
    return { outcome: worstOf(missing), message, hint: again(cluster) };
  }
  const unreachable = await serviceProblem(context, webhook);
  if (unreachable !== undefined)
    return failed(`${thing}: ${unreachable.problem}`, unreachable.hint);
  const others = all.filter((one) => one !== configuration);
  const where = chooses(webhook.namespaceSelector) ? ', for namespaces with certain labels' : '';
  if (others.length === 0) return ok(`${thing}: as made by kseal ${context.version}${where}`);
  const names = others.map(({ metadata }) => printable(`${metadata?.name}`));
  return warning(
    `${thing}: ${listOf(names)} also calls kseal`,
    `kubectl${cluster.flags} delete mutatingwebhookconfiguration ${names.map(shellWord).join(' ')}`,
  );
}

function worstOf(all: readonly Pick<Requirement, 'outcome'>[]): 'failed' | 'warning' {
  return all.some(({ outcome }) => outcome === 'failed') ? 'failed' : 'warning';
}

async function serviceProblem({ cluster, namespace }: Context, { clientConfig }: Webhook) {
  const { service } = clientConfig ?? {};
  if (service?.name === undefined || service.namespace === undefined)
    return { problem: 'calls no Service', hint: again(cluster) };
  const place = printable(`${service.namespace}/${service.name}`);
  if (service.namespace !== namespace) {
    const hint = `kseal doctor --cluster${cluster.flags} -n ${shellWord(printable(service.namespace))}`;
    return { problem: `calls the Service ${place}, not one in ${namespace}`, hint };
  }
  const path = `/api/v1/namespaces/${namespace}/services/${encodeURIComponent(service.name)}`;
  if ((await cluster.get(path, `get services in ${namespace}`)) !== undefined) return undefined;
  return {
    problem: `calls the Service ${place}, which does not exist`,
    hint: apply(cluster),
  };
}

interface Deployment {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: { readonly containers?: readonly Container[] } };
  };
  readonly status?: { readonly readyReplicas?: number };
}

interface Container {
  readonly name?: string;
  readonly image?: string;
  readonly args?: readonly string[];
}

/** Throws a ClusterError for a missing Deployment, which only the first check reports as a failure. */
async function containerOf({ deployment, namespace }: Context): Promise<Container> {
  const { containers = [] } = (await deployment())?.spec?.template?.spec ?? {};
  const container = containers.find(({ name }) => name === 'kseal') ?? containers[0];
  if (container === undefined) throw new ClusterError('skipped', `not found in ${namespace}`);
  return container;
}

async function readyResult({ cluster, namespace, deployment }: Context): Promise<Result> {
  const { spec, status } = (await deployment()) ?? {};
  const thing = `Deployment ${namespace}/${NAME}`;
  if (spec === undefined) return failed(`${thing}: not found`, apply(cluster));
  const [ready, wanted] = [status?.readyReplicas ?? 0, spec.replicas ?? 1];
  const endpoints = await readyEndpoints(cluster, namespace);
  const message = `${thing}: ${ready} of ${counted(wanted, 'pod')} ready, ${counted(endpoints, 'ready endpoint')}`;
  const hint = `kubectl${cluster.flags} -n ${namespace} logs --tail 20 deployment/${NAME}`;
  if (ready === 0 || endpoints === 0) return failed(message, hint);
  return ready < wanted ? warning(message, hint) : ok(message);
}

interface EndpointSlice {
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] | null;
}

async function readyEndpoints({ pages }: Cluster, namespace: string): Promise<number> {
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const path = `${slices}?labelSelector=kubernetes.io%2Fservice-name%3D${NAME}`;
  let count = 0;
  // Kubernetes says to take an unknown state for ready.
  for await (const page of pages(path, `list endpointslices.discovery.k8s.io in ${namespace}`))
    for (const { endpoints } of page as readonly EndpointSlice[])
      count += (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).length;
  return count;
}

async function imageResult(context: Context): Promise<Result> {
  const { image = '' } = await containerOf(context);
  const thing = `image ${printable(image)}`;
  const tag = /:v?(\d+\.\d+\.\d+[\w.-]*)(?:@|$)/.exec(image)?.[1];
  if (tag === undefined)
    return { outcome: 'skipped', message: `${thing}: names no version to compare` };
  if (tag === context.version) return ok(`${thing}: the version of this kseal`);
  return warning(`${thing}: this kseal is ${context.version}`, again(context.cluster));
}

/** How long before its end a certificate is reported; milliseconds. */
const SOON = 30 * 24 * 60 * 60 * 1000;

/** Throws a ClusterError without a CA. */
async function caBundleOf(context: Context): Promise<PemFile> {
  const { webhook } = await webhookOf(context);
  if (webhook === undefined) throw new ClusterError('skipped', 'no webhook');
  return {
    bytes: Buffer.from(webhook.clientConfig?.caBundle ?? '', 'base64'),
    shown: `caBundle of ${NAME}`,
  };
}

/** The command that leads to a new certificate. */
async function renewal(context: Context): Promise<string> {
  const { configuration } = await webhookOf(context);
  const { annotations = {} } = configuration?.metadata ?? {};
  if ('cert-manager.io/inject-ca-from' in annotations)
    return `kubectl${context.cluster.flags} -n ${context.namespace} describe certificate`;
  return 'run the command at the top of kseal-webhook/kustomization.yaml again with --force --rotate serving, and follow the steps in that file';
}

async function caResult(context: Context): Promise<Result> {
  const bundle = await caBundleOf(context);
  const hint = await renewal(context);
  if (bundle.bytes.length === 0)
    return failed(`${bundle.shown}: empty, so the API server cannot trust the webhook`, hint);
  return certificateProblem(hint, () => {
    const [first, ...others] = certificatesIn(bundle);
    const latest = others.reduce((a, b) => (endOf(a) > endOf(b) ? a : b), first);
    return validity(latest, bundle.shown, hint);
  });
}

async function certificateResult(context: Context): Promise<Result> {
  const { cluster, namespace } = context;
  const bundle = await caBundleOf(context);
  if (bundle.bytes.length === 0) throw new ClusterError('skipped', 'no CA to compare with');
  const hint = await renewal(context);
  const shown = `Secret ${namespace}/${tlsSecret}`;
  const path = `/api/v1/namespaces/${namespace}/secrets/${tlsSecret}`;
  const secret = await cluster.get(path, `get secrets ${tlsSecret} in ${namespace}`);
  if (secret === undefined) return failed(`${shown}: not found`, hint);
  // The private key beside it is not looked at.
  const { 'tls.crt': text } = (secret.data ?? {}) as { 'tls.crt'?: string };
  const certificate = { bytes: Buffer.from(`${text ?? ''}`, 'base64'), shown };
  return certificateProblem(hint, () => {
    checkIssued(certificate, bundle, hostIn(namespace));
    return validity(certificatesIn(certificate)[0], shown, hint);
  });
}

/** Reports a certificate that `check` refuses. */
function certificateProblem(hint: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    return failed(expected(error).message, hint);
  }
}

const endOf = ({ validTo }: X509Certificate) => Date.parse(validTo);

function validity(certificate: X509Certificate, shown: string, hint: string): Result {
  const end = endOf(certificate);
  const day = new Date(end).toISOString().slice(0, 10);
  if (end <= Date.now()) return failed(`${shown}: expired on ${day}`, hint);
  if (Date.parse(certificate.validFrom) > Date.now())
    return failed(`${shown}: not valid yet, but from ${certificate.validFrom}`, hint);
  if (end - Date.now() < SOON) return warning(`${shown}: expires on ${day}`, hint);
  return ok(`${shown}: valid until ${day}`);
}

interface Policy {
  readonly spec?: PolicySpec;
  readonly status?: {
    readonly typeChecking?: { readonly expressionWarnings?: readonly unknown[] };
  };
}

interface PolicySpec {
  readonly failurePolicy?: string;
  readonly matchConditions?: unknown;
  readonly variables?: unknown;
  readonly validations?: readonly { readonly expression?: string }[];
}

interface Binding {
  readonly spec?: {
    readonly policyName?: string;
    readonly validationActions?: readonly string[];
    readonly matchResources?: Readonly<Record<string, unknown>>;
  };
}

async function policyResult({ cluster }: Context): Promise<Result> {
  const thing = `ValidatingAdmissionPolicy ${POLICY}`;
  const hint = apply(cluster, `kseal-webhook/${POLICY_BASE}`);
  const right = 'get validatingadmissionpolicies.admissionregistration.k8s.io';
  const policy: Policy | undefined = await cluster.get(
    `${API}/validatingadmissionpolicies/${POLICY}`,
    right,
  );
  if (policy === undefined)
    return failed(`${thing}: not found, so sealed values can be stored`, hint);
  const bindings = await bindingsTo(cluster);
  const denying = bindings.filter(({ spec }) => spec?.validationActions?.includes('Deny'));
  if (denying.length === 0) {
    const problem = bindings.length === 0 ? 'not bound' : 'bound without Deny';
    return failed(`${thing}: ${problem}, so it refuses nothing`, hint);
  }
  if (policy.spec?.failurePolicy !== 'Fail')
    return failed(`${thing}: failurePolicy is not Fail`, hint);
  if (policy.status?.typeChecking?.expressionWarnings?.length) {
    const show = `kubectl${cluster.flags} get validatingadmissionpolicy ${POLICY} -o jsonpath='{.status.typeChecking}'`;
    return warning(`${thing}: the API server warns about its expressions`, show);
  }
  const [made] = policyObjects();
  if (!isDeepStrictEqual(expressionsOf(policy.spec), expressionsOf(made?.spec as PolicySpec)))
    return warning(
      `${thing}: expressions of another version of kseal`,
      again(cluster, `kseal-webhook/${POLICY_BASE}`),
    );
  if (denying.every(({ spec }) => isNarrowed(spec?.matchResources)))
    return warning(`${thing}: bound only to a part of the cluster`, hint);
  return ok(`${thing}: bound, and denies`);
}

async function bindingsTo({ pages }: Cluster): Promise<readonly Binding[]> {
  const found: Binding[] = [];
  const right = 'list validatingadmissionpolicybindings.admissionregistration.k8s.io';
  for await (const page of pages(`${API}/validatingadmissionpolicybindings`, right))
    found.push(...(page as readonly Binding[]).filter(({ spec }) => spec?.policyName === POLICY));
  return found;
}

function expressionsOf(spec: PolicySpec) {
  const { matchConditions, variables, validations = [] } = spec;
  return [matchConditions, variables, validations.map(({ expression }) => expression)];
}

/** The API server adds selectors that are empty, and a matchPolicy. */
function isNarrowed(resources: Readonly<Record<string, unknown>> = {}): boolean {
  return Object.entries(resources).some(
    ([name, value]) => name !== 'matchPolicy' && !isDeepStrictEqual(value, {}),
  );
}

const MAX_POLICY = 1024 * 1024;

function readAuditPolicy(cwd: string, path: string): AuditPolicyFile {
  return parseAuditPolicy(readFile(resolve(cwd, path), path, MAX_POLICY).toString('utf8'), path);
}

const auditHint = 'on a control plane node: kseal doctor --cluster --audit-policy FILE';

async function auditResult(context: Context): Promise<Result> {
  const { audit = await auditOfApiServer(context) } = context;
  if ('outcome' in audit) return audit;
  const { file, shown } = audit;
  const leak = auditLeak(file.policy);
  if (leak === undefined)
    return ok(`audit policy ${shown}: no plaintext of a Secret gets into the audit log`);
  return failed(
    `audit policy ${shown}:${file.lines[leak.rule]}: level ${printable(leak.level)} writes plaintext to the audit log at ${leak.verb} of a Secret`,
    "insert as the first rule: - { level: Metadata, resources: [{ group: '', resources: [secrets] }] }",
  );
}

interface Pod {
  readonly spec?: {
    readonly containers?: readonly (Container & { command?: readonly string[] })[];
  };
}

/** The policy that a kube-apiserver in a pod on this machine uses, or what is known without it. */
async function auditOfApiServer({ cluster, cwd }: Context) {
  const skipped = (message: string): Result => ({ outcome: 'skipped', message, hint: auditHint });
  const path = '/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver';
  const pods: Pod[] = [];
  for await (const page of cluster.pages(path, 'list pods in kube-system')) pods.push(...page);
  const words = pods
    .flatMap(({ spec }) => spec?.containers ?? [])
    .flatMap(({ command = [], args = [] }) => [...command, ...args]);
  if (words.length === 0)
    return skipped('audit policy: not known to the API; Secrets must be at level Metadata');
  // The value may also be the next word.
  const option = /^--audit-policy-file(?:=|$)/;
  const at = words.findIndex((word) => option.test(word));
  if (at < 0) return ok('audit policy: none, so nothing is audited');
  const file = words[at]?.replace(option, '') || `${words[at + 1]}`;
  if (!isFile(file)) return skipped(`audit policy ${printable(file)}: not on this machine`);
  try {
    return { file: readAuditPolicy(cwd, file), shown: file };
  } catch (error) {
    return skipped(expected(error).message);
  }
}

/** Counts all Secrets; of those with a sealed value only names are kept. */
async function storedResult({ cluster }: Context): Promise<Result> {
  const found: string[] = [];
  const count = { all: 0, sealed: 0 };
  const { pages, where, option } = await secretPages(cluster);
  for await (const page of pages) {
    count.all += page.length;
    for (const secret of page as readonly Secret[]) {
      if (sealedIn(secret).length === 0) continue;
      count.sealed += 1;
      if (found.length < MAX_LISTED)
        found.push(`${secret.metadata?.namespace}/${secret.metadata?.name}`);
    }
  }
  const of = `${counted(count.all, 'Secret')}${where}`;
  if (count.sealed === 0) return ok(`${of}: none is stored sealed`);
  const more =
    count.sealed > found.length ? ` and ${grouped(count.sealed - found.length)} more` : '';
  return failed(
    `${of}: ${grouped(count.sealed)} stored sealed: ${found.map(printable).join(', ')}${more}`,
    `kseal webhook sweep${cluster.flags}${option} --write`,
  );
}

/** Without the right to list all Secrets: those in the namespace of the context. */
async function secretPages({ pages, namespace }: Cluster) {
  const right = 'list secrets';
  const all = pages('/api/v1/secrets', right)[Symbol.asyncIterator]();
  try {
    const first = await all.next();
    return { pages: resumed(first, all), where: '', option: '' };
  } catch (error) {
    const isDenied = error instanceof ClusterError && error.outcome === 'skipped';
    if (!isDenied || namespace === undefined) throw error;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;
    const shown = printable(namespace);
    return {
      pages: pages(path, right),
      where: ` in ${shown}`,
      option: ` -n ${shellWord(shown)}`,
    };
  }
}

async function* resumed(
  first: IteratorResult<readonly ApiObject[]>,
  rest: AsyncIterator<readonly ApiObject[]>,
) {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}

/** Compares the arguments of the webhook with the keys in the configuration. */
async function keysResult(context: Context): Promise<Result> {
  const { config, namespace } = context;
  const thing = `Deployment ${namespace}/${NAME}`;
  if (config === undefined)
    return { outcome: 'skipped', message: `${thing}: no configuration to compare its keys with` };
  const { args = [] } = await containerOf(context);
  const valuesOf = (flag: string) =>
    // Kubernetes reads `$$` as a dollar sign.
    args.flatMap((one) =>
      one.startsWith(`${flag}=`) ? one.slice(flag.length + 1).replaceAll('$$', '$') : [],
    );
  // Somebody may have written them as two words, or into variables.
  if (valuesOf('--key').length === 0)
    return { outcome: 'skipped', message: `${thing}: its arguments name no --key=REF` };
  const problems = [
    ...(await stateProblems(config, valuesOf)),
    ...unknownReferences(config, valuesOf('--key')),
  ];
  if (problems.length === 0) return ok(`${thing}: its keys are those of ${config.path}`);
  return warning(`${thing}: ${problems.join('; ')}`, again(context.cluster));
}

/** Names the keys whose state the webhook does not know. */
async function stateProblems(config: Config, valuesOf: (flag: string) => readonly string[]) {
  const { kids, of } = await keyStatuses(config);
  const passed = {
    deprecated: [...valuesOf('--deprecated-kid'), ...valuesOf('--revoked-kid')],
    revoked: valuesOf('--revoked-kid'),
  };
  return [...new Set(kids)].flatMap((kid) => {
    const { state, names } = of(kid);
    if (state === 'active' || passed[state].includes(kid)) return [];
    return `${names.join(', ')} is ${state}, but --${state}-kid does not pass it`;
  });
}

/** Names the keys of the webhook that the configuration does not have. */
function unknownReferences({ path, keys }: Config, references: readonly string[]) {
  const known = [...keys.values()].flatMap((key) => [
    key.source ?? [],
    key.private === undefined ? [] : fileName(key.private),
  ]);
  const names = new Set(known.flat());
  const unknown = references.filter(
    (one) => !names.has(one) && !(one.startsWith('/') && names.has(fileName(one))),
  );
  return unknown.map((one) => `${printable(one)} is not in ${path}`);
}

const fileName = (path: string) => path.split(/[\\/]/).at(-1) ?? '';
