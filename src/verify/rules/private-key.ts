import type { Position } from '../../diagnostic.ts';
import { decodeBase64url } from '../../jwe/encoding.ts';
import { shellWord } from '../../text.ts';
import { offsetsIn, positionsIn, type Range, rangesAt, type YamlNode } from '../../yaml/node.ts';
import { type JudgedText, none, type Rule, type Violation } from '../rule.ts';

export const privateKey: Rule = {
  id: 'private-key',
  severity: 'error',
  summary: 'a private key outside of a Secret',
  why: 'Everyone who can read the repository, or ever could, has the key, and can open what was sealed to it or pretend to be its owner. The rule finds private keys in PEM, also in base64, and those of JOSE, OpenSSH, OpenPGP, PuTTY and age, in manifests and in files with the name of a key file, such as *.pem, *.key and id_rsa. In the working tree it does not read key files that Git ignores. A key that is encrypted with a passphrase is a warning, because it is as safe as the passphrase. A private key that is a value of a Secret is reported as plaintext-value.',
  wrong: '# prod.pem, committed\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0…',
  right: '# .gitignore\n*.pem',
  checkText: (text) => {
    const keys = keysIn(text.source);
    if (keys.length === 0) return none;
    const place = placesIn(text);
    const found = new Map<number, Violation>();
    for (const { at, kind, isEncrypted } of keys) {
      const { offset, position, isReported } = place(at);
      if (isReported || found.has(offset)) continue;
      const message = isEncrypted ? `${kind}, encrypted with a passphrase` : kind;
      const severity = isEncrypted ? 'warning' : undefined;
      found.set(offset, { position, message, hint: hintFor(text), severity });
    }
    return [...found.values()];
  },
};

function hintFor({ path, isKeyFile }: JudgedText): string {
  const file = shellWord(path);
  // A pattern that begins with / or .. does not match the file.
  const ignore = /^(?:[\\/]|\.\.|[A-Z]:)/.test(path)
    ? ', and name it in .gitignore'
    : ` && echo ${file} >> .gitignore`;
  // The command is at the end, so that it can be pasted.
  const remove = isKeyFile
    ? `to remove it: git rm --cached --ignore-unmatch -- ${file}${ignore}`
    : 'to seal it as a value of a Secret: kseal seal NAME -n NAMESPACE -k KEY --from-file KEY=FILE';
  return `replace the key if it was ever committed; ${remove}`;
}

/** A private key in a text. */
interface FoundKey {
  /** The offset of its beginning. */
  readonly at: number;
  /** Its format, for people. */
  readonly kind: string;
  readonly isEncrypted: boolean;
}

/** Searching for a word is faster than for a pattern, and few texts contain one. */
const searches: readonly (readonly [word: string, find: (text: string) => readonly FoundKey[]])[] =
  [
    ['-----BEGIN', keysInPem],
    ['LS0tLS1CRUdJTi', keysInBase64],
    ['"kty', keysInJson],
    ['AGE-SECRET-KEY-', keysOfAge],
    ['PuTTY-User-Key-File-', keysOfPutty],
  ];

function keysIn(text: string): readonly FoundKey[] {
  return searches.flatMap(([word, find]) => (text.includes(word) ? find(text) : []));
}

