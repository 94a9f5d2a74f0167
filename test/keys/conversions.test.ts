import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  holdsPrivateKey,
  looksLikeKey,
  openingKeyFromFile,
  parseKey,
  publicKeyFrom,
  publicKeyFromFile,
} from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-conversions-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pair = await makePair();
const der = (type: 'spki' | 'pkcs1') => pair.key.export({ type, format: 'der' });
const privateDer = (type: 'pkcs1' | 'pkcs8') => pair.privateKey.export({ type, format: 'der' });

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
const openssl = (line: string) => run('openssl', ...line.split(' '));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const base64 = (content: string | Uint8Array) =>
  Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\n');

writeFileSync(join(folder, 'private'), pair.privatePem);
writeFileSync(join(folder, 'certificate'), openssl('req -x509 -key private -subj /CN=kseal'));
openssl('pkcs12 -export -inkey private -in certificate -passout pass:secret -out both.p12');
const certificate = readFileSync(join(folder, 'certificate'), 'utf8');
const request = openssl('req -new -key private -subj /CN=kseal');
writeFileSync(join(folder, 'request'), request);
const p12 = readFileSync(join(folder, 'both.p12'));
const chain =
  certificate +
  text(openssl('req -x509 -newkey rsa:2048 -nodes -keyout - -subj /CN=x')).replace(
    /-----BEGIN PRIVATE KEY[\s\S]*END PRIVATE KEY-----\n/,
    '',
  );

/** The content of the file, the problem, and the last command of the hint with its output. */
type Case = readonly [content: string | Uint8Array, problem: string, hint: string];

const toSeal: Record<string, Case> = {
  'a public key in DER': [
    der('spki'),
    'is a public key in DER format',
    'openssl pkey -pubin -inform DER -in FILE -out key.pub',
  ],
  'a public key of PKCS#1 in DER': [
    der('pkcs1'),
    'is a public key in DER format',
    'openssl rsa -RSAPublicKey_in -inform DER -in FILE -out key.pub',
  ],
  'a certificate in DER': [
    openssl('x509 -in certificate -outform DER'),
    'is a certificate in DER format',
    'openssl x509 -inform DER -in FILE -out key.crt',
  ],
  'a certificate of version 1 in DER': [
    openssl(
      'x509 -req -in request -signkey private -outform DER'.replace(
        'request',
        save('request', request),
      ),
    ),
    'is a certificate in DER format',
    'openssl x509 -inform DER -in FILE -out key.crt',
  ],
  'a trusted certificate': [
    openssl('x509 -in certificate -trustout -addtrust serverAuth'),
    'unsupported PEM type TRUSTED CERTIFICATE',
    'openssl x509 -in FILE -out key.crt',
  ],
  'a chain of certificates': [
    chain,
    'contains more than one PEM block',
    'openssl x509 -in FILE -out key.crt',
  ],
  'a certificate request': [
    request,
    'is a certificate request',
    'openssl req -in FILE -pubkey -noout -out key.pub',
  ],
  'a certificate request as older tools write it': [
    text(request).replaceAll('CERTIFICATE', 'NEW CERTIFICATE'),
    'is a certificate request',
    'openssl req -in FILE -pubkey -noout -out key.pub',
  ],
  'a certificate request in DER': [
    openssl('req -new -key private -subj / -outform DER'),
    'is a certificate request in DER format',
    'openssl req -inform DER -in FILE -pubkey -noout -out key.pub',
  ],
  'a PKCS#7 file': [
    openssl('crl2pkcs7 -nocrl -certfile certificate'),
    'is a PKCS#7 file',
    'openssl pkcs7 -in FILE -print_certs -out key.crt',
  ],
  'a PKCS#7 file in DER': [
    openssl('crl2pkcs7 -nocrl -certfile certificate -outform DER'),
    'is a PKCS#7 file in DER format',
    'openssl pkcs7 -inform DER -in FILE -print_certs -out key.crt',
  ],
  'a PKCS#12 file': [
    p12,
    'is a PKCS#12 file',
    'openssl pkcs12 -in FILE -nokeys -clcerts -out key.crt',
  ],
  'a private key in DER': [
    privateDer('pkcs8'),
    'is a private key in DER format, expected a public key',
    'openssl pkey -inform DER -in FILE -pubout -out key.pub',
  ],
  'an encrypted private key in DER': [
    openssl('pkcs8 -topk8 -in private -passout pass:secret -outform DER'),
    'is an encrypted private key in DER format, expected a public key',
    'openssl pkcs8 -inform DER -in FILE | openssl pkey -pubout -out key.pub',
  ],
  'a private key in PEM': [
    pair.privatePem,
    'is a private key, expected a public key',
    'openssl pkey -in FILE -pubout -out key.pub',
  ],
  'a private key and its certificate': [
    pair.privatePem + certificate,
    'is a private key, expected a public key',
    'openssl x509 -in FILE -out key.crt',
  ],
  'a public key after its private key as text': [
    openssl('rsa -in private -pubout -text'),
    'is a private key, expected a public key',
    'openssl pkey -pubin -in FILE -out key.pub',
  ],
  'PEM in one line with \\n': [
    `"${pair.publicPem.replaceAll('\n', '\\n')}"`,
    'has \\n instead of line breaks',
    `printf '%b\\n' "$(grep -o -e '-----BEGIN.*-----' FILE)" > key.pub`,
  ],
  'PEM in one line of JSON': [
    JSON.stringify({ type: 'service_account', public_key: pair.publicPem }),
    'has \\n instead of line breaks',
    `printf '%b\\n' "$(grep -o -e '-----BEGIN.*-----' FILE)" > key.pub`,
  ],
  'a private key in one line of a file of variables': [
    `KEY="${pair.privatePem.replaceAll('\n', '\\n')}"\n`,
    'has \\n instead of line breaks, expected a public key',
    `printf '%b\\n' "$(grep -o -e '-----BEGIN.*-----' FILE)" | openssl pkey -pubout -out key.pub`,
  ],
  'PEM in quotes': [
    `"${pair.publicPem.trim()}"\n`,
    'is in quotes',
    `tr -d "\\"'" < FILE > key.pub`,
  ],
  'a private key in base64': [
    base64(pair.privatePem),
    'is encoded in base64, expected a public key',
    "tr -d '[:space:]' < FILE | openssl base64 -d -A | openssl pkey -pubout -out key.pub",
  ],
  'PEM in base64': [
    base64(pair.publicPem),
    'is encoded in base64',
    "tr -d '[:space:]' < FILE | openssl base64 -d -A > key.pub",
  ],
  'the body of a PEM block': [
    base64(der('spki')),
    'is encoded in base64',
    "tr -d '[:space:]' < FILE | openssl base64 -d -A | openssl pkey -pubin -inform DER -out key.pub",
  ],
};

