import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AuditRule, auditLeak, parseAuditPolicy } from '../../src/doctor/audit-policy.ts';
import { thrownBy } from '../jwe/thrown.ts';

const leakOf = (rules: readonly AuditRule[], omitStages?: readonly string[]) =>
  auditLeak({ rules, ...(omitStages ? { omitStages } : {}) });

const secrets = [{ group: '', resources: ['secrets'] }];
const safe = { level: 'Metadata', resources: secrets };
const everything = { level: 'RequestResponse' };

describe('no plaintext gets into the audit log', () => {
  test.each<[string, readonly AuditRule[]]>([
    ['without rules', []],
    ['at level Metadata', [{ level: 'Metadata' }]],
    ['at level None', [{ level: 'None' }]],
    ['with a rule for Secrets first', [safe, everything]],
    [
      'with a rule for the whole core group first',
      [{ ...safe, resources: [{ group: '' }] }, everything],
    ],
    [
      'with a rule for resources first that names no group',
      [{ ...safe, resources: [{ resources: ['secrets'] }] }, everything],
    ],
    [
      'with a wildcard first',
      [{ ...safe, resources: [{ group: '', resources: ['*'] }] }, everything],
    ],
    [
      'with a wildcard for subresources first',
      [{ ...safe, resources: [{ group: '', resources: ['secrets/*'] }] }, everything],
    ],
    [
      'with a rule for other resources',
      [{ ...everything, resources: [{ group: '', resources: ['configmaps'] }] }],
    ],
    [
      'with a rule for the subresources of everything',
      [{ ...everything, resources: [{ group: '', resources: ['*/status'] }] }],
    ],
    [
      'with a rule for another group',
      [{ ...everything, resources: [{ group: 'apps', resources: ['*'] }] }],
    ],
    ['with a rule for URLs', [{ ...everything, nonResourceURLs: ['/healthz*'] }]],
    [
      'with level Request for what only reads',
      [{ level: 'Request', verbs: ['get', 'list', 'watch'] }],
    ],
    ['with level RequestResponse for watches', [{ ...everything, verbs: ['watch'] }]],
    [
      'with rules that leave nothing over',
      [
        { ...safe, verbs: ['get', 'list', 'delete', 'deletecollection'] },
        { ...safe, verbs: ['create', 'update', 'patch'] },
        everything,
      ],
    ],
    [
      'with a rule that a user shadows',
      [
        { ...safe, users: ['jane', 'joe'] },
        { ...everything, users: ['joe'] },
      ],
    ],
    [
      'with a rule that a group shadows',
      [
        { ...safe, userGroups: ['system:authenticated'] },
        { ...everything, userGroups: ['admins'] },
      ],
    ],
    [
      'with a rule that a namespace shadows',
      [
        { ...safe, namespaces: ['hr', ''] },
        { ...everything, namespaces: ['hr', ''] },
      ],
    ],
    [
      'with a rule for a name that a namespace shadows',
      [
        { level: 'None', namespaces: ['hr'] },
        {
          ...everything,
          namespaces: ['hr'],
          resources: [{ group: '', resources: ['secrets'], resourceNames: ['db'] }],
        },
      ],
    ],
    [
      'with a rule for objects of the whole cluster, except lists',
      [{ level: 'Request', namespaces: [''] }],
    ],
  ])('%s', (_, rules) => {
    expect(leakOf(rules)).toBeUndefined();
  });

  test('if the stages with bodies are omitted', () => {
    const omitStages = ['ResponseStarted', 'ResponseComplete', 'Panic'];
    expect(leakOf([{ ...everything, omitStages }])).toBeUndefined();
    expect(
      leakOf([{ ...everything, omitStages: omitStages.slice(1) }], ['ResponseStarted']),
    ).toBeUndefined();
    expect(leakOf([everything], ['RequestReceived'])).toBeDefined();
  });
});

