import type { Words } from '../../diagnostic.ts';
import { expected } from '../../errors.ts';
import { leastPlaintext } from '../../jwe/compact.ts';
import { checkCount, checkSize } from '../../kubernetes/secret.ts';
import { type JudgedValue, none, type Rule, type Violation } from '../rule.ts';

export const tooLarge: Rule = {
  id: 'too-large',
  severity: 'error',
  summary: 'a Secret that is too large, or nearly too large',
  why: 'The opened values of a Secret may total at most 1 MiB, and at most 256 of them can be sealed. Above 128 KiB, which is a warning, the sealed manifest may not fit into the annotation that a client-side kubectl apply writes.',
  wrong: '# a Secret with a keystore of 2 MiB',
  right: '# two Secrets; or up to 1 MiB: kubectl apply --server-side -f FILE',
  covers: 'line',
  checkSecret: ({ values, position }) => {
    let [sealed, bytes] = [0, 0];
    for (const value of values) {
      if (value.jwe !== undefined) sealed++;
      bytes += leastBytes(value);
    }
    const tooMany = violations(position, () => {
      checkCount(sealed);
      return [];
    });
    const tooMuch = violations(position, () => checkSize(bytes));
    return tooMany.length + tooMuch.length === 0 ? none : [...tooMany, ...tooMuch];
  },
};

/** Returns the minimum size of the plaintext. */
function leastBytes({ jwe, defect, bytes }: JudgedValue): number {
  if (defect !== undefined) return 0;
  return jwe === undefined ? bytes.length : leastPlaintext(jwe);
}

function violations(
  position: Violation['position'],
  check: () => readonly Words[],
): readonly Violation[] {
  try {
    return check().map((words) => ({ ...words, position, severity: 'warning' }));
  } catch (error) {
    const { message, hint } = expected(error);
    return [{ position, message, hint }];
  }
}
