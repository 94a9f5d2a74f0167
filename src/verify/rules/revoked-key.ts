import { keyInState, type Rule } from '../rule.ts';

const hint = 'change the value, and seal the new one to the current key';

export const revokedKey: Rule = {
  id: 'revoked-key',
  severity: 'error',
  summary: 'a value sealed to a revoked key',
  why: 'Somebody else may have the private key, so consider every value sealed to it disclosed. The webhook does not open it. Change the value itself, and seal the new one to the current key.',
  wrong: 'keys:\n  old: { file: keys/old.pub, state: revoked }   # and a value is sealed to it',
  right: '# kseal seal --into FILE -k prod --prompt password, with a new password',
  inTemplates: true,
  checkValue: (value, _, policy) => keyInState(value, policy, 'revoked', () => hint),
};
