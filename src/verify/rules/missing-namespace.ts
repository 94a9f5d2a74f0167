import { listOf } from '../../text.ts';
import { none, type Rule } from '../rule.ts';

export const missingNamespace: Rule = {
  id: 'missing-namespace',
  severity: 'error',
  summary: 'a Secret with bound values, but without a namespace',
  why: 'The values open in one namespace only, but the manifest does not say which, so nobody can prove that they open. If kustomize or kubectl -n adds the namespace, name it in the rule for the path.',
  wrong: 'kind: Secret\nmetadata:\n  name: db',
  right:
    'kind: Secret\nmetadata:\n  name: db\n  namespace: hr\n# or in .kseal.yaml: rules: [{ path: "hr/**", namespace: hr }]',
  covers: 'line',
  checkSecret: ({ lacksNamespace, values, positionOf, position }) => {
    if (!lacksNamespace) return none;
    const bound = values.flatMap(({ jwe }) => {
      const binding = jwe?.header.binding;
      return binding === undefined || binding.scope === 'cluster-wide' ? [] : [binding.namespace];
    });
    const [first] = bound;
    if (first === undefined) return none;
    const message = `no namespace, but values sealed for ${listOf([...new Set(bound)])}`;
    const hint = `add namespace: ${first} under metadata:, or to the rule for this path in .kseal.yaml`;
    return [{ position: positionOf('metadata') ?? position, message, hint }];
  },
};
