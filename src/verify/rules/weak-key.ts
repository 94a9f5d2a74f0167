import type { JudgedValue, Policy, Remark, Rule } from '../rule.ts';

/** As `keys/policy.ts` has it; a test compares the two. */
export const bounds = { least: 2048, advised: 3072, most: 8192 };

export const weakKey: Rule = {
  id: 'weak-key',
  severity: 'warning',
  summary: 'values sealed to a weak key',
  why: 'What is in Git today can be read by whoever breaks the key in twenty years. RSA with 3072 bits or more is advised for that long (NIST SP 800-57); kseal refuses keys below 2048 bits. It is said once for each Secret and each such key.',
  wrong: '# RSA-2048',
  right: '# RSA-3072 or RSA-4096: seal the values again to a new key version',
  inTemplates: true,
  checkSecret: ({ values }, allowed) => {
    const first = new Map<string, JudgedValue>();
    for (const value of values) {
      const bits = bitsOf(value, allowed);
      if (bits === undefined || !isWeak(bits)) continue;
      const id = `${bits} ${value.kid ?? ''}`;
      if (!first.has(id)) first.set(id, value);
    }
    return [...first.values()].map((value) => remarkOn(value, bitsOf(value, allowed) ?? 0));
  },
};

const isWeak = (bits: number) => bits < bounds.advised || bits > bounds.most;

/** The modulus is as long as the encrypted key, where the key itself is not known. */
function bitsOf(value: JudgedValue, { keys }: Policy): number | undefined {
  if (value.jwe === undefined) return undefined;
  return keys?.get(value.kid ?? '')?.bits ?? value.jwe.encryptedKey.length * 8;
}

function remarkOn({ position, key }: JudgedValue, bits: number): Remark {
  if (bits >= bounds.least && bits <= bounds.most) {
    const message = `sealed to a weak key, RSA-${bits}; ${bounds.advised} bits or more are advised`;
    return { position, key, message, hint: 'seal the values again to a longer key' };
  }
  const message = `sealed to RSA-${bits}, and only ${bounds.least} to ${bounds.most} bits are allowed`;
  const hint = 'seal the values again to a key of 3072 or 4096 bits';
  return { position, key, message, hint, severity: 'error' };
}
