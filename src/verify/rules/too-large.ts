import { KsealError } from '../../errors.ts';
import { checkCount, checkSize } from '../../kubernetes/secret.ts';
import { type JudgedValue, none, type Remark, type Rule } from '../rule.ts';

export const tooLarge: Rule = {
  id: 'too-large',
  severity: 'error',
  summary: 'a Secret that is too large, or nearly so',
  why: 'The values of a Secret add up to at most 1 MiB once they are opened, and at most 256 of them are opened in one Secret. From 128 KiB on, which is a warning, the sealed manifest may not fit into the annotation that a client-side kubectl apply writes.',
  wrong: '# a Secret with a keystore of 2 MiB',
  right: '# two Secrets; or for up to 1 MiB: kubectl apply --server-side -f FILE',
  covers: 'line',
  checkSecret: ({ values, position }) => {
    let [sealed, bytes] = [0, 0];
    for (const value of values) {
      if (value.jwe !== undefined) sealed++;
      bytes += leastBytes(value);
    }
    const tooMany = said(position, () => checkCount(sealed));
    const tooMuch = said(position, () => checkSize(bytes));
    return tooMany.length + tooMuch.length === 0 ? none : [...tooMany, ...tooMuch];
  },
};

/** CBC fills up to the next whole block, so this is the least that a plaintext may have. */
function leastBytes({ jwe, fault, bytes }: JudgedValue): number {
  if (fault !== undefined) return 0; // What it would be, nobody knows.
  return jwe === undefined ? bytes.length : jwe.ciphertext.length - 16;
}

function said(
  position: Remark['position'],
  // biome-ignore lint/suspicious/noConfusingVoidType: one of the checks has nothing to warn of
  check: () => readonly Pick<Remark, 'message' | 'hint'>[] | void,
): readonly Remark[] {
  try {
    return (check() ?? []).map((warning) => ({ ...warning, position, severity: 'warning' }));
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return [{ position, message: error.message, hint: error.hint }];
  }
}