const pemBegin = /-----BEGIN ([A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?)-----/g;

/** Finds PEM blocks (RFC 7468), also in a comment or with `\n` in place of line breaks. */
function keysInPem(text: string): readonly FoundKey[] {
  return [...text.matchAll(pemBegin)].flatMap(({ 0: begin, 1: label = '', index: at }) => {
    const start = at + begin.length;
    // A body contains no boundary, so that no text is searched twice.
    const end = text.indexOf('-----', start);
    if (!text.startsWith(`-----END ${label}-----`, end)) return [];
    const key = keyInBlock(label, text.slice(start, end));
    return key === undefined ? [] : [{ at, ...key }];
  });
}

/** Undefined unless a body decodes to a key: examples in documentation do not. */
function keyInBlock(label: string, body: string): Omit<FoundKey, 'at'> | undefined {
  const lines = body.replace(/\\+[nrt]/g, '\n').split(/[\r\n]+/);
  const headers = lines.filter((line) => line.includes(':'));
  const content = lines.filter((line) => !line.includes(':')).join('');
  // OpenPGP adds a checksum (RFC 9580 §6.1), and PHP escapes slashes.
  const [, base64] = /^([\w+/]+={0,2})(?:=[\w+/]{4})?$/.exec(content.replace(/[\s\\#]/g, '')) ?? [];
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  if (label.startsWith('PGP'))
    return isOpenPgpSecretKey(bytes)
      ? { kind: 'OpenPGP private key', isEncrypted: false }
      : undefined;
  if (bytes.toString('latin1', 0, 15) === 'openssh-key-v1\0')
    return {
      kind: 'OpenSSH private key',
      isEncrypted: bytes.toString('latin1', 19, 23) !== 'none',
    };
  const isTraditional = headers.some((line) => /Proc-Type:.*ENCRYPTED/.test(line));
  if (isTraditional ? bytes.length < MIN_KEY : !isDerSequence(bytes)) return undefined;
  return { kind: 'private key in PEM', isEncrypted: isTraditional || label.startsWith('ENC') };
}

/** The shortest private key in DER, in bytes: Ed25519 in PKCS#8 (RFC 8410 §7). */
const MIN_KEY = 48;

/** Whether bytes are a SEQUENCE in DER and nothing else. */
function isDerSequence(bytes: Buffer): boolean {
  const [tag, length = 0] = bytes;
  const more = length < 0x80 ? 0 : length - 0x80;
  if (tag !== 0x30 || more > 3 || bytes.length < MIN_KEY) return false;
  return bytes.length === 2 + more + (more === 0 ? length : bytes.readUIntBE(2, more));
}

/** Whether the first packet is a secret key, in either format (RFC 9580 §4.2). */
function isOpenPgpSecretKey([first = 0]: Buffer): boolean {
  return (first & 0xfc) === 0x94 || first === 0xc5;
}

/** Finds PEM blocks in base64, also in lines. Text after a block is ignored. */
function keysInBase64(text: string): readonly FoundKey[] {
  return [...text.matchAll(/LS0tLS1CRUdJTi[\w+/\s]*/g)].flatMap(({ 0: base64, index: at }) => {
    const [key] = keysInPem(Buffer.from(base64, 'base64').toString('latin1'));
    return key === undefined ? [] : [{ ...key, at, kind: `${key.kind} and base64` }];
  });
}

/** Finds private JWKs (RFC 7518 §6), also in a JWK Set or in a string with escaped quotes. */
function keysInJson(text: string): readonly FoundKey[] {
  return [...text.matchAll(/\{[^{}]*\}/g)].flatMap(({ 0: object, index: at }) => {
    if (!/"kty\\*"\s*:\s*\\*"(?:RSA|EC|OKP)\\*"/.test(object)) return [];
    const [, d = ''] = /"d\\*"\s*:\s*\\*"([\w-]{42,})/.exec(object) ?? [];
    const isKey = d !== '' && decodeBase64url(d) !== undefined;
    return isKey ? [{ at, kind: 'private key in a JWK', isEncrypted: false }] : [];
  });
}

function keysOfAge(text: string): readonly FoundKey[] {
  const keys = text.matchAll(/AGE-SECRET-KEY-(?:PQ-)?1([02-9AC-HJ-NP-Z]{58,})/g);
  return [...keys].flatMap(({ 1: data, index: at }) =>
    // A row of one letter is a placeholder.
    new Set(data).size > 8 ? [{ at, kind: 'private key of age', isEncrypted: false }] : [],
  );
}

/** Reads each file up to the next one, so that no text is searched twice. */
function keysOfPutty(text: string): readonly FoundKey[] {
  const starts = [...text.matchAll(/PuTTY-User-Key-File-\d:/g)].map(({ index }) => index);
  return starts.flatMap((at, count) => {
    const file = text.slice(at, starts[count + 1]);
    const [, cipher] = /Encryption: ([\w-]+)/.exec(file) ?? [];
    if (cipher === undefined || !/Private-Lines: \d/.test(file)) return [];
    return [{ at, kind: 'private key of PuTTY', isEncrypted: cipher !== 'none' }];
  });
}

/** The place of a key: that of the YAML value that contains it, in which no comment can be. */
interface Place {
  readonly offset: number;
  readonly position: Position;
  /** Whether the value is plaintext of a Secret, which other rules report. */
  readonly isReported: boolean;
}

function placesIn({ source, roots, secrets, problems }: JudgedText): (at: number) => Place {
  const positionOf = positionsIn(source);
  const offsetOf = offsetsIn(source);
  const entryAt = rangesAt(roots.flatMap((root) => entriesIn(root)));
  const reported = [
    ...secrets.flatMap(({ values, plaintextAnnotations }) => [
      ...values.filter(({ jwe }) => jwe === undefined),
      ...plaintextAnnotations,
    ]),
    ...problems.filter(({ key }) => key !== undefined),
  ].map(({ position }) => offsetOf(position));
  return (at) => {
    const entry = entryAt(at);
    const offset = entry?.value ?? at;
    const isReported =
      entry !== undefined && reported.some((other) => entry.start <= other && other < entry.end);
    return { offset, position: positionOf(offset), isReported };
  };
}

interface ScalarEntry extends Range {
  /** The offset of the value. */
  readonly value: number;
}

/** The scalars below a node, each with its key, in order. */
function entriesIn(node: YamlNode, start = node.start): readonly ScalarEntry[] {
  if (node.kind === 'scalar') return [{ start, end: node.end, value: node.start }];
  if (node.kind === 'seq') return node.items.flatMap((item) => entriesIn(item));
  if (node.kind === 'alias') return [];
  return node.entries.flatMap((entry) => entriesIn(entry.value, entry.start));
}
