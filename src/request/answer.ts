import { counted, decodeUtf8 } from '../text.ts';
import { describePattern, MAX_MATCHED, matchesPattern, parsePattern } from './pattern.ts';
import {
  type AskedValue,
  alphabets,
  type Format,
  MAX_VALUE,
  type SecretRequest,
  type Target,
} from './request.ts';

/** The checks that need cryptography, which Node.js and browsers do differently. */
export interface PemChecks {
  readonly isCertificate: (pem: string) => boolean;
  readonly isPrivateKey: (pem: string) => boolean;
  /** Whether a private key certainly does not belong to a certificate. */
  readonly isMismatch: (certificate: Uint8Array, key: Uint8Array) => boolean;
}

interface Given {
  readonly asked: AskedValue;
  /** Undefined if the bytes are not UTF-8. */
  readonly text: string | undefined;
  readonly pem: PemChecks;
}

/**
 * Returns the problem of an answer as a sentence for the person who gave it; undefined for a good
 * answer. It never quotes the answer.
 */
export function problemOf(
  asked: AskedValue,
  bytes: Uint8Array,
  pem: PemChecks,
): string | undefined {
  const given = { asked, text: decodeUtf8(bytes), pem };
  return (
    lengthProblem(asked, bytes, given.text) ??
    formatProblems[asked.format](given) ??
    formProblem(given)
  );
}

function lengthProblem(
  { format, min = 1, max = MAX_VALUE }: AskedValue,
  bytes: Uint8Array,
  text: string | undefined,
): string | undefined {
  const inBytes = format === 'file' || text === undefined;
  const length = inBytes ? bytes.length : [...text].length;
  const unit = inBytes ? 'byte' : 'character';
  if (length === 0 && min > 0) return 'It is empty.';
  if (length < min) return `It has ${counted(length, unit)}, but needs at least ${min}.`;
  if (length > max) return `It has ${counted(length, unit)}, but may have at most ${max}.`;
  if (bytes.length <= MAX_VALUE) return undefined;
  return `It has ${counted(bytes.length, 'byte')}, but may have at most ${MAX_VALUE}.`;
}

const noText = 'It is not text in UTF-8.';

const formatProblems: Readonly<Record<Format, (given: Given) => string | undefined>> = {
  text: ({ text }) => {
    if (text === undefined) return noText;
    return text.includes('\n') ? 'It has several lines, but must be one line.' : undefined;
  },
  lines: ({ text }) => (text === undefined ? noText : undefined),
  'pem-certificate': ({ text = '', pem }) => {
    if (text.includes('PRIVATE KEY-----'))
      return 'It contains a private key, but must be a certificate.';
    if (pem.isCertificate(text)) return undefined;
    return 'It is not a certificate, a text with the line -----BEGIN CERTIFICATE-----.';
  },
  'pem-private-key': ({ text = '', pem }) => {
    if (/ENCRYPTED/.test(text))
      return 'It is a private key with a passphrase. Remove the passphrase first: openssl pkey -in FILE -out NEW';
    if (pem.isPrivateKey(text)) return undefined;
    if (text.includes('-----BEGIN CERTIFICATE-----'))
      return 'It is a certificate, but must be a private key.';
    return 'It is not a private key, a text with a line such as -----BEGIN PRIVATE KEY-----.';
  },
  json: ({ text }) => {
    try {
      JSON.parse(text ?? '');
      return undefined;
    } catch {
      // The error of JSON.parse quotes the value, so it is dropped.
      return 'It is not JSON.';
    }
  },
  url: ({ text = '' }) => {
    const example = 'It is not an address such as https://example.org/path.';
    return /^[a-z][a-z0-9+.-]*:\/\/\S+$/i.test(text) && isUrl(text) ? undefined : example;
  },
  file: () => undefined,
};

function isUrl(text: string): boolean {
  // Not URL.canParse, which is missing in browsers of 2022.
  try {
    return new URL(text).href !== '';
  } catch {
    return false;
  }
}

function formProblem({ asked, text = '' }: Given): string | undefined {
  const pattern = asked.pattern === undefined ? undefined : parsePattern(asked.pattern);
  if (pattern === undefined || matchesPattern(pattern, text)) return undefined;
  if ([...text].length > MAX_MATCHED) return `It has more than ${MAX_MATCHED} characters.`;
  return `It must be: ${describePattern(pattern)}.`;
}

/**
 * Returns the certificate that a private key has to belong to: the one that the request names, or
 * else the one whose name differs only in its ending, as in `tls.crt` and `tls.key`.
 */
export function certificateFor(
  { key, format, certificate }: AskedValue,
  { values }: Pick<SecretRequest, 'values'>,
): AskedValue | undefined {
  if (format !== 'pem-private-key') return undefined;
  const stem = (name: string) => name.replace(/\.[^.]*$/, '');
  const certificates = values.filter((other) => other.format === 'pem-certificate');
  if (certificate !== undefined) return certificates.find((other) => other.key === certificate);
  const [only, second] = certificates.filter((other) => stem(other.key) === stem(key));
  return second === undefined ? only : undefined;
}

/** Returns a private key, and the certificate that it does not belong to; undefined if all fit. */
export function mismatchIn(
  request: Pick<SecretRequest, 'values'>,
  answers: ReadonlyMap<string, { readonly bytes: Uint8Array }>,
  { isMismatch }: Pick<PemChecks, 'isMismatch'>,
): { readonly key: AskedValue; readonly certificate: AskedValue } | undefined {
  for (const key of request.values) {
    const certificate = certificateFor(key, request);
    const ofKey = answers.get(key.key);
    const ofCertificate = answers.get(certificate?.key ?? '');
    if (certificate === undefined || ofKey === undefined || ofCertificate === undefined) continue;
    if (isMismatch(ofCertificate.bytes, ofKey.bytes)) return { key, certificate };
  }
  return undefined;
}

/** Returns a value of random characters; `below(n)` is a random number from 0 to n - 1. */
export function makeUp(
  { generate = 0, alphabet = 'letters-digits' }: Pick<AskedValue, 'generate' | 'alphabet'>,
  below: (limit: number) => number,
): string {
  const characters = alphabets[alphabet];
  const choose = () => characters.charAt(below(characters.length));
  return Array.from({ length: generate }, choose).join('');
}

/** The data keys that a target has; undefined if its file or its Secret does not exist. */
export type Present = ReadonlySet<string> | undefined;

export interface Progress {
  readonly state: 'unfilled' | 'incomplete' | 'filled';
  /** The values that each target lacks, in the order of the request. */
  readonly missing: readonly {
    readonly target: Target;
    readonly values: readonly AskedValue[];
  }[];
}

/** Compares a request with what its targets have, in the order of the targets. */
export function progressOf(
  { targets, values }: SecretRequest,
  present: readonly Present[],
): Progress {
  const missing = targets.map((target, index) => ({
    target,
    values: values.filter(({ key }) => !present[index]?.has(key)),
  }));
  const isFilled = missing.every((one) => one.values.length === 0);
  const isUntouched = missing.every((one) => one.values.length === values.length);
  return { state: isFilled ? 'filled' : isUntouched ? 'unfilled' : 'incomplete', missing };
}
