import { isUtf8 } from 'node:buffer';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Diagnostic, Words } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import { checkBinding, type Place } from '../jwe/binding.ts';
import { type CompactJwe, keyLengthProblem } from '../jwe/compact.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { forbiddenValue, lacksCredentials } from '../kubernetes/secret.ts';
import {
  keptInPlaceOfFile,
  placeholderTool,
  startsLikeSops,
  toolNamedIn,
} from '../manifest/other-tools.ts';
import { decodeUtf8, shellWord } from '../text.ts';

export interface ValuePolicy {
  /** Warnings about values are errors. */
  readonly strict: boolean;
  /** The codes of warnings to omit. */
  readonly allow: ReadonlySet<string>;
}

/** A warning about a value, without its place. */
export type Warning = Words & Pick<Diagnostic, 'code'>;

/** A plaintext that is about to be sealed. */
export interface Plaintext {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** It was written as base64, under `data`. */
  readonly encoded?: boolean;
}

/** A warning about a plaintext, with what can be done about it. */
interface ValueWarning extends Warning {
  /** The message without its subject: "ends with a newline". */
  readonly predicate: string;
  /** The value without the defect, and what to call the change: "remove it". */
  readonly fix: { readonly label: string; readonly bytes: Uint8Array } | undefined;
}

/**
 * Returns the warnings that the policy does not suppress.
 *
 * @throws KsealError VALUE_REFUSED under `strict`, for the first of them
 */
export function underPolicy<Found extends Warning>(
  found: readonly Found[],
  { strict, allow }: ValuePolicy,
): readonly Found[] {
  const warnings = found
    .filter(({ code }) => !allow.has(code))
    .map((warning) => ({
      ...warning,
      message: `${warning.message} [${warning.code}]`,
      hint: `${warning.hint === undefined ? '' : `${warning.hint}; `}if that is intended: --allow ${warning.code}`,
    }));
  const [first] = warnings;
  if (strict && first !== undefined)
    throw new KsealError('VALUE_REFUSED', first.message, { hint: first.hint });
  return warnings;
}

/**
 * Checks a plaintext before it is sealed, and returns warnings about it.
 *
 * @throws KsealError VALUE_REFUSED for a value that is already sealed or encrypted by SOPS, a
 *   Git LFS pointer, one that its Secret type forbids, and under `strict` one with a warning
 */
export function checkPlaintext(
  value: Plaintext,
  type: string | undefined,
  policy: ValuePolicy,
): readonly Warning[] {
  const refusal = refusalOf(value, type);
  if (refusal !== undefined) throw refusal;
  // A fix holds plaintext, which must not travel with a diagnostic.
  return underPolicy(
    warningsAbout(value).map(({ fix, predicate, ...warning }) => warning),
    policy,
  );
}

/** The error VALUE_REFUSED for a value that can never be sealed; else undefined. */
export function refusalOf(
  { bytes, key }: Plaintext,
  type: string | undefined,
): KsealError | undefined {
  if (isSealedInSomeForm(bytes)) {
    return new KsealError('VALUE_REFUSED', 'already sealed, and sealed values cannot be nested', {
      hint: `to use the sealed value as it is: --from-jwe ${key}=FILE`,
    });
  }
  if (startsLikeSops(bytes)) {
    return new KsealError('VALUE_REFUSED', 'already encrypted by SOPS', {
      hint: 'decrypt it first: sops decrypt FILE | kseal seal -f -',
    });
  }
  const pointer = keptInPlaceOfFile(bytes);
  if (pointer !== undefined)
    return new KsealError('VALUE_REFUSED', pointer.message, { hint: pointer.hint });
  const forbidden = forbiddenValue(type, key, bytes);
  if (forbidden === undefined) return undefined;
  return new KsealError('VALUE_REFUSED', `the value ${forbidden}`, {
    hint: 'correct the value, or the type',
  });
}

/** The warnings about a plaintext, by its bytes: a person is asked about them before it is sealed. */
const known = new WeakMap<Uint8Array, { key: string; warnings: readonly ValueWarning[] }>();

