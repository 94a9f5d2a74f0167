import { bindingTo, type Scope } from '../../src/jwe/binding.ts';
import type { KeyState } from '../../src/jwe/decrypt.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { AskedKey, makePair } from './pairs.ts';

/** The decoded `data` of a Secret. */
export type Data = Readonly<Record<string, string | Buffer>>;

export const bytesOf = (data: Data) =>
  new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)]));

type OpenRequest = Parameters<typeof unsealData>[0];

/** Options that replace the defaults: one active key, and the strictest policy except for scopes. */
type More = Partial<Omit<OpenRequest, 'data' | 'before' | 'policy'>> &
  Partial<OpenRequest['policy']> & { readonly before?: Data; readonly state?: KeyState };

const home = { namespace: 'hr', name: 'db' };
const header = '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}';

/** The outcome for a Secret that is opened or left alone, with `calls` calls to the key. */
export const opens = (opened: Record<string, string>, calls: number) => ({
  opened,
  codes: {},
  calls,
});

/** The outcome for a Secret that is refused, with `calls` calls to the key. */
export const refuses = (codes: Record<string, string>, calls = 0) => ({ opened: {}, codes, calls });

/** Two key pairs, and functions to seal values for the Secret hr/db and to open it. */
export async function secrets() {
  const [pair, other] = await Promise.all([makePair(), makePair()]);

  const seal = (text: string, key: string, scope: Scope = 'strict', to = pair) =>
    encryptCompact(Buffer.from(text), bindingTo(scope, { ...home, key }), to);

  /** A value of another tool; `more` are extra members of its header. */
  const sealUnbound = (text: string, more = '', to = pair) =>
    makeJwe(Buffer.from(text), to.publicPem, header.replace('}', `${more}}`));

  /** Opens a Secret with the key of `pair`. */
  async function open(data: Data, more: More = {}) {
    const { before, state, place = home, keyring, ...policy } = more;
    const key = new AskedKey(pair, state);
    const { opened, warnings, errors } = await unsealData({
      place,
      data: bytesOf(data),
      ...(before && { before: bytesOf(before) }),
      keyring: keyring ?? [key],
      policy: { acceptUnbound: false, allowRevoked: false, maxScope: 'cluster-wide', ...policy },
    });
    const texts = [...opened].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
    const codes = [...errors].map(([name, { code }]) => [name, code]);
    return {
      opened: Object.fromEntries(texts) as Record<string, string>,
      codes: Object.fromEntries(codes) as Record<string, string>,
      warnings: Object.fromEntries(warnings),
      calls: key.asked.length,
      /** Each message with its hint. */
      messages: [...errors.values()].map(({ message, hint }) => `${message} (${hint})`),
      key,
    };
  }

  /** The opened values, the error codes and the number of calls to the key. */
  const outcome = async (data: Data, more?: More) => {
    const { opened, codes, calls } = await open(data, more);
    return { opened, codes, calls };
  };

  return { pair, other, seal, sealUnbound, open, outcome };
}
