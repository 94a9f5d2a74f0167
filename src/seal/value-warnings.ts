import type { Diagnostic, Words } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import { checkBinding, type Place } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { forbiddenValue } from '../kubernetes/secret.ts';
import { placeholderTool, startsLikeSops, toolNamedIn } from '../manifest/other-tools.ts';
import { decodeUtf8 } from '../text.ts';

export interface ValuePolicy {
  /** Warnings about values are errors. */
  readonly strict: boolean;
  /** The codes of warnings to omit. */
  readonly allow: ReadonlySet<string>;
}

/** A warning about a value, without its place. */
export type Warning = Words & Pick<Diagnostic, 'code'>;

/**
 * Returns the warnings that the policy does not suppress.
 *
 * @throws KsealError VALUE_REFUSED under `strict`, for the first of them
 */
export function underPolicy(
  found: readonly Warning[],
  { strict, allow }: ValuePolicy,
): readonly Warning[] {
  const warnings = found
    .filter(({ code }) => !allow.has(code))
    .map(({ code, message, hint }) => ({
      code,
      message: `${message} [${code}]`,
      hint: `${hint === undefined ? '' : `${hint}; `}if that is intended: --allow ${code}`,
    }));
  const [first] = warnings;
  if (strict && first !== undefined)
    throw new KsealError('VALUE_REFUSED', first.message, { hint: first.hint });
  return warnings;
}

/**
 * Checks a plaintext before it is sealed, and returns warnings about it.
 *
 * @throws KsealError VALUE_REFUSED for a value that is already sealed or encrypted by SOPS, one
 *   that its Secret type forbids, and under `strict` one with a warning
 */
export function checkPlaintext(
  bytes: Uint8Array,
  key: string,
  type: string | undefined,
  policy: ValuePolicy,
): readonly Warning[] {
  if (isSealedInSomeForm(bytes)) {
    throw new KsealError('VALUE_REFUSED', 'already sealed, and sealed values cannot be nested', {
      hint: `to use the sealed value as it is: --from-jwe ${key}=FILE`,
    });
  }
  if (startsLikeSops(bytes)) {
    throw new KsealError('VALUE_REFUSED', 'already encrypted by SOPS', {
      hint: 'decrypt it first: sops decrypt FILE | kseal seal -f -',
    });
  }
  const forbidden = forbiddenValue(type, key, bytes);
  if (forbidden !== undefined) {
    throw new KsealError('VALUE_REFUSED', `the value ${forbidden}`, {
      hint: 'correct the value, or the type',
    });
  }
  const found = warningsAbout(bytes);
  return underPolicy(
    found.map(({ code, message }) => ({ code, message: `the value ${message}` })),
    policy,
  );
}

/**
 * Checks that a sealed value may stay: that it opens at `place`, and that its key is one of
 * `knownKids` (undefined: any key). Returns warnings. Throws BINDING_MISMATCH or KEY_UNKNOWN.
 */
export function checkSealed(
  { header }: CompactJwe,
  place: Place,
  knownKids: ReadonlySet<string> | undefined,
): readonly Warning[] {
  if (header.binding === undefined) {
    const message =
      'the sealed value is not bound to a Secret; it opens only where unbound values are accepted';
    return [{ code: 'unbound-value', message, hint: 'to bind it, seal the plaintext with kseal' }];
  }
  checkBinding(header.binding, place);
  if (knownKids !== undefined && !knownKids.has(header.kid ?? '')) {
    throw new KsealError('KEY_UNKNOWN', `sealed to another key, ${header.kid}`, {
      hint: 'pass that key with -k, or seal everything again: kseal decrypt FILE -k OLD | kseal seal -f - -k NEW',
    });
  }
  return [];
}

/** Something about a value that is rarely intended; the message completes "the value". */
interface TextCheck {
  readonly code: string;
  readonly message: string | ((text: string) => string);
  readonly found: (text: string) => boolean;
}

const pattern = (re: RegExp) => (text: string) => re.test(text);

/** Text of several lines is a file, which is expected to end with a newline. */
const textChecks: readonly TextCheck[] = [
  { code: 'empty', message: 'is empty', found: (text) => text === '' },
  {
    code: 'trailing-newline',
    message: 'ends with a newline, which most programs treat as part of the password',
    found: pattern(/^[^\n]*\r?\n$/),
  },
  {
    code: 'surrounding-space',
    message: 'begins or ends with white space',
    found: pattern(/^\s*[ \t]|[ \t]\r?\n?$/),
  },
  {
    code: 'bom',
    message: 'begins with a byte order mark',
    found: (text) => text.startsWith('\uFEFF'),
  },
  { code: 'crlf', message: 'has Windows line endings (CR LF)', found: pattern(/\r\n/) },
  {
    code: 'invisible-space',
    message: 'contains a non-breaking or invisible space',
    found: pattern(/[\u00A0\u2007\u202F\u200B-\u200D\u2060]|.\uFEFF/),
  },
  {
    code: 'smart-quotes',
    message: 'contains typographic quotes',
    found: pattern(/[\u2018-\u201F]/),
  },
  {
    code: 'quoted',
    message: 'is in quotes, which become part of the value',
    found: pattern(/^(["'])[^\n]*\1\n?$/),
  },
  { code: 'base64', message: 'is base64, and would be encoded twice', found: isBase64Text },
  {
    code: 'placeholder',
    message: (text) => {
      const tool = toolIn(text);
      return tool === undefined
        ? 'looks like a placeholder'
        : `has a placeholder of ${tool}, which cannot replace it in a sealed value`;
    },
    found: (text) => toolIn(text) !== undefined || looksReplaceable.test(text),
  },
];

const toolIn = (text: string) => placeholderTool(text) ?? toolNamedIn(text);
const looksReplaceable =
  /^\s*(?:change[-_ ]?(?:me|it)|replace[-_ ]?me|(?:insert|your|my)[-_ ].*(?:password|secret|token|key|here)|todo|tbd|fixme|x{3,}|\*{3,}|\.{3,}|placeholder|dummy|example|<[^<>\n]*>|\$\{[^}\n]*\}|#\{[^}\n]*\}#|\{\{[^\n]*\}\})\s*$/i;

/** The codes that `--allow` takes. */
export const valueWarningCodes: readonly string[] = [
  'utf-16',
  ...textChecks.map(({ code }) => code),
];

function warningsAbout(bytes: Uint8Array): readonly { code: string; message: string }[] {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return [{ code: 'utf-16', message: 'is UTF-16 text, as written by PowerShell' }];
  const text = decodeUtf8(bytes);
  if (text === undefined) return [];
  return textChecks
    .filter(({ found }) => found(text))
    .map(({ code, message }) => ({
      code,
      message: typeof message === 'string' ? message : message(text),
    }));
}

/** Whether `text` is base64 of readable text; a random password rarely is. */
function isBase64Text(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed.length < 8 || trimmed.length % 4 !== 0) return false;
  const bytes = Buffer.from(trimmed, 'base64');
  if (bytes.toString('base64') !== trimmed) return false;
  const decoded = decodeUtf8(bytes);
  return decoded !== undefined && !/[\u0000-\u0008\u000E-\u001F\u007F]/.test(decoded);
}