/** Returns the first warning of each code about a plaintext. */
export function warningsAbout(plaintext: Plaintext): readonly ValueWarning[] {
  const { bytes, key } = plaintext;
  const found = known.get(bytes);
  if (found?.key === key) return found.warnings;
  const warnings = findWarnings(plaintext);
  known.set(bytes, { key, warnings });
  return warnings;
}

function findWarnings(plaintext: Plaintext): readonly ValueWarning[] {
  const text = decodeUtf8(plaintext.bytes);
  const value = { ...plaintext, text, pem: text === undefined ? undefined : readPem(text) };
  // Most values are plain, and preparing the patterns of the other checks takes longer than encryption.
  const isPlain = text !== undefined && /^[\x20-\x7E]*$/.test(text);
  const found = new Map<string, ValueWarning>();
  for (const check of valueChecks) {
    const { code, hint } = check;
    if (found.has(code) || (isPlain && check.needsOther) || !check.found(value)) continue;
    const predicate = check.messageFor?.(text ?? '') ?? check.message;
    const message = `the value ${predicate}`;
    found.set(code, { code, message, predicate, hint, fix: fixOf(check, value) });
  }
  return [...found.values()];
}

/**
 * Checks that a sealed value may stay: that it opens at `place`, and that its key is one of
 * `knownKeys` (undefined: any key) and as long as its encrypted key, which is all that can be known
 * of the key of an unbound value. `path` is for hints. Returns warnings. Throws BINDING_MISMATCH,
 * KEY_UNKNOWN or JWE_MALFORMED.
 */
export function checkSealed(
  jwe: CompactJwe,
  place: Place,
  knownKeys: ReadonlyMap<string, number | undefined> | undefined,
  path: string,
): readonly Warning[] {
  const { header, encryptedKey } = jwe;
  const rekey = () => `kseal rekey ${path === '-' ? 'FILE' : shellWord(path)} --to NEW`;
  const lengthProblem = (bits: number | undefined) =>
    bits && keyLengthProblem(jwe, Math.ceil(bits / 8));
  const problem = lengthProblem(knownKeys?.get(header.kid ?? ''));
  if (problem) throw new KsealError('JWE_MALFORMED', problem, { hint: 'seal the value again' });
  if (header.binding === undefined) {
    if (knownKeys !== undefined && [...knownKeys.values()].every(lengthProblem)) {
      throw new KsealError('KEY_UNKNOWN', `sealed to another key, RSA-${encryptedKey.length * 8}`, {
        hint: `to move it to the key that you seal to: ${rekey()} --accept-unbound`,
      });
    }
    const message =
      'the sealed value is not bound to a Secret; it opens only where unbound values are accepted';
    return [{ code: 'unbound-value', message, hint: 'to bind it, seal the plaintext with kseal' }];
  }
  checkBinding(header.binding, place);
  if (knownKeys !== undefined && !knownKeys.has(header.kid ?? '')) {
    throw new KsealError('KEY_UNKNOWN', `sealed to another key, ${header.kid}`, {
      hint: `pass that key with -k, or move it to the key that you seal to: ${rekey()}`,
    });
  }
  return [];
}

interface Examined extends Plaintext {
  /** Undefined if the bytes are not UTF-8, as those of most binary files. */
  readonly text: string | undefined;
  /** Undefined if the text is not PEM. */
  readonly pem: readonly Marker[] | undefined;
}

/** Something about a value that is rarely intended; the message completes "the value". */
interface ValueCheck {
  readonly code: string;
  readonly message: string;
  /** Returns a more exact message, if there is one. */
  readonly messageFor?: (text: string) => string | undefined;
  readonly hint?: string;
  /** It concerns only values with line breaks, or with characters other than printable ASCII. */
  readonly needsOther?: true;
  readonly found: (value: Examined) => boolean;
  readonly fix?: {
    readonly label: string;
    /** Returns the text without the defect; undefined if only a person can repair it. */
    readonly apply: (text: string) => string | undefined;
  };
}

