import { none, type Rule } from '../rule.ts';

export const refusedKey: Rule = {
  id: 'refused-key',
  severity: 'error',
  summary: 'a value sealed to the key that --fail-if-kid names',
  why: 'kseal verify --fail-if-kid KID answers whether a key version may be destroyed: it may, if no value needs it any more, in the work tree and, with --ref, on the branches and tags that are still in use. Nothing silences this rule, for the answer would be wrong.',
  wrong: '# kseal verify --fail-if-kid KID, and a value is still sealed to KID',
  right: '# kseal decrypt FILE -k OLD | kseal seal -f - -k NEW -o FILE --force',
  inTemplates: true,
  always: true,
  checkValue: (value, _, { refusedKids }) => {
    const { kid } = value;
    if (kid === undefined || !refusedKids.has(kid)) return none;
    return [{ position: value.position, key: value.key, ...stillSealed(kid) }];
  },
};

export function stillSealed(kid: string) {
  return {
    message: `is still sealed to key ${kid}`,
    hint: 'seal it again to the current key before that one is destroyed',
  };
}
