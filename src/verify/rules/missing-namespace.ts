import { none, type Rule } from '../rule.ts';

export const missingNamespace: Rule = {
  id: 'missing-namespace',
  severity: 'error',
  summary: 'a Secret with bound values, and without a namespace',
  why: 'Its values open in one namespace only, and the manifest leaves it to whoever applies it which one that is, so nobody can prove that they open. A namespace that kustomize or kubectl -n adds later can be named in the rule for the path.',
  wrong: 'kind: Secret\nmetadata:\n  name: db',
  right:
    'kind: Secret\nmetadata:\n  name: db\n  namespace: hr\n# or in .kseal.yaml: rules: [{ path: "hr/**", namespace: hr }]',
  covers: 'line',
  checkSecret: ({ lacksNamespace, values, placeOf, position }) => {
    if (!lacksNamespace) return none;
    const bound = values.flatMap(({ jwe }) => {
      const binding = jwe?.header.binding;
      return binding === undefined || binding.scope === 'cluster-wide' ? [] : [binding.namespace];
    });
    const [first] = bound;
    if (first === undefined) return none;
    const message = `the Secret names no namespace, and its values are sealed for ${[...new Set(bound)].join(', ')}`;
    const hint = `write namespace: ${first} below metadata:, or namespace: ${first} in the rule for this path in .kseal.yaml`;
    return [{ position: placeOf('metadata') ?? position, message, hint }];
  },
};