function fixOf({ fix }: ValueCheck, { bytes, text }: Examined): ValueWarning['fix'] {
  const fixed = fix?.apply(text ?? decodeUtf16(bytes));
  return fix && fixed !== undefined ? { label: fix.label, bytes: Buffer.from(fixed) } : undefined;
}

const onText = (found: (text: string) => boolean) => (value: Examined) =>
  value.text !== undefined && found(value.text);
const pattern = (re: RegExp) => onText((text) => text.search(re) >= 0);
const removeAll = (re: RegExp) => (text: string) => text.replace(re, '');

const ZERO_WIDTH = /[\u200B-\u200D\u2060]|(?<!^)\uFEFF/g;
const ODD_SPACE = /[\u00A0\u2000-\u200A\u202F\u205F]/g;
/** Other characters that no editor shows, such as soft hyphens and direction marks. */
const HIDDEN =
  /[\p{Cf}\p{Zl}\p{Zp}\u115F\u1160\u2800\u3164\uFFA0](?<![\u200B-\u200D\u2060\uFEFF])/gu;
/** Control characters except tab, LF and CR, and escape sequences of a terminal (ECMA-48). */
const CONTROL = /\x1B\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]/g;

type PemDefect = readonly [
  message: string,
  found: (markers: readonly Marker[], text: string) => boolean,
];

/** Each message completes "the value is PEM". OpenSSL, OpenSSH or both reject every one of them. */
const pemDefects: readonly PemDefect[] = [
  ['with the two characters \\n in place of newlines', (_, text) => text.includes('\\n')],
  [
    'with wrong dashes in its BEGIN or END line',
    (markers) => markers.some((marker) => marker.line !== markerLine(marker)),
  ],
  ['that lacks a BEGIN or END line', (markers) => !isPaired(markers)],
  [
    'that is in quotes, or whose lines were joined',
    (markers) =>
      markers.some(({ before, after }) => !/\n[ \t]*$/.test(before) || !/^[ \t]*\r?\n/.test(after)),
  ],
  [
    'with spaces around its BEGIN or END line',
    (markers) =>
      markers.some(
        ({ label, before, after }) =>
          /[ \t]$/.test(before) || (isOpenSsh(label) && /^[ \t]/.test(after)),
      ),
  ],
  [
    'that does not begin at its first line, as OpenSSH requires',
    ([first]) => first !== undefined && isOpenSsh(first.label) && first.before !== '\n',
  ],
  [
    'with empty lines',
    (markers) =>
      markers.some(
        ({ kind, after }) =>
          kind === 'BEGIN' && !after.includes(':') && /\n\s*\n/.test(after.trim()),
      ),
  ],
  [
    'whose content is damaged or cut off',
    (markers) => markers.some((marker) => marker.kind === 'BEGIN' && !isWhole(marker)),
  ],
  [
    'without a newline at its end, which OpenSSH and certificate chains need',
    (_, text) => !text.endsWith('\n'),
  ],
];

