import { KsealError } from '../errors.ts';
import { childrenOf, positionsIn, type YamlNode } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';

/** The audit policy of an API server (audit.k8s.io/v1), as far as it matters here. */
export interface AuditPolicy {
  readonly omitStages?: readonly string[];
  readonly rules: readonly AuditRule[];
}

/** The first rule that matches a request decides; what is absent or empty matches everything. */
export interface AuditRule {
  readonly level?: string;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly resources?: readonly {
    readonly group?: string;
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly string[];
}

/** A request for Secrets whose plaintext gets into the audit log. */
export interface AuditLeak {
  /** The index of the rule that logs it. */
  readonly rule: number;
  readonly level: string;
  readonly verb: string;
}

/** An audit policy and the line of each rule. */
export interface AuditPolicyFile {
  readonly policy: AuditPolicy;
  readonly lines: readonly number[];
}

/** Parses a policy; `shown` is its path in messages. Throws CONFIG_INVALID. */
export function parseAuditPolicy(text: string, shown: string): AuditPolicyFile {
  const { roots, errors } = parseYaml(text);
  const [root] = roots;
  const value = root && plainOf(root);
  if (errors.length > 0 || roots.length !== 1 || !isPolicy(value)) {
    const hint = 'give the file that kube-apiserver gets by --audit-policy-file';
    throw new KsealError('CONFIG_INVALID', 'not an audit policy', { thing: shown, hint });
  }
  const position = positionsIn(text);
  const rules =
    root?.kind === 'map' ? root.entries.find((one) => textOf(one.key) === 'rules') : undefined;
  const lines = (rules ? childrenOf(rules.value) : []).map(({ start }) => position(start).line);
  return { policy: value, lines };
}

/** Text, lists and mappings; a scalar is a text, and an empty plain one or `null` is undefined. */
function plainOf(node: YamlNode): unknown {
  if (node.kind === 'alias') return plainOf(node.target);
  if (node.kind === 'seq') return node.items.map(plainOf);
  if (node.kind === 'map')
    return Object.fromEntries(node.entries.map(({ key, value }) => [textOf(key), plainOf(value)]));
  return node.style === 'plain' && /^(?:|~|null)$/i.test(node.text) ? undefined : node.text;
}

function textOf(node: YamlNode): string {
  return node.kind === 'scalar' ? node.text : '';
}

function isPolicy(value: unknown): value is AuditPolicy {
  const { kind, apiVersion, omitStages, rules } = asObject(value);
  return (
    kind === 'Policy' &&
    `${apiVersion}`.startsWith('audit.k8s.io/') &&
    isTexts(omitStages) &&
    Array.isArray(rules) &&
    rules.every(isRule)
  );
}

function isRule(value: unknown): value is AuditRule {
  const { resources = [], ...rule } = asObject(value);
  const lists = ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs', 'omitStages'];
  return (
    typeof rule.level === 'string' &&
    lists.every((name) => isTexts(rule[name])) &&
    Array.isArray(resources) &&
    resources.map(asObject).every((one) => isTexts(one.resources) && isTexts(one.resourceNames))
  );
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function isTexts(value: unknown): boolean {
  return (
    value === undefined || (Array.isArray(value) && value.every((one) => typeof one === 'string'))
  );
}

/** The levels in order; each logs more than the one before it. */
const levels = ['None', 'Metadata', 'Request', 'RequestResponse'];

/**
 * The lowest level at which a request for Secrets logs a plaintext: that of a write is in its body,
 * or in the patch of the webhook; that of other requests is in the response.
 */
const leakingLevels: Readonly<Record<string, string>> = {
  create: 'Request',
  update: 'Request',
  patch: 'Request',
  get: 'RequestResponse',
  list: 'RequestResponse',
  delete: 'RequestResponse',
  deletecollection: 'RequestResponse',
};

/** The stages whose events have bodies. */
const stagesWithBodies = ['ResponseStarted', 'ResponseComplete', 'Panic'];

const AUTHENTICATED = 'system:authenticated';

/** The name of anything that no rule mentions. */
const OTHER = '\0';

interface SecretRequest {
  readonly verb: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** Empty for a list of all namespaces. */
  readonly namespace: string;
  /** Empty if the request has none. */
  readonly name: string;
}

/** Finds a request for Secrets whose plaintext a policy logs; undefined if there is none. */
export function auditLeak({ rules, omitStages = [] }: AuditPolicy): AuditLeak | undefined {
  for (const [index, rule] of rules.entries()) {
    const omitted = [...omitStages, ...(rule.omitStages ?? [])];
    if (stagesWithBodies.every((stage) => omitted.includes(stage))) continue;
    const level = rule.level ?? '';
    const found = requestsOf(rule).find(
      (request) =>
        levels.indexOf(level) >= levels.indexOf(leakingLevels[request.verb] ?? '') &&
        rules.findIndex((one) => matches(one, request)) === index,
    );
    if (found !== undefined) return { rule: index, level, verb: found.verb };
  }
  return undefined;
}

/**
 * The requests that a rule might match and that the fewest other rules match: rules never exclude
 * anything, so a name that no rule mentions represents all that this rule does not name.
 */
function requestsOf(rule: AuditRule): readonly SecretRequest[] {
  const named = (list: readonly string[] | undefined) => (list?.length ? list : [OTHER]);
  const groups = named(rule.userGroups).map((group) =>
    group === 'system:unauthenticated' ? [group] : [group, AUTHENTICATED],
  );
  const names = (rule.resources ?? []).flatMap(({ resourceNames }) => named(resourceNames));
  return Object.keys(leakingLevels).flatMap((verb) =>
    namesFor(verb, names).flatMap((name) =>
      named(rule.namespaces)
        // Only a list can be of all namespaces.
        .filter((namespace) => namespace !== '' || verb === 'list')
        .flatMap((namespace) =>
          named(rule.users).flatMap((user) =>
            groups.map((all) => ({ verb, user, groups: all, namespace, name })),
          ),
        ),
    ),
  );
}

/** A new object has no name in its URL. A list has one if a field selector gives it. */
function namesFor(verb: string, names: readonly string[]): readonly string[] {
  if (['create', 'deletecollection'].includes(verb)) return [''];
  if (verb === 'list') return ['', ...names];
  return names.length > 0 ? names : [OTHER];
}

/** Whether a rule matches, as kube-apiserver decides it. */
function matches(rule: AuditRule, request: SecretRequest): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule;
  const allows = (list: readonly string[] | undefined, ...of: readonly string[]) =>
    !list?.length || of.some((one) => list.includes(one));
  if (!allows(users, request.user) || !allows(userGroups, ...request.groups)) return false;
  if (!allows(verbs, request.verb) || !allows(namespaces, request.namespace)) return false;
  // A rule about URLs matches no request for an object, unless it also names objects.
  if (!resources?.length) return Boolean(namespaces?.length) || !nonResourceURLs?.length;
  return resources.some(
    ({ group = '', resources: kinds = [], resourceNames }) =>
      group === '' &&
      (kinds.length === 0 ||
        (kinds.some((kind) => ['secrets', 'secrets/*', '*'].includes(kind)) &&
          allows(resourceNames, request.name))),
  );
}
