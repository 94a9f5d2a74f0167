import { findSealed } from '../../jwe/detect.ts';
import { positionsIn } from '../../yaml/node.ts';
import {
  type JudgedText,
  none,
  type Policy,
  type Rule,
  rekeyCommand,
  type Violation,
} from '../rule.ts';

export const refusedKey: Rule = {
  id: 'refused-key',
  severity: 'error',
  summary: 'a value sealed to the key that --fail-if-kid names',
  why: 'kseal verify --fail-if-kid KID shows whether a key version can be destroyed: only if no value in the working tree, and with --ref on branches and tags, is sealed to it. This rule cannot be suppressed, because the answer would be wrong.',
  wrong: '# kseal verify --fail-if-kid KID, and a value is still sealed to KID',
  right: '# kseal rekey FILE --to NEW',
  inTemplates: true,
  always: true,
  checkText: (text, policy) => {
    if (policy.refusedKids.size === 0) return none;
    return straysIn(text).flatMap(({ position, kid }) => {
      if (kid === undefined || !policy.refusedKids.has(kid)) return [];
      const message = `sealed value outside a Secret, still sealed to key ${kid}`;
      return [{ position, message, hint: hintFor(text.path, policy) }];
    });
  },
  checkValue: ({ position, key, kid }, { path }, policy) => {
    if (kid === undefined || !policy.refusedKids.has(kid)) return none;
    const hint = hintFor(path, policy);
    return [{ position, key, message: `still sealed to key ${kid}`, hint }];
  },
};

const hintFor = (path: string, policy: Policy) =>
  `before this key is destroyed: ${rekeyCommand(path, policy)}`;

/** Finds sealed values outside Secrets: in Helm values, templates and unreadable documents. */
function straysIn({
  source,
  secrets,
}: JudgedText): readonly (Pick<Violation, 'position'> & { readonly kid: string | undefined })[] {
  const known = secrets.flatMap(({ values }) =>
    values.flatMap(({ jwe, bytes }) => (jwe === undefined ? [] : [bytes])),
  );
  const position = positionsIn(source);
  return findSealed(source, known).map(({ offset, kid }) => ({ position: position(offset), kid }));
}
