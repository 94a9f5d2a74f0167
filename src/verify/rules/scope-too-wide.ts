import { scopes } from '../../jwe/binding.ts';
import { misplacedPart, none, type Rule } from '../rule.ts';

export const scopeTooWide: Rule = {
  id: 'scope-too-wide',
  severity: 'error',
  summary: 'a sealed value that opens in more places than allowed',
  why: 'A value with scope namespace-wide can be read by anyone who may create a Secret in its namespace; with scope cluster-wide, by anyone who may create a Secret anywhere. The rule for this path in .kseal.yaml sets the widest scope that is allowed.',
  wrong:
    '# rules: [{ path: "prod/**", scope: strict }], and the header of a value in prod/ contains\n{…,"kseal":{"scope":"cluster-wide"},"kid":"…"}',
  right: '{…,"kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"},"kid":"…"}',
  checkValue: (value, secret, policy) => {
    const { position, key, jwe } = value;
    const { maxScope } = policy;
    const scope = jwe?.header.binding?.scope;
    if (scope === undefined || scopes.indexOf(scope) <= scopes.indexOf(maxScope)) return none;
    if (misplacedPart(value, secret, policy) !== undefined) return none;
    const message = `scope ${scope} is too wide: only ${maxScope} is allowed here`;
    const hint = `seal the plaintext again with --scope ${maxScope}, or change the rule for this path`;
    return [{ position, key, message, hint }];
  },
};
