import { none, type Rule } from '../rule.ts';

export const unknownKid: Rule = {
  id: 'unknown-kid',
  severity: 'error',
  summary: 'a value sealed to an unknown key',
  why: 'The kid in the header names the key that opens the value, and neither keys: in .kseal.yaml nor --key has it. Either the value comes from another cluster, or somebody sealed it to a key of their own.',
  wrong: '# .kseal.yaml has only the key prod, and the value is sealed to staging',
  right: '# seal it to prod: kseal seal -k prod …   or add the key to .kseal.yaml',
  inTemplates: true,
  checkValue: ({ position, key, kid }, _, { keys }) => {
    if (keys === undefined || kid === undefined || keys.has(kid)) return none;
    const hint =
      'seal the value again to a known key; or add this key: --key FILE, or keys: in .kseal.yaml';
    return [{ position, key, message: `sealed to an unknown key: ${kid}`, hint }];
  },
};
