import type { Words } from '../../diagnostic.ts';
import { expected } from '../../errors.ts';
import { leastPlaintext } from '../../jwe/compact.ts';
import { checkApplied, checkCount, checkSize } from '../../kubernetes/secret.ts';
import { type JudgedValue, none, type Rule, type Violation } from '../rule.ts';

export const tooLarge: Rule = {
  id: 'too-large',
  severity: 'error',
  summary: 'a Secret that is too large, or too large for a client-side apply',
  why: 'The opened values of a Secret may total at most 1 MiB, and at most 256 of them can be sealed. A client-side kubectl apply also copies the sealed manifest into an annotation, and the API server answers "Too long" if all annotations total more than 256 KiB, which is a warning. kubectl apply --server-side writes no such annotation. Neither do Flux and Helm, nor Argo CD with ServerSideApply=true.',
  wrong: '# a Secret with a keystore of 2 MiB, or with 200 passwords',
  right: '# two Secrets; or up to 1 MiB: kubectl apply --server-side -f FILE',
  covers: 'line',
  checkSecret: ({ values, position, appliedBytes }) => {
    let [sealed, bytes] = [0, 0];
    for (const value of values) {
      if (value.jwe !== undefined) sealed++;
      bytes += leastBytes(value);
    }
    const tooMany = violations(position, () => {
      checkCount(sealed);
      return [];
    });
    const tooMuch = violations(position, () => {
      checkSize(bytes);
      // A damaged value has a finding of its own, and will be replaced.
      return values.some(({ defect }) => defect) ? [] : checkApplied(appliedBytes);
    });
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
