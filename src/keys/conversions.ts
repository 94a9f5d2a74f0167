import { KsealError } from '../errors.ts';
import { commandFor } from '../text.ts';

export type KeyKind = 'public' | 'private';

/** The content of a key file, and the kind of key that the caller needs. */
export interface KeySource {
  readonly bytes: Buffer;
  /** Without a byte order mark and white space around it. */
  readonly text: string;
  /** The path in messages. */
  readonly shown: string;
  /** Whether the text contains a private key. */
  readonly isPrivate: boolean;
  /** Undefined if either kind will do. */
  readonly wanted?: KeyKind;
}

const USE_RSA = 'use an RSA key of 3072 or 4096 bits';

/** A format that another command converts to one that is read here. */
interface Conversion {
  readonly kind?: KeyKind | undefined;
  /** Undefined if only the kind of the key or the number of PEM blocks is wrong. */
  readonly problem?: string;
  readonly matches: (source: KeySource) => boolean;
  /** The commands that get a key of each kind. FILE and the names of output files are replaced. */
  readonly public?: string | undefined;
  readonly private?: string | undefined;
}

const inText = (pattern: RegExp) => (source: KeySource) => pattern.test(source.text);

/** The length of an element in DER or BER (X.690 §8.1.3). */
const LENGTH = '(?:[0-7].|80|81..|82.{4}|83.{6})';

const inHex = (pattern: RegExp) => (source: KeySource) =>
  pattern.test(source.bytes.subarray(0, 64).toString('hex'));

/** Whether a file is a SEQUENCE whose content begins with these hex digits; `L` is a length. */
const inDer = (content: string) => inHex(new RegExp(`^30L${content}`.replaceAll('L', LENGTH)));

/** Prints a PEM block with `\\n` in it, such as one in JSON or a file of variables. */
const UNESCAPE = `printf '%b\\n' "$(grep -o -e '-----BEGIN.*-----' FILE)"`;

