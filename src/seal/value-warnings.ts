import { KsealError, type Warning } from '../errors.ts';
import { checkBinding, type Place } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { forbiddenValue } from '../kubernetes/secret.ts';
import { decodeUtf8 } from '../text.ts';

/** Something about a value that is rarely meant; never the value itself. */
interface Accident {
  readonly id: string;
  readonly message: string;
}

interface TextAccident extends Accident {
  readonly found: (text: string) => boolean;
}

const pattern = (re: RegExp) => (text: string) => re.test(text);

/** Accidents in values that are text. A value of several lines is a file: it ends in a newline. */
const textAccidents: readonly TextAccident[] = [
  { id: 'empty', message: 'is empty', found: (text) => text === '' },
  {
    id: 'trailing-newline',
    message: 'ends with a newline, which most programs take for part of the password',
    found: pattern(/^[^\n]*\r?\n$/),
  },
  {
    id: 'surrounding-space',
    message: 'begins or ends with white space',
    found: pattern(/^\s*[ \t]|^[ \t]|[ \t]\r?\n?$/),
  },
  {
    id: 'bom',
    message: 'begins with a byte order mark',
    found: (text) => text.startsWith('\uFEFF'),
  },
  { id: 'crlf', message: 'has Windows line ends (CR LF)', found: pattern(/\r\n/) },
  {
    id: 'invisible-space',
    message: 'holds a non-breaking or invisible space',
    found: pattern(/[\u00A0\u2007\u202F\u200B-\u200D\u2060]|.\uFEFF/),
  },
  { id: 'smart-quotes', message: 'holds typographic quotes', found: pattern(/[\u2018-\u201F]/) },
  {
    id: 'quoted',
    message: 'is in quotes, which will be part of the value',
    found: pattern(/^(["'])[^\n]*\1\n?$/),
  },
  { id: 'base64', message: 'is base64 already, and would be encoded twice', found: isBase64Text },
  {
    id: 'placeholder',
    message: 'looks like a placeholder',
    found: pattern(
      /^\s*(?:change[-_ ]?(?:me|it)|replace[-_ ]?me|(?:insert|your|my)[-_ ].*(?:password|secret|token|key|here)|todo|tbd|fixme|x{3,}|\*{3,}|\.{3,}|placeholder|dummy|example|<[^<>\n]*>|\$\{[^}\n]*\}|\{\{[^\n]*\}\})\s*$/i,
    ),
  },
];

/** What looks like an accident in a value, in the order of the table above. */
export function valueWarningsIn(bytes: Uint8Array): readonly Accident[] {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return [{ id: 'utf-16', message: 'is UTF-16 text, as PowerShell writes it' }];
  }
  const text = decodeUtf8(bytes);
  return text === undefined ? [] : textAccidents.filter(({ found }) => found(text));
}

/** The ids that `--allow` takes. */
export const valueWarningIds: readonly string[] = ['utf-16', ...textAccidents.map(({ id }) => id)];

/** Base64 of readable text: a random password that happens to be in the alphabet is not. */
function isBase64Text(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed.length < 8 || trimmed.length % 4 !== 0) return false;
  const bytes = Buffer.from(trimmed, 'base64');
  if (bytes.toString('base64') !== trimmed) return false;
  const decoded = decodeUtf8(bytes);
  return decoded !== undefined && !/[\u0000-\u0008\u000E-\u001F\u007F]/.test(decoded);
}

export interface ValuePolicy {
  /** Accidents are errors. */
  readonly strict: boolean;
  /** Accident ids that are not reported. */
  readonly allow: ReadonlySet<string>;
}

/** How each value begins that SOPS has encrypted. */
const SOPS = 'ENC[AES256_GCM,';

/**
 * Checks a plaintext before it is sealed and returns the warnings about it.
 * Throws VALUE_REFUSED for what cannot work: a value that is sealed already (sealed values do not
 * nest), one its Secret type forbids, and under `strict` an accident.
 */
export function checkPlaintext(
  bytes: Uint8Array,
  key: string,
  type: string | undefined,
  { strict, allow }: ValuePolicy,
): readonly Warning[] {
  if (isSealedInSomeForm(bytes)) {
    throw new KsealError(
      'VALUE_REFUSED',
      'the value is sealed already, and sealed values do not nest',
      {
        hint: `to take it over as it is: --from-jwe ${key}=FILE`,
      },
    );
  }
  if (Buffer.from(bytes).subarray(0, SOPS.length).toString('latin1') === SOPS) {
    throw new KsealError('VALUE_REFUSED', 'the value is encrypted by SOPS already', {
      hint: 'decrypt it first: sops decrypt FILE | kseal seal -f -',
    });
  }
  const forbidden = forbiddenValue(type, key, bytes);
  if (forbidden !== undefined) {
    throw new KsealError('VALUE_REFUSED', `the value ${forbidden}`, {
      hint: 'correct the value, or the type',
    });
  }
  const warnings = valueWarningsIn(bytes)
    .filter(({ id }) => !allow.has(id))
    .map(({ id, message }) => ({
      message: `the value ${message} [${id}]`,
      hint: `if that is meant: --allow ${id}`,
    }));
  const [first] = warnings;
  if (strict && first !== undefined)
    throw new KsealError('VALUE_REFUSED', first.message, { hint: first.hint });
  return warnings;
}

/**
 * Checks that a value that is sealed already may stay as it is: it opens at this very place, and
 * its key is known. Returns the warnings. `knownKids` undefined: no key was given to judge by.
 * Throws BINDING_MISMATCH or KEY_UNKNOWN.
 */
export function checkSealed(
  { header }: CompactJwe,
  place: Place,
  knownKids: ReadonlySet<string> | undefined,
): readonly Warning[] {
  if (header.binding === undefined) {
    return [
      {
        message:
          'the sealed value is bound to no place; it opens only where unbound values are accepted',
        hint: 'seal the plaintext with kseal to bind it',
      },
    ];
  }
  checkBinding(header.binding, place);
  if (knownKids !== undefined && !knownKids.has(header.kid ?? '')) {
    throw new KsealError('KEY_UNKNOWN', `is sealed to another key, ${header.kid}`, {
      hint: 'give that key, or open everything and seal it again: kseal decrypt FILE -k OLD | kseal seal -f - -k NEW',
    });
  }
  return [];
}
