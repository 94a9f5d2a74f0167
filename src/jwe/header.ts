import { KsealError } from '../errors.ts';
import { type Binding, readBinding } from './binding.ts';
import { parseJsonObject } from './json.ts';

const ALG = 'RSA-OAEP-256';
const ENC = 'A128CBC-HS256';
const MAX_OCTETS = 4096;

/** A protected header that passed the policy; `binding` is absent on values from other tools. */
export interface Header {
  readonly binding?: Binding;
  readonly kid?: string;
}

/** The members whose presence alone refuses a value, and why. */
const refusedMembers = {
  zip: 'compressed content (zip) is refused',
  crit: 'critical extensions (crit) are refused',
  b64: 'the member b64 is refused',
};

/** The protected header of a sealed value, in its one member order (design: the sealed value). */
export function protectedHeader(binding: Binding, kid: string) {
  return { alg: ALG, enc: ENC, kseal: binding, kid } as const;
}

/**
 * Reads a protected header, strictly: at most 4 KiB, unique members, exactly our `alg` and
 * `enc`. `jku`, `jwk`, `x5u` and `x5c` are never followed: the key comes from the keyring alone.
 * Throws JWE_MALFORMED, or JWE_REFUSED for what is sound but against the policy.
 */
export function readHeader(octets: Uint8Array): Header {
  if (octets.length > MAX_OCTETS) {
    throw new KsealError('JWE_MALFORMED', `protected header is larger than ${MAX_OCTETS} octets`);
  }
  const members = parseJsonObject(octets, 'protected header');
  checkPolicy(members);
  const kid = Object.hasOwn(members, 'kid') ? members.kid : undefined;
  if (kid !== undefined && typeof kid !== 'string') {
    throw new KsealError('JWE_MALFORMED', 'protected header member kid is not a string');
  }
  if (Object.hasOwn(members, 'kseal')) return readBound(octets, members.kseal, kid);
  return kid === undefined ? {} : { kid };
}

function checkPolicy(members: Record<string, unknown>): void {
  for (const [name, reason] of Object.entries(refusedMembers)) {
    if (Object.hasOwn(members, name)) throw new KsealError('JWE_REFUSED', reason);
  }
  for (const [name, wanted] of [
    ['alg', ALG],
    ['enc', ENC],
  ] as const) {
    if (!Object.hasOwn(members, name) || members[name] !== wanted) {
      throw new KsealError('JWE_REFUSED', `protected header member ${name} must be ${wanted}`);
    }
  }
}

/**
 * A header with a member `kseal`, whatever its value, is bound: it must equal our own text of
 * it octet for octet. Anything else is malformed, never "unbound".
 */
function readBound(octets: Uint8Array, member: unknown, kid: string | undefined): Header {
  const binding = readBinding(member);
  if (binding === undefined || kid === undefined || !/^[A-Za-z0-9_-]{43}$/.test(kid)) {
    throw new KsealError(
      'JWE_MALFORMED',
      'protected header has a binding that kseal did not write',
    );
  }
  const own = Buffer.from(JSON.stringify(protectedHeader(binding, kid)));
  if (!own.equals(octets)) {
    throw new KsealError(
      'JWE_MALFORMED',
      'protected header has a binding that kseal did not write',
    );
  }
  return { binding, kid };
}
