import { KsealError } from '../errors.ts';
import { bufferOf } from './base64url.ts';
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

/** The shape of its one text, which has no escapes: what a binding may hold needs none. */
const ownText = new RegExp(
  `^{"alg":"${ALG}","enc":"${ENC}","kseal":{"scope":"([^"]+)"` +
    '(?:,"namespace":"([^"]+)")?(?:,"name":"([^"]+)")?(?:,"key":"([^"]+)")?' +
    '},"kid":"([A-Za-z0-9_-]{43})"}$',
);

/**
 * Reads a protected header, strictly: at most 4 KiB, unique members, exactly our `alg` and
 * `enc`. `jku`, `jwk`, `x5u` and `x5c` are never followed: the key comes from the keyring alone.
 * Throws JWE_MALFORMED, or JWE_REFUSED for what is sound but against the policy.
 */
export function readHeader(octets: Uint8Array): Header {
  if (octets.length > MAX_OCTETS) {
    throw new KsealError('JWE_MALFORMED', `protected header is larger than ${MAX_OCTETS} octets`);
  }
  return readOwn(octets) ?? readUnbound(octets);
}

/** Reads a bound header, which equals our own text octet for octet and so has no member twice. */
function readOwn(octets: Uint8Array): Header | undefined {
  const match = ownText.exec(bufferOf(octets).toString('latin1'));
  if (match === null) return undefined;
  const [, scope, namespace, name, key, kid = ''] = match;
  const binding = readBinding({ scope, namespace, name, key });
  return binding && { binding, kid };
}

/**
 * Reads the header of another tool. One with a member `kseal`, whatever its value, is not
 * "unbound": what is not our own text of it is malformed.
 */
function readUnbound(octets: Uint8Array): Header {
  const members = parseJsonObject(octets, 'protected header');
  checkPolicy(members);
  const kid = Object.hasOwn(members, 'kid') ? members.kid : undefined;
  if (kid !== undefined && typeof kid !== 'string') {
    throw new KsealError('JWE_MALFORMED', 'protected header member kid is not a string');
  }
  if (Object.hasOwn(members, 'kseal')) {
    throw new KsealError(
      'JWE_MALFORMED',
      'protected header has a binding that kseal did not write',
    );
  }
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
