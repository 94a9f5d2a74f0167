import { MAX_BITS, MIN_BITS, WEAK_BITS } from '../../jwe/compact.ts';
import type { JudgedValue, Policy, Rule, Violation } from '../rule.ts';

export const weakKey: Rule = {
  id: 'weak-key',
  severity: 'warning',
  summary: 'values sealed to a weak key',
  why: 'Anyone who breaks the key in twenty years can read the values that are in Git today. NIST SP 800-57 recommends RSA keys of at least 3072 bits for that long; kseal refuses keys below 2048 bits. Each Secret and key is reported once.',
  wrong: '# RSA-2048',
  right: '# RSA-3072 or RSA-4096: kseal rekey --to NEW',
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

const isWeak = (bits: number) => bits < WEAK_BITS || bits > MAX_BITS;

/** Returns the bits of the key, or if it is unknown, of the encrypted key, which is as long. */
function bitsOf(value: JudgedValue, { keys }: Policy): number | undefined {
  if (value.jwe === undefined) return undefined;
  return keys?.get(value.kid ?? '')?.bits ?? value.jwe.encryptedKey.length * 8;
}

function violation({ position, key }: JudgedValue, bits: number): Violation {
  if (bits >= MIN_BITS && bits <= MAX_BITS) {
    const message = `sealed to RSA-${bits}, which is weak; use ${WEAK_BITS} bits or more`;
    return { position, key, message, hint: 'move the values to a longer key with kseal rekey' };
  }
  const message = `sealed to RSA-${bits}, but only ${MIN_BITS} to ${MAX_BITS} bits are allowed`;
  const hint = 'move the values to a key of 3072 or 4096 bits with kseal rekey';
  return { position, key, message, hint, severity: 'error' };
}
