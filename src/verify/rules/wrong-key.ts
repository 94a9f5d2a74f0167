import { misplacedPart, none, type Rule } from '../rule.ts';

export const wrongKey: Rule = {
  id: 'wrong-key',
  severity: 'error',
  summary: 'a value sealed to another key than the one for this path',
  why: 'A key is a cluster: one key opens in one cluster. The rule for this path in .kseal.yaml names a key, and the value is sealed to another one that is known and active, so it will not open where this manifest is applied.',
  wrong:
    '# rules: [{ path: "clusters/prod/**", key: prod }], and a value there is sealed to staging',
  right: '# kseal seal -k prod …',
  inTemplates: true,
  checkValue: (value, secret, allowed) => {
    const { kid } = value;
    const { keys, wantedKid } = allowed;
    if (kid === undefined || wantedKid === undefined || kid === wantedKid) return none;
    // During a rotation the old key is deprecated, and that is what is said of its values.
    const known = keys?.get(kid);
    if (keys !== undefined && known?.state !== 'active') return none;
    if (misplacedPart(value, secret, allowed) !== undefined) return none;
    const names = [known?.name ?? kid, keys?.get(wantedKid)?.name ?? wantedKid];
    const message = `sealed to key ${names[0]}, and the key for this path is ${names[1]}`;
    const hint = `seal the plaintext again with -k ${names[1]}, or change the rule for this path`;
    return [{ position: value.position, key: value.key, message, hint }];
  },
};