const toOpen: Record<string, Case> = {
  'a private key in DER': [
    privateDer('pkcs8'),
    'is a private key in DER format',
    'openssl pkey -inform DER -in FILE -out key.pem',
  ],
  'a private key of PKCS#1 in DER': [
    privateDer('pkcs1'),
    'is a private key in DER format',
    'openssl pkey -inform DER -in FILE -out key.pem',
  ],
  'an encrypted private key in DER': [
    openssl('pkcs8 -topk8 -in private -passout pass:secret -outform DER'),
    'is an encrypted private key in DER format',
    'openssl pkcs8 -inform DER -in FILE -out key.pem',
  ],
  'an encrypted private key in DER with an old cipher': [
    openssl('pkcs8 -topk8 -in private -v1 PBE-SHA1-3DES -passout pass:secret -outform DER'),
    'is an encrypted private key in DER format',
    'openssl pkcs8 -inform DER -in FILE -out key.pem',
  ],
  'a PKCS#12 file': [
    p12,
    'is a PKCS#12 file',
    'openssl pkcs12 -in FILE -nodes -nocerts -out key.pem',
  ],
  'a PKCS#12 file in base64': [
    base64(p12),
    'is encoded in base64',
    "tr -d '[:space:]' < FILE | openssl base64 -d -A | openssl pkcs12 -nodes -nocerts -out key.pem",
  ],
  'PEM in one line with \\n': [
    pair.privatePem.replaceAll('\n', '\\n'),
    'has \\n instead of line breaks',
    `printf '%b\\n' "$(grep -o -e '-----BEGIN.*-----' FILE)" > key.pem`,
  ],
  'a private key after its public key': [
    pair.publicPem + pair.privatePem,
    'contains more than one PEM block',
    'openssl pkey -in FILE -out key.pem',
  ],
};

function save(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}

/** Runs a command as a user pastes it, with the passphrase that openssl would ask for. */
function paste(command: string): string {
  const line = command.replace(/openssl pkcs(?:8|12)/, '$& -passin pass:secret');
  run('sh', '-ec', line);
  return /key\.\w+$/.exec(command)?.[0] ?? '';
}

const NAME = "it's a file";
const WORD = "'it'\\''s a file'";

/** Yields no passphrase. */
const none = async function* () {};

