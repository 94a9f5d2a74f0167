import type { JudgedValue, Policy, Rule, Violation } from '../rule.ts';

/** The same as in `keys/key-file.ts`, which rules must not import; a test compares the two. */
export const bounds = { least: 2048, advised: 3072, most: 8192 };

export const weakKey: Rule = {
  id: 'weak-key',
  severity: 'warning',
  summary: 'values sealed to a weak key',
  why: 'Anyone who breaks the key in twenty years can read the values that are in Git today. NIST SP 800-57 recommends RSA keys of at least 3072 bits for that long; kseal refuses keys below 2048 bits. Each Secret and key is reported once.',
  wrong: '# RSA-2048',
  right: '# RSA-3072 or RSA-4096: seal the values again to a new key version',
  inTemplates: true,
  checkSecret: ({ values }, policy) => {
    const first = new Map<string, { value: JudgedValue; bits: number }>();
    for (const value of values) {
      const bits = bitsOf(value, policy);
      if (bits === undefined || !isWeak(bits)) continue;
      const id = `${bits} ${value.kid ?? ''}`;
      if (!first.has(id)) first.set(id, { value, bits });
    }
    return [...first.values()].map(({ value, bits }) => violation(value, bits));
  },
};

const isWeak = (bits: number) => bits < bounds.advised || bits > bounds.most;

/** Returns the bits of the key, or if it is unknown, of the encrypted key, which is as long. */
function bitsOf(value: JudgedValue, { keys }: Policy): number | undefined {
  if (value.jwe === undefined) return undefined;
  return keys?.get(value.kid ?? '')?.bits ?? value.jwe.encryptedKey.length * 8;
}

function violation({ position, key }: JudgedValue, bits: number): Violation {
  const { least, advised, most } = bounds;
  if (bits >= least && bits <= most) {
    const message = `sealed to RSA-${bits}, which is weak; use ${advised} bits or more`;
    return { position, key, message, hint: 'seal the values again to a longer key' };
  }
  const message = `sealed to RSA-${bits}, but only ${least} to ${most} bits are allowed`;
  const hint = 'seal the values again to a key of 3072 or 4096 bits';
  return { position, key, message, hint, severity: 'error' };
}
