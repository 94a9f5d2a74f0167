import { misplacedPart, none, type Rule, rekeyCommand } from '../rule.ts';

export const wrongKey: Rule = {
  id: 'wrong-key',
  severity: 'error',
  summary: 'a value sealed to a different key from the one for this path',
  why: 'A key belongs to one cluster. The rule for this path in .kseal.yaml names a key, and the value is sealed to another one that is known and active, so it will not open where this manifest is applied.',
  wrong:
    '# rules: [{ path: "clusters/prod/**", key: prod }], and a value there is sealed to staging',
  right: '# kseal rekey db.yaml --to prod',
  inTemplates: true,
  checkValue: (value, secret, policy) => {
    const { position, key, kid } = value;
    const { keys, wantedKid } = policy;
    if (kid === undefined || wantedKid === undefined || kid === wantedKid) return none;
    // During a rotation the old key is deprecated, which has a rule of its own.
    const known = keys?.get(kid);
    if (keys !== undefined && known?.state !== 'active') return none;
    if (misplacedPart(value, secret, policy) !== undefined) return none;
    const [actual, wanted] = [known?.name ?? kid, keys?.get(wantedKid)?.name ?? wantedKid];
    const message = `sealed to key ${actual}, but the key for this path is ${wanted}`;
    const hint = `move it: ${rekeyCommand(secret.path, policy)}; or seal the plaintext again with -k ${wanted}, or change the rule for this path`;
    return [{ position, key, message, hint }];
  },
};
