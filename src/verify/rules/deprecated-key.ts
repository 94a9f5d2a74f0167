import { shellWord } from '../../text.ts';
import { keyInState, type Policy, type Rule } from '../rule.ts';

export const deprecatedKey: Rule = {
  id: 'deprecated-key',
  severity: 'warning',
  summary: 'a value sealed to a deprecated key',
  why: 'A deprecated key still opens values, but it is about to be replaced. Once no value is sealed to it any more, it can be destroyed. kseal inspect --by-key lists the remaining values, and kseal verify --fail-if-kid proves that none is left.',
  wrong: 'keys:\n  old: { file: keys/old.pub, state: deprecated }   # and a value is sealed to it',
  right: '# kseal decrypt db.yaml -k old | kseal seal -f - -k prod -o db.yaml --force',
  inTemplates: true,
  checkValue: (value, { path }, policy) =>
    keyInState(value, policy, 'deprecated', (old = 'OLD') => {
      const [file, from, to] = [path === '-' ? 'FILE' : path, old, nameOfWanted(policy)].map(
        shellWord,
      );
      return `seal it again to the current key: kseal decrypt ${file} -k ${from} | kseal seal -f - -k ${to} -o ${file} --force`;
    }),
};

/** Returns the name of the key for the path, unless that key is about to be replaced itself. */
function nameOfWanted({ keys, wantedKid = '' }: Policy): string {
  const wanted = keys?.get(wantedKid);
  return (wanted?.state === 'active' && wanted.name) || 'NEW';
}