/** In order: the first row that matches applies. */
const conversions: readonly Conversion[] = [
  {
    problem: 'is encoded in UTF-16',
    matches: inHex(/^(?:fffe|feff)/),
    public: 'in PowerShell: Get-Content FILE | Set-Content -Encoding ascii key.pub',
    private: 'in PowerShell: Get-Content FILE | Set-Content -Encoding ascii key.pem',
  },
  {
    kind: 'private',
    problem: 'has \\n instead of line breaks',
    matches: inText(/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\\n/),
    public: `${UNESCAPE} | openssl pkey -pubout -out key.pub`,
    private: `${UNESCAPE} > key.pem`,
  },
  {
    kind: 'public',
    problem: 'has \\n instead of line breaks',
    matches: inText(/-----BEGIN [A-Z0-9 ]+-----\\n/),
    public: `${UNESCAPE} > key.pub`,
  },
  {
    problem: 'is in quotes',
    matches: inText(/^["']-----BEGIN /),
    public: `tr -d "\\"'" < FILE > key.pub`,
    private: `tr -d "\\"'" < FILE > key.pem`,
  },
  {
    kind: 'private',
    problem: 'is a PuTTY private key',
    matches: inText(/^PuTTY-User-Key-File-\d: ssh-rsa/),
    public:
      'puttygen FILE -O public-openssh -o key.ssh && ssh-keygen -e -m PKCS8 -f key.ssh > key.pub',
    private: 'puttygen FILE -O private-openssh -o key.pem',
  },
  {
    kind: 'private',
    problem: 'is an OpenSSH private key',
    matches: ({ text }) => /-----BEGIN OPENSSH PRIVATE/.test(text) && isSshRsa(text),
    public: 'ssh-keygen -e -m PKCS8 -f FILE > key.pub',
    private: 'install -m 600 FILE key.pem && ssh-keygen -p -m PEM -f key.pem',
  },
  {
    kind: 'private',
    problem: 'is an OpenSSH private key that is not RSA',
    matches: inText(/-----BEGIN OPENSSH PRIVATE/),
    public: USE_RSA,
    private: USE_RSA,
  },
  {
    kind: 'private',
    problem: 'is an OpenPGP private key',
    matches: inText(/-----BEGIN PGP PRIVATE/),
  },
  {
    kind: 'private',
    matches: ({ text }) =>
      /-----BEGIN CERTIFICATE-----/.test(text) && /-----BEGIN [A-Z ]*PRIVATE KEY/.test(text),
    public: 'openssl x509 -in FILE -out key.crt',
  },
  {
    kind: 'private',
    matches: inText(
      /-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\s\S]*-----BEGIN PUBLIC|-----BEGIN PUBLIC[\s\S]*-----BEGIN [A-Z0-9 ]*PRIVATE KEY/,
    ),
    public: 'openssl pkey -in FILE -pubout -out key.pub',
    private: 'openssl pkey -in FILE -out key.pem',
  },
  {
    kind: 'private',
    matches: inText(/-----BEGIN [A-Z0-9 ]*PRIVATE KEY/),
    public: 'openssl pkey -in FILE -pubout -out key.pub',
  },
  {
    kind: 'private',
    matches: inText(/^[ \t]*privateExponent:[\s\S]*-----BEGIN PUBLIC KEY/m),
    public: 'openssl pkey -pubin -in FILE -out key.pub',
  },
  {
    kind: 'private',
    matches: ({ text, isPrivate }) => isPrivate && /"keys"\s*:\s*\[/.test(text),
    public: `jq 'first(.keys[] | select(.kty == "RSA")) | {kty, n, e}' FILE > key.jwk`,
  },
  {
    kind: 'private',
    matches: ({ text, isPrivate }) => isPrivate && text.startsWith('{'),
    public: "jq '{kty, n, e}' FILE > key.jwk",
  },
  {
    matches: inText(
      /-----BEGIN CERTIFICATE-----[\s\S]*-----BEGIN |-----BEGIN (?:X509|TRUSTED) CERTIFICATE-----/,
    ),
    public: 'openssl x509 -in FILE -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is a certificate request',
    matches: inText(/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/),
    public: 'openssl req -in FILE -pubkey -noout -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a PKCS#7 file',
    matches: inText(/-----BEGIN PKCS7-----/),
    public: 'openssl pkcs7 -in FILE -print_certs -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is an OpenSSH public key',
    matches: inText(/^ssh-rsa AAAA/m),
    public: 'ssh-keygen -e -m PKCS8 -f FILE > key.pub',
  },
  {
    kind: 'public',
    problem: 'is an SSH2 public key',
    matches: ({ text }) => /^---- BEGIN SSH2 PUBLIC/m.test(text) && isSshRsa(text),
    public:
      'ssh-keygen -i -m RFC4716 -f FILE > key.ssh && ssh-keygen -e -m PKCS8 -f key.ssh > key.pub',
  },
  {
    kind: 'public',
    problem: 'is an OpenSSH public key in a PEM block',
    matches: ({ text }) => /-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(text) && isSshRsa(text),
    public:
      "(printf 'ssh-rsa '; grep -v -e ----- FILE | tr -d '[:space:]') > key.ssh && ssh-keygen -e -m PKCS8 -f key.ssh > key.pub",
  },
  {
    kind: 'public',
    problem: 'is an SSH public key that is not RSA',
    matches: inText(/^(?:(?:ssh|sk|ecdsa)-\S+ AAAA|---- BEGIN SSH2 PUBLIC)/m),
    public: USE_RSA,
  },
  {
    kind: 'public',
    problem: 'is an OpenPGP public key',
    matches: inText(/-----BEGIN PGP PUBLIC/),
  },
  {
    problem: 'is a Java keystore',
    matches: inHex(/^(?:feedfeed|cececece)/),
    public: 'keytool -list -rfc -keystore FILE > key.crt',
    private:
      'keytool -importkeystore -srckeystore FILE -destkeystore key.p12 -deststoretype PKCS12 && openssl pkcs12 -in key.p12 -nodes -nocerts -out key.pem',
  },
  {
    problem: 'is a PKCS#12 file',
    matches: inDer('02010330'),
    public: 'openssl pkcs12 -in FILE -nokeys -clcerts -out key.crt',
    private: 'openssl pkcs12 -in FILE -nodes -nocerts -out key.pem',
  },
  {
    kind: 'public',
    problem: 'is a PKCS#7 file in DER format',
    matches: inDer('06092a864886f70d010702'),
    public: 'openssl pkcs7 -inform DER -in FILE -print_certs -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is a certificate request in DER format',
    matches: inDer('30L020100(?:3000|30L31)'),
    public: 'openssl req -inform DER -in FILE -pubkey -noout -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a certificate in DER format',
    matches: inDer('30L(?:a003020102)?02'),
    public: 'openssl x509 -inform DER -in FILE -out key.crt',
  },
  {
    kind: 'private',
    problem: 'is an encrypted private key in DER format',
    matches: inDer('30L06(?:092a864886f70d0105|0a2a864886f70d010c01)'),
    public: 'openssl pkcs8 -inform DER -in FILE | openssl pkey -pubout -out key.pub',
    private: 'openssl pkcs8 -inform DER -in FILE -out key.pem',
  },
  {
    kind: 'private',
    problem: 'is a private key in DER format',
    matches: inDer('0201(?:00|01)(?:02|04|30)'),
    public: 'openssl pkey -inform DER -in FILE -pubout -out key.pub',
    private: 'openssl pkey -inform DER -in FILE -out key.pem',
  },
  {
    kind: 'public',
    problem: 'is a public key in DER format',
    matches: inDer('30L06'),
    public: 'openssl pkey -pubin -inform DER -in FILE -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a public key in DER format',
    matches: inDer('028[12]'),
    public: 'openssl rsa -RSAPublicKey_in -inform DER -in FILE -out key.pub',
  },
];

/** Whether the base64 lines of a text are an SSH key for RSA. Its public part is never encrypted. */
function isSshRsa(text: string): boolean {
  const base64 = text.replace(/^.*(?:----|:).*$/gm, '');
  return Buffer.from(base64, 'base64').includes('ssh-rsa');
}

/** A key as base64 only: a whole file, as in the data of a Secret, or the body of a PEM block. */
function conversionOfBase64(source: KeySource): Omit<Conversion, 'matches'> | undefined {
  if (!/^[A-Za-z0-9+/\s]{64,}={0,2}$/.test(source.text)) return undefined;
  const bytes = Buffer.from(source.text, 'base64');
  const problem = 'is encoded in base64';
  // Only openssl has the same options everywhere, but it does not take lines of any length.
  const decode = "tr -d '[:space:]' < FILE | openssl base64 -d -A";
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY/.test(bytes.toString('latin1'))) {
    const toPublic = `${decode} | openssl pkey -pubout -out key.pub`;
    return { kind: 'private', problem, public: toPublic, private: `${decode} > key.pem` };
  }
  if (bytes.includes('-----BEGIN '))
    return { kind: 'public', problem, public: `${decode} > key.pub` };
  const inner = conversions.find(({ matches }) => matches({ ...source, bytes }));
  const piped = (command = '') =>
    command.startsWith('openssl') ? `${decode} | ${command.replace(' -in FILE', '')}` : undefined;
  return (
    inner && {
      kind: inner.kind,
      problem,
      public: piped(inner.public),
      private: piped(inner.private),
    }
  );
}

const useKey: Readonly<Record<KeyKind, string>> = {
  public: 'use the public key that the KMS manager published',
  private: 'use the private key file',
};

/**
 * The error for a file that cannot be used: KEY_INVALID with the name of its format, or else with
 * `problem`, and with the command that converts it, if there is one.
 */
export function unusable(source: KeySource, problem: string): KsealError {
  const { shown, isPrivate, wanted } = source;
  const conversion =
    conversions.find(({ matches }) => matches(source)) ?? conversionOfBase64(source);
  const { kind, problem: format, ...commands } = conversion ?? {};
  const needed = wanted ?? (isPrivate || kind === 'private' ? 'private' : 'public');
  const command = commands[needed];
  const isOther = kind !== undefined && kind !== needed;
  const ending = isOther ? `, expected a ${needed} key` : '';
  return new KsealError('KEY_INVALID', format === undefined ? problem : `${format}${ending}`, {
    thing: shown,
    hint: command === undefined ? useKey[needed] : commandFor(command, shown),
  });
}