describe('plaintext gets into the audit log', () => {
  test.each<[string, readonly AuditRule[], { rule: number; verb: string }]>([
    ['at level RequestResponse', [everything], { rule: 0, verb: 'create' }],
    [
      'at level Request, by the patch of the webhook',
      [{ level: 'Request' }],
      { rule: 0, verb: 'create' },
    ],
    ['by a rule before that for Secrets', [everything, safe], { rule: 0, verb: 'create' }],
    [
      'by a rule after one for another group',
      [{ ...safe, resources: [{ group: 'apps', resources: ['secrets'] }] }, everything],
      { rule: 1, verb: 'create' },
    ],
    [
      'after a rule for the Secrets of one namespace',
      [{ ...safe, namespaces: ['hr'] }, everything],
      { rule: 1, verb: 'create' },
    ],
    [
      'after a rule for one user',
      [{ ...safe, users: ['jane'] }, everything],
      { rule: 1, verb: 'create' },
    ],
    [
      'after a rule for one group',
      [{ ...safe, userGroups: ['admins'] }, everything],
      { rule: 1, verb: 'create' },
    ],
    [
      'after a rule for one name',
      [{ ...safe, resources: [{ ...secrets[0], resourceNames: ['db'] }] }, everything],
      { rule: 1, verb: 'create' },
    ],
    [
      'after a rule for some verbs',
      [{ ...safe, verbs: ['create', 'update'] }, { level: 'Request' }],
      { rule: 1, verb: 'patch' },
    ],
    [
      'for one namespace',
      [{ ...everything, namespaces: ['hr'] }, safe],
      { rule: 0, verb: 'create' },
    ],
    ['for one user', [{ level: 'Request', users: ['jane'] }, safe], { rule: 0, verb: 'create' }],
    [
      'for one of several groups',
      [
        { ...safe, userGroups: ['a'] },
        { ...everything, userGroups: ['a', 'b'] },
      ],
      { rule: 1, verb: 'create' },
    ],
    [
      'for requests without credentials',
      [
        { ...safe, userGroups: ['system:authenticated'] },
        { ...everything, userGroups: ['system:unauthenticated'] },
      ],
      { rule: 1, verb: 'create' },
    ],
    [
      'for an existing Secret by name',
      [{ level: 'Request', resources: [{ ...secrets[0], resourceNames: ['db'] }] }, safe],
      { rule: 0, verb: 'update' },
    ],
    [
      'for a list of one Secret by name',
      [{ ...everything, verbs: ['list'], resources: [{ ...secrets[0], resourceNames: ['db'] }] }],
      { rule: 0, verb: 'list' },
    ],
    ['for reads', [{ ...everything, verbs: ['get'] }], { rule: 0, verb: 'get' }],
    [
      'for lists of all namespaces',
      [{ ...everything, namespaces: [''] }],
      { rule: 0, verb: 'list' },
    ],
    [
      'by a rule for namespaces that also names URLs',
      [{ ...everything, namespaces: ['hr'], nonResourceURLs: ['/x'] }],
      { rule: 0, verb: 'create' },
    ],
  ])('%s', (_, rules, leak) => {
    expect(leakOf(rules)).toEqual({ level: rules[leak.rule]?.level, ...leak });
  });
});

test('a rule for all Secrets at level Metadata in front makes any policy safe', () => {
  const texts = (...words: string[]) => fc.option(fc.subarray(words), { nil: undefined });
  const rule = fc.record({
    level: fc.constantFrom('None', 'Metadata', 'Request', 'RequestResponse'),
    users: texts('jane', 'joe'),
    userGroups: texts('a', 'system:authenticated', 'system:unauthenticated'),
    verbs: texts('create', 'get', 'list', 'delete'),
    namespaces: texts('', 'hr', 'kseal'),
    resources: fc.option(
      fc.array(
        fc.record({
          group: fc.constantFrom('', 'apps'),
          resources: texts('secrets', '*', 'pods'),
          resourceNames: texts('db'),
        }),
        { maxLength: 2 },
      ),
      { nil: undefined },
    ),
  });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), (rules) => {
      // Undefined members are like absent ones.
      const policy = rules as readonly AuditRule[];
      const leak = leakOf(policy);
      if (leak !== undefined)
        expect(['Request', 'RequestResponse']).toContain(policy[leak.rule]?.level);
      expect(leakOf([safe, ...policy])).toBeUndefined();
    }),
  );
});

describe('a policy file', () => {
  const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

  test('has the line of each rule', () => {
    const text = `# Secrets\n${head}omitStages: [RequestReceived]\nrules:\n- level: Metadata\n  users: ~\n\n# all\n- { level: Request, verbs: [create] }\n`;
    expect(parseAuditPolicy(text, 'audit.yaml')).toEqual({
      policy: {
        ...{ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'] },
        rules: [
          { level: 'Metadata', users: undefined },
          { level: 'Request', verbs: ['create'] },
        ],
      },
      lines: [6, 10],
    });
  });

  test('may be JSON', () => {
    const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [safe] };
    expect(parseAuditPolicy(JSON.stringify(policy), 'audit.json')).toEqual({ policy, lines: [1] });
  });

  test('may use aliases', () => {
    const text = `${head}rules:\n- level: Metadata\n  users: &some [jane]\n- level: None\n  users: *some\n`;
    expect(parseAuditPolicy(text, 'audit.yaml').policy.rules[1]?.users).toEqual(['jane']);
  });

  test.each([
    ['empty', ''],
    ['no YAML', '{CANARY'],
    ['another object', 'apiVersion: v1\nkind: ConfigMap\n'],
    ['two documents', `${head}rules: []\n---\n${head}rules: []\n`],
    ['without rules', head],
    ['with a rule without a level', `${head}rules: [{ users: [CANARY] }]`],
    ['with a text for a list', `${head}rules: [{ level: None, users: CANARY }]`],
    ['with a text for a resource', `${head}rules: [{ level: None, resources: CANARY }]`],
    [
      'with an object for a text',
      `${head}rules: [{ level: None, resources: [{ resources: [{}] }] }]`,
    ],
    ['with a text for the stages', `${head}omitStages: CANARY\nrules: []`],
  ])('that is %s is refused', (_, text) => {
    const thrown = thrownBy(() => parseAuditPolicy(text, 'audit.yaml'));
    expect(thrown).toEqual({
      code: 'CONFIG_INVALID',
      message: 'audit.yaml: not an audit policy',
      hint: 'give the file that kube-apiserver gets by --audit-policy-file',
    });
  });
});