/** In the order in which they are reported. Checks with the same code are of one kind. */
const valueChecks: readonly ValueCheck[] = [
  {
    code: 'utf-16',
    message: 'is UTF-16 text, as written by PowerShell',
    found: ({ bytes: [first, second] }) =>
      (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff),
    fix: { label: 'change it to UTF-8', apply: (text) => text },
  },
  {
    code: 'not-utf-8',
    message: 'is text in an old encoding such as Latin-1, not in UTF-8',
    found: ({ bytes, text }) => text === undefined && looksPrintable(bytes),
  },
  {
    code: 'not-encoded',
    message: 'reads like a word, but is decoded from base64, which gives bytes that are not text',
    hint: 'if it is not base64, move it from data to stringData',
    found: isUnencodedWord,
  },
  {
    code: 'no-credentials',
    message: 'is a docker configuration without credentials, which may be in a credential store',
    hint: 'to make one that has them: kubectl create secret docker-registry',
    found: ({ key, bytes }) => lacksCredentials(key, bytes),
  },
  ...pemDefects.map(([message, found]) => ({
    code: 'damaged-pem',
    message: `is PEM ${message}`,
    hint: 'to seal the original file: --from-file KEY=PATH',
    found: ({ pem, text }: Examined) => pem !== undefined && text !== undefined && found(pem, text),
    fix: { label: 'repair it', apply: repairPem },
  })),
  {
    code: 'expired-certificate',
    message: 'is a certificate that has expired',
    found: isExpired,
  },
  { code: 'empty', message: 'is empty', found: onText((text) => text === '') },
  {
    code: 'trailing-newline',
    needsOther: true,
    message: 'ends with a newline, which most programs treat as part of the password',
    // A file ends with a newline: text of several lines, and lines for OpenSSH or of htpasswd.
    found: pattern(
      /^(?!.*(?:\b(?:ssh|ecdsa|sk)-[\w@.-]{1,60} AAAA|:\$\w{1,10}\$|:\{SHA\}))[^\n]*\r?\n$/,
    ),
    fix: { label: 'remove it', apply: removeAll(/\r?\n$/) },
  },
  {
    code: 'surrounding-space',
    message: 'begins and ends with white space',
    messageFor: (text) => {
      const [start, end] = [/^\s*[ \t]/, /[ \t]\r?\n?$/].map((edge) => edge.exec(text)?.[0] ?? '');
      const edges = [...(start ? ['begins'] : []), ...(end ? ['ends'] : [])].join(' and ');
      return `${edges} with a ${`${start}${end}`.includes('\t') ? 'tab' : 'space'}`;
    },
    found: pattern(/^\s*[ \t]|[ \t]\r?\n?$/),
    fix: { label: 'remove it', apply: trimLine },
  },
  {
    code: 'bom',
    needsOther: true,
    message: 'begins with a byte order mark',
    found: onText((text) => text.startsWith('\uFEFF')),
    fix: { label: 'remove it', apply: removeAll(/^\uFEFF/) },
  },
  {
    code: 'crlf',
    needsOther: true,
    message: 'has Windows line endings (CR LF)',
    found: pattern(/\r\n/),
    fix: { label: 'change them to LF', apply: (text) => text.replace(/\r+\n/g, '\n') },
  },
  {
    code: 'control-characters',
    needsOther: true,
    message: 'contains NUL bytes, as UTF-16 text and binary files do',
    found: pattern(/\0/),
    fix: { label: 'remove them', apply: removeAll(CONTROL) },
  },
  {
    code: 'control-characters',
    needsOther: true,
    message: 'contains control characters',
    found: pattern(CONTROL),
    fix: { label: 'remove them', apply: removeAll(CONTROL) },
  },
  {
    code: 'control-characters',
    needsOther: true,
    message: 'contains a carriage return (CR) without a newline',
    found: pattern(/\r(?!\n)/),
    fix: { label: 'remove it', apply: withoutFinalReturn },
  },
  {
    code: 'control-characters',
    needsOther: true,
    message: 'contains characters that are not visible, such as a soft hyphen or a line separator',
    found: pattern(HIDDEN),
    fix: { label: 'remove them', apply: removeAll(HIDDEN) },
  },
  {
    code: 'control-characters',
    needsOther: true,
    message: 'begins or ends with empty lines',
    found: pattern(/\n\r?\n$|^\r?\n\s*[^\s][^\n]*\n?$/),
    fix: { label: 'remove them', apply: withoutEmptyEnds },
  },
  {
    code: 'invisible-space',
    needsOther: true,
    message: 'contains a non-breaking or invisible space',
    found: onText((text) => text.search(ODD_SPACE) >= 0 || text.search(ZERO_WIDTH) >= 0),
    fix: {
      label: 'change it to a plain space',
      apply: (text) => text.replace(ODD_SPACE, ' ').replace(ZERO_WIDTH, ''),
    },
  },
  {
    code: 'smart-quotes',
    needsOther: true,
    message: 'contains typographic quotes',
    found: pattern(/[\u2018-\u201F]/),
    fix: {
      label: 'change them to plain quotes',
      apply: (text) => text.replace(/[\u2018-\u201B]/g, "'").replace(/[\u201C-\u201F]/g, '"'),
    },
  },
  {
    code: 'quoted',
    message: 'is in quotes, which become part of the value',
    found: pattern(/^(["'])[^\n]*\1\n?$/),
    fix: { label: 'remove the quotes', apply: (text) => text.replace(/^.|.(?=\n?$)/g, '') },
  },
  {
    code: 'base64',
    message: 'is base64, and would be encoded twice',
    found: onText((text) => decodeBase64Text(text) !== undefined),
    fix: { label: 'decode it', apply: decodeBase64Text },
  },
  {
    code: 'placeholder',
    message: 'looks like a placeholder',
    messageFor: (text) => {
      const tool = toolIn(text);
      return tool && `has a placeholder of ${tool}, which cannot replace it in a sealed value`;
    },
    found: onText((text) => toolIn(text) !== undefined || looksReplaceable.test(text)),
  },
  {
    code: 'placeholder',
    message: 'is what programs such as jq print if they find nothing',
    found: pattern(/^(?:null|NULL|undefined|nil|None|NaN|\[object Object\])\r?\n?$/),
  },
];

const toolIn = (text: string) => placeholderTool(text) ?? toolNamedIn(text);
const looksReplaceable =
  /^\s*(?:change[-_ ]?(?:me|it)|replace[-_ ]?me|(?:insert|your|my)[-_ ].*(?:password|secret|token|key|here)|todo|tbd|fixme|x{3,}|\*{3,}|\.{3,}|placeholder|dummy|example|<[^<>\n]*>|\$\{[^}\n]*\}|#\{[^}\n]*\}#|\{\{[^\n]*\}\}|(?:op|(?:secret)?ref\+\w+):\/\/[^\n]{1,500}|(?:>>)?(?:vault|bao):[^\n#]{1,500}#[^\n]{1,500})\s*$/i;

/** The codes of warnings about a plaintext alone. */
export const valueWarningCodes: readonly string[] = [
  ...new Set(valueChecks.map(({ code }) => code)),
];

/** Decodes by the byte order mark, and drops it. */
function decodeUtf16(bytes: Uint8Array): string {
  return new TextDecoder(bytes[0] === 0xff ? 'utf-16le' : 'utf-16be').decode(bytes);
}

/** One line without the white space around it; undefined for several, where it may be indentation. */
function trimLine(text: string): string | undefined {
  const line = text.trim();
  if (line.includes('\n')) return undefined;
  return line + (/\r?\n$/.exec(text)?.[0] ?? '');
}

/** A CR inside the text may have been a line break, so that only a person can decide. */
function withoutFinalReturn(text: string): string | undefined {
  const fixed = text.replace(/(?<!\r)\r+$/, '');
  return /\r(?!\n)/.test(fixed) ? undefined : fixed;
}

/** Several lines keep one newline at their end. */
function withoutEmptyEnds(text: string): string {
  const fixed = text.replace(/(?<![\r\n])[\r\n]+$/, '');
  return fixed.trim().includes('\n') ? `${fixed}\n` : fixed.replace(/^[\r\n]+/, '');
}

/** The text of which `text` is the base64, in lines or not; a password rarely is. */
function decodeBase64Text(text: string): string | undefined {
  const base64 = text.trim().replace(/\r?\n/g, '');
  if (base64.length < 8 || base64.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return undefined;
  // One word or number of eight characters in a hundred is the base64 of UTF-8, but not of ASCII.
  const isShortWord = base64.length <= 16 && !base64.endsWith('=');
  return isShortWord && bytes.some((byte) => byte > 0x7f) ? undefined : readable(bytes);
}

/** The text in `bytes`, unless it has control characters that no text file has. */
function readable(bytes: Uint8Array): string | undefined {
  // A failed decoding takes many times as long, and most passwords look like base64.
  const text = isUtf8(bytes) ? decodeUtf8(bytes) : undefined;
  return text === undefined || /[\x00-\x08\x0E-\x1F\x7F]/.test(text) ? undefined : text;
}

/** Whether bytes have no control characters, and three of four are ASCII; random bytes rarely do. */
function looksPrintable(bytes: Uint8Array): boolean {
  if (/[\x00-\x08\x0B-\x0C\x0E-\x1F\x7F]/.test(Buffer.from(bytes).toString('latin1'))) return false;
  const ascii = bytes.filter((byte) => byte < 0x7f).length;
  return ascii * 4 >= bytes.length * 3;
}

/** Whether a value under `data` is a password that nobody encoded; binary keys rarely look so. */
function isUnencodedWord({ encoded, bytes }: Examined): boolean {
  if (!encoded || bytes.length > 48 || bytes.length % 3 !== 0) return false;
  const word = Buffer.from(bytes).toString('base64');
  const looksTyped =
    word.length > 8
      ? /^(?:[a-z\d]+|[A-Z\d]+|[A-Z][a-z\d]+|(?:[A-Z]?[a-z]{2,}|[A-Z]{3,}|\d+)+)$/
      : /^[A-Za-z\d]+$/;
  return looksTyped.test(word) && readable(bytes) === undefined;
}

/** BEGIN and END lines; word processors change the hyphens. Bounded, because text may be hostile. */
const MARKER =
  /([-\u2010-\u2015\u2212]{1,5} ?(BEGIN|END) ((?:[A-Z0-9]{1,20} ){0,5}(?:CERTIFICATE|REQUEST|(?:PRIVATE|PUBLIC) KEY(?: BLOCK)?|PARAMETERS|CRL|PKCS7|CMS)) ?[-\u2010-\u2015\u2212]{1,5})/;

/** The labels of blocks that contain DER. */
const DER = /^(?:(?:RSA|EC|DSA|ENCRYPTED) )?(?:PRIVATE|PUBLIC) KEY$|CERTIFICATE/;

/** A BEGIN or END line, with the text up to the next one on both sides. */
interface Marker {
  readonly line: string;
  readonly kind: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

/**
 * Splits a key or certificate in PEM (RFC 7468), or in the similar formats of OpenSSH and PGP;
 * undefined for other texts, such as JSON and YAML in which PEM is quoted or indented.
 */
function readPem(text: string): readonly Marker[] | undefined {
  if (!/(?:BEGIN|END) [A-Z]/.test(text)) return undefined;
  const parts = `\n${text.replace(/^\uFEFF/, '')}\n`.split(MARKER);
  const markers: Marker[] = [];
  for (let at = 0; at + 4 < parts.length; at += 4) {
    const [before = '', line = '', kind = '', label = '', after = ''] = parts.slice(at, at + 5);
    markers.push({ before, line, kind, label, after });
  }
  const [first] = markers;
  return first !== undefined && /\n$|^[\s"']*$/.test(first.before) ? markers : undefined;
}

function isOpenSsh(label: string): boolean {
  return label === 'OPENSSH PRIVATE KEY';
}

/** RFC 4716 has four hyphens and a space, all others have five hyphens. */
function markerLine({ kind, label }: Pick<Marker, 'kind' | 'label'>): string {
  return label.startsWith('SSH2 ') ? `---- ${kind} ${label} ----` : `-----${kind} ${label}-----`;
}

function isPaired(markers: readonly Marker[]): boolean {
  return (
    markers.length % 2 === 0 &&
    markers.every(
      ({ kind, label }, index) =>
        kind === (index % 2 === 0 ? 'BEGIN' : 'END') &&
        (kind === 'BEGIN' || label === markers[index - 1]?.label),
    )
  );
}

/** Whether a block holds base64, and as many bytes as the length fields in it say. */
function isWhole({ label, after }: Marker): boolean {
  if (label.startsWith('SSH2 ')) return true;
  const content = withoutHeaders(label, after);
  const base64 = content.replace(/\s+/g, '');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return false;
  const bytes = Buffer.from(base64, 'base64');
  if (isOpenSsh(label)) return bytes.length >= openSshLength(bytes);
  return content !== after || !DER.test(label) || bytes.length >= derLength(bytes);
}

/** An empty line separates headers from the content (RFC 1421); in PGP also without headers. */
function withoutHeaders(label: string, after: string): string {
  const isPgp = label.startsWith('PGP ');
  if (!isPgp && !after.includes(':')) return after;
  const emptyLine = after.search(/\n[ \t\r]*\n/);
  const content = emptyLine < 0 ? '' : after.slice(emptyLine).trim();
  return isPgp ? content.replace(/\n=[\w+/]{4}$/, '') : content;
}

/** The length of a DER SEQUENCE by its first length field (X.690, 8.1.3), in bytes. */
function derLength(bytes: Buffer): number {
  const [first, length = 0] = bytes;
  const size = length < 0x80 ? 0 : length & 0x7f;
  if (first !== 0x30 || size > 4 || bytes.length < 2 + size) return Number.POSITIVE_INFINITY;
  return 2 + size + (size === 0 ? length : bytes.readUIntBE(2, size));
}

/** The length of an OpenSSH key with one key pair by its length fields (PROTOCOL.key), in bytes. */
function openSshLength(bytes: Buffer): number {
  let at = 'openssh-key-v1\0'.length;
  const skip = () => {
    at += at + 4 > bytes.length ? Number.POSITIVE_INFINITY : 4 + bytes.readUInt32BE(at);
  };
  // The cipher, the KDF and its options; the number of keys; the public and the private key.
  for (let part = 0; part < 3; part++) skip();
  at += 4;
  for (let part = 0; part < 2; part++) skip();
  return at;
}

/** Whether the first certificate has expired; the others are those of its issuers. */
function isExpired({ pem, text }: Examined): boolean {
  if (pem?.[0]?.label !== 'CERTIFICATE' || text === undefined) return false;
  try {
    return Date.parse(new X509Certificate(text).validTo) < Date.now();
  } catch {
    // Damaged certificates have a warning of their own.
    return false;
  }
}

/** Whether a certificate and a private key in PEM do not belong together; false for other bytes. */
export function isMismatch(certificate: Uint8Array, key: Uint8Array): boolean {
  try {
    return !new X509Certificate(certificate).checkPrivateKey(createPrivateKey(Buffer.from(key)));
  } catch {
    // Damaged PEM has a warning of its own, and a key may be encrypted.
    return false;
  }
}

/** Restores the lines of PEM; undefined unless the result is sound. */
function repairPem(text: string): string | undefined {
  const plain = text
    .replace(/(?:\\+r)?\\+n|\r\n?/g, '\n')
    .replace(/^[\s"']+|(?<![\s"'])[\s"']+$/g, '');
  const markers = readPem(plain);
  if (markers === undefined || !isPaired(markers)) return undefined;
  const lines = markers.flatMap((marker) => [
    ...(marker.kind === 'BEGIN' ? around(marker.before) : []),
    markerLine(marker),
    ...(marker.kind === 'BEGIN' ? bodyLines(marker) : []),
  ]);
  const repaired = [...lines, ...around(markers.at(-1)?.after ?? ''), ''].join('\n');
  const again = readPem(repaired) ?? [];
  return pemDefects.some(([, found]) => found(again, repaired)) ? undefined : repaired;
}

/** The text between two blocks, such as the attributes of a PKCS#12 bag. */
function around(text: string): readonly string[] {
  return text.trim() === '' ? [] : [text.trim()];
}

function bodyLines({ label, after }: Marker): readonly string[] {
  if (after.includes(':')) return after.trim().split(/[ \t]*\n[ \t]*/);
  const [first = '', ...more] = after.trim().split(/\s+/);
  return more.length > 0
    ? [first, ...more]
    : (first.match(isOpenSsh(label) ? /.{1,70}/g : /.{1,64}/g) ?? []);
}