describe('to seal', () => {
  test.each(Object.entries(toSeal))(
    'with %s, the hint is the command that converts it',
    async (_, [content, problem, hint]) => {
      const path = join(folder, save(NAME, content));
      const error = await rejectionOf(publicKeyFromFile(path, NAME));
      expect(error).toEqual({
        code: 'KEY_INVALID',
        message: `${NAME}: ${problem}`,
        hint: hint.replace('FILE', WORD),
      });
      const output = join(folder, paste(error.hint ?? ''));
      expect((await publicKeyFromFile(output, output)).kid).toBe(pair.kid);
    },
  );
});

describe('to open values', () => {
  test.each(Object.entries(toOpen))(
    'with %s, the hint is the command that converts it',
    async (_, [content, problem, hint]) => {
      const path = join(folder, save(NAME, content));
      const error = await rejectionOf(openingKeyFromFile(path, NAME, none));
      expect(error).toEqual({
        code: 'KEY_INVALID',
        message: `${NAME}: ${problem}`,
        hint: hint.replace('FILE', WORD),
      });
      const output = join(folder, paste(error.hint ?? ''));
      expect((await openingKeyFromFile(output, output, none)).kid).toBe(pair.kid);
    },
  );
});

test('the file that is read is never the one that is written', async () => {
  for (const [name, written] of [
    ['keys/key.pub', 'new-key.pub'],
    ['key.pem', 'key.pub'],
  ] as const) {
    const { hint } = await rejectionOf(publicKeyFrom(der('spki'), name));
    expect(hint).toBe(`openssl pkey -pubin -inform DER -in ${name} -out ${written}`);
  }
});

test('a private key is recognized in every text format', () => {
  const found = Object.entries(toSeal).flatMap(([name, [content]]) =>
    holdsPrivateKey(Buffer.from(content)) ? name : [],
  );
  expect(found).toEqual([
    'a private key in PEM',
    'a private key and its certificate',
    'a public key after its private key as text',
    'a private key in one line of a file of variables',
  ]);
  const jwks = { keys: [{ kty: 'EC' }, pair.privateKey.export({ format: 'jwk' })] };
  expect(holdsPrivateKey(Buffer.from(JSON.stringify(jwks)))).toBe(true);
});

describe('a file of public keys only', () => {
  const publicOnly = Object.entries(toSeal).filter(
    ([name, [, problem]]) => !/private|12/.test(name + problem),
  );

  test.each(publicOnly)('(%s) is refused as a private key', async (_, [content]) => {
    const path = join(folder, save(NAME, content));
    const { code, hint } = await rejectionOf(openingKeyFromFile(path, NAME, none));
    expect([code, hint]).toEqual(['KEY_INVALID', expect.not.stringMatching(/pub\b|crt/)]);
  });
});

describe('a key that no command or only that of a rare tool converts', () => {
  const ed25519 = base64('openssh-key-v1 ssh-ed25519 CANARY');
  const openSsh = `-----BEGIN OPENSSH PRIVATE KEY-----\n${ed25519}\n-----END OPENSSH PRIVATE KEY-----\n`;
  const pgp = (kind: string) =>
    `-----BEGIN PGP ${kind} KEY BLOCK-----\n\nmQENBF\n=abcd\n-----END PGP ${kind} KEY BLOCK-----\n`;

  test.each([
    ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@host', 'is an SSH public key that is not RSA'],
    [openSsh, 'is an OpenSSH private key that is not RSA, expected a public key'],
    [pgp('PUBLIC'), 'is an OpenPGP public key'],
    [pgp('PRIVATE'), 'is an OpenPGP private key, expected a public key'],
    ['PuTTY-User-Key-File-3: ssh-rsa\n', 'is a PuTTY private key, expected a public key'],
    ['\xfe\xed\xfe\xed', 'is a Java keystore'],
  ])('is named: case %#', async (content, problem) => {
    const { code, message } = await rejectionOf(publicKeyFrom(Buffer.from(content, 'latin1'), 'x'));
    expect({ code, message }).toEqual({ code: 'KEY_INVALID', message: `x: ${problem}` });
  });
});

test('a file in these formats looks like a key to inspect, unless it could be any text', () => {
  for (const [name, [content]] of Object.entries(toSeal))
    expect([name, looksLikeKey(Buffer.from(content))]).toEqual([
      name,
      !/base64|body|one line|quotes/.test(name),
    ]);
});

test('inspect gets the command for a public key, or for a private one', async () => {
  const hintOf = async (content: Uint8Array) => (await rejectionOf(parseKey(content, 'x'))).hint;
  expect(await hintOf(der('spki'))).toContain('key.pub');
  expect(await hintOf(privateDer('pkcs8'))).toContain('key.pem');
  const damaged = Buffer.from(pair.privatePem.replace('MII', '!!!'));
  expect(await hintOf(damaged)).toContain('private key');
});
