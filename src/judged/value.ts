import { KsealError } from '../errors.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { looksFlattened, looksSealed, readSealedValue, sealedLook } from '../jwe/detect.ts';
import type { Entry } from '../manifest/types.ts';
import type { JudgedValue } from '../rules/rule.ts';
import { isPlaceholder } from './template.ts';

type Fault = NonNullable<JudgedValue['fault']>;

/** Reads a value as far as that needs no key. */
export function judgeValue(entry: Entry): JudgedValue {
  const { octets } = entry;
  try {
    const jwe = readSealedValue(octets);
    if (jwe !== undefined) return judged(entry, jwe, undefined, false);
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return judged(entry, undefined, faultOf(error, octets), false);
  }
  const fault = nearMiss(octets);
  return judged(entry, undefined, fault, fault === undefined && isPlaceholder(octets));
}

// Member by member: spreading an object takes many times as long.
function judged(
  { field, key, octets, position }: Entry,
  jwe: CompactJwe | undefined,
  fault: Fault | undefined,
  placeholder: boolean,
): JudgedValue {
  const kid = jwe && thumbprint(jwe);
  return { field, key, octets, position, jwe, kid, fault, placeholder };
}

function thumbprint({ header: { kid } }: CompactJwe): string | undefined {
  return kid !== undefined && /^[A-Za-z0-9_-]{43}$/.test(kid) ? kid : undefined;
}

function faultOf({ code, message, hint }: KsealError, octets: Uint8Array): Fault {
  if (sealedLook(octets) === 'no' && looksFlattened(octets))
    return { rule: 'json-serialization', message, hint };
  const rule = code === 'JWE_REFUSED' ? 'algorithm-not-allowed' : 'malformed-jwe';
  return { rule, message, hint: hint ?? 'seal the value again' };
}

/**
 * A JWE that the webhook would not take for one, so that the program would get it in place of
 * its password.
 */
function nearMiss(octets: Uint8Array): Fault | undefined {
  const start = Buffer.from(octets.buffer, octets.byteOffset, Math.min(octets.length, 64));
  const text = start.toString('latin1').replace(/^(?:\u00EF\u00BB\u00BF|[\s"'])+/, '');
  if (text.length < start.length && looksSealed(Buffer.from(text, 'latin1'))) {
    return {
      rule: 'malformed-jwe',
      message: 'other characters stand in front of the sealed value, so it would not be opened',
      hint: 'remove the white space or the quotes in front of it',
    };
  }
  if (!text.startsWith('eyJ') || !isForeignJwe(octets)) return undefined;
  return {
    rule: 'algorithm-not-allowed',
    message: 'is a JWE of another kind, which is not recognised and would not be opened',
    hint: 'seal the value again with kseal',
  };
}

/** Five segments, the first of them a header that names `alg` and `enc`: no JWS has either. */
function isForeignJwe(octets: Uint8Array): boolean {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1');
  const [header = '', ...rest] = text.trim().split('.', 6);
  if (rest.length !== 4 || header.length > 8192) return false;
  const members = Buffer.from(header, 'base64url').toString('latin1');
  return /"alg"\s*:/.test(members) && /"enc"\s*:/.test(members);
}
