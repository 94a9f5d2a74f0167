import { scopes } from '../../jwe/binding.ts';
import { misplacedPart, none, type Rule } from '../rule.ts';

export const scopeTooWide: Rule = {
  id: 'scope-too-wide',
  severity: 'error',
  summary: 'a sealed value that opens in more places than are allowed here',
  why: 'A value of scope namespace-wide can be read by whoever may create any Secret in its namespace, one of scope cluster-wide by whoever may create a Secret anywhere. The widest scope that is allowed comes from the rule for this path in .kseal.yaml.',
  wrong:
    '# rules: [{ path: "prod/**", scope: strict }], and the header of a value in prod/ says\n{…,"kseal":{"scope":"cluster-wide"},"kid":"…"}',
  right: '{…,"kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"},"kid":"…"}',
  checkValue: (value, secret, allowed) => {
    const { position, key, jwe } = value;
    const scope = jwe?.header.binding?.scope;
    if (scope === undefined || scopes.indexOf(scope) <= scopes.indexOf(allowed.maxScope))
      return none;
    if (misplacedPart(value, secret, allowed) !== undefined) return none;
    const message = `scope ${scope} is wider than ${allowed.maxScope}, the widest that is allowed here`;
    const hint = `seal the plaintext again with --scope ${allowed.maxScope}, or change the rule for this path`;
    return [{ position, key, message, hint }];
  },
};
