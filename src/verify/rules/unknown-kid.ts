import { none, type Rule } from '../rule.ts';

export const unknownKid: Rule = {
  id: 'unknown-kid',
  severity: 'error',
  summary: 'a value sealed to a key that is not known here',
  why: 'The kid in the header names the key that opens the value, and it is none of the keys under keys: in .kseal.yaml, nor one given with --key. Either the value comes from another cluster, or somebody sealed it to a key of their own.',
  wrong: '# .kseal.yaml knows prod alone, and the value is sealed to staging',
  right: '# seal it to prod: kseal seal -k prod …   or add the key to .kseal.yaml',
  inTemplates: true,
  checkValue: (value, _, { keys }) => {
    const { kid } = value;
    if (keys === undefined || kid === undefined || keys.has(kid)) return none;
    const message = `sealed to a key that is not known here: ${kid}`;
    const hint =
      'seal the value again to a known key; or add that key: --key FILE, or keys: in .kseal.yaml';
    return [{ position: value.position, key: value.key, message, hint }];
  },
};
