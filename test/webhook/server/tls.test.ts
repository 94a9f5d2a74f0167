import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkTls } from '../../../src/webhook/server/tls.ts';
import { type Authority, makeAuthority, type Pair } from '../../helpers/certificates.ts';
import { freshFolder } from './served.ts';

const files = { cert: 'tls.crt', key: 'tls.key', clientCa: 'ca.crt' };
const hosts = ['kseal-webhook.kseal.svc'];
let authority: Authority;
let pair: Pair;
let other: Pair;

beforeAll(async () => {
  authority = await makeAuthority();
  [pair, other] = await Promise.all([authority.issue({ hosts }), authority.issue({ hosts })]);
});

const check = ({ cert, key }: Pair, ca?: string) =>
  checkTls(
    {
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      ca: ca === undefined ? undefined : Buffer.from(ca),
    },
    files,
  );

const refusal = (made: Pair, ca?: string) => {
  try {
    check(made, ca);
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    expect(code).toBe('CERTIFICATE_INVALID');
    expect(hint).not.toBe('');
    return message;
  }
  throw new Error('it was accepted');
};

test('a pair that fits, with its chain and text around it, and the authorities of clients', () => {
  const cert = `Subject: x\n${pair.cert}\n# the authority\n${authority.cert}`;
  const found = check({ ...pair, cert }, `${authority.cert}\n${authority.cert}`);
  expect(found.notAfter).toBeGreaterThan(Date.now());
  expect(`${found.cert}`).toBe(cert);
});

describe('refused', () => {
  test('the key of another certificate', () => {
    expect(refusal({ ...pair, key: other.key })).toBe('tls.key: is not the key of tls.crt');
  });

  test('a certificate without a subject alternative name: Go ignores the common name', async () => {
    const cn = await authority.issue({ subject: 'CN=kseal-webhook.kseal.svc' });
    expect(refusal(cn)).toBe('tls.crt: names no host, and the API server does not look at its CN');
  });

  test('one that has expired', async () => {
    const old = await authority.issue({ hosts, expires: -1 });
    expect(refusal(old)).toMatch(/^tls\.crt: expired on /);
  });

  test.each([
    ['', 'holds no certificate in PEM form, or something else besides'],
    ['CANARY', 'holds no certificate in PEM form, or something else besides'],
    [
      '-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n',
      'a certificate in it is damaged',
    ],
  ])('what is no certificate: %j', (cert, why) => {
    expect(refusal({ ...pair, cert })).toBe(`tls.crt: ${why}`);
    expect(refusal(pair, cert)).toBe(`ca.crt: ${why}`);
  });

  test('a CA of clients without the root above it: no client would be let in', () => {
    expect(refusal(pair, other.cert)).toBe('ca.crt: the CA that issued CN=leaf is not in it');
    expect(() => check(pair, `${other.cert}${authority.cert}`)).not.toThrow();
  });

  test('a damaged certificate behind a sound one: TLS would leave it out without a word', () => {
    const damaged = authority.cert.replace(/(?<=\n).{10}/, 'AAAAAAAAAA');
    for (const second of [damaged, authority.cert.slice(0, -40)]) {
      const chain = `${pair.cert}\n${second}`;
      expect(refusal({ ...pair, cert: chain })).toMatch(
        /^tls\.crt: (a certificate in it is damaged|holds no)/,
      );
      expect(refusal(pair, `${authority.cert}\n${second}`)).toMatch(
        /^ca\.crt: (a certificate in it is damaged|holds no)/,
      );
    }
  });

  test('a certificate in DER', () => {
    const der = Buffer.from(pair.cert.replace(/-----.*-----|\n/g, ''), 'base64');
    const read = { cert: der, key: Buffer.from(pair.key), ca: undefined };
    expect(() => checkTls(read, files)).toThrow('holds no certificate in PEM form');
  });

  test('a key that is none, a public one, or one with a passphrase; nothing of it is said', () => {
    const publicKey = `${createPublicKey(pair.key).export({ type: 'spki', format: 'pem' })}`;
    const args = ['pkcs8', '-topk8', '-passout', 'pass:x'];
    const encrypted = execFileSync('openssl', args, { input: pair.key, encoding: 'utf8' });
    for (const key of ['', 'CANARY', publicKey, encrypted]) {
      expect(refusal({ ...pair, key })).toBe('tls.key: is no PEM private key without a passphrase');
    }
  });

  test('a pair that OpenSSL holds for too weak', () => {
    const folder = freshFolder();
    const args = ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-days', '2', '-subj', '/CN=x'];
    const to = ['-addext', 'subjectAltName=DNS:x', '-keyout', 'tls.key', '-out', 'tls.crt'];
    execFileSync('openssl', [...args, ...to], { cwd: folder, stdio: 'ignore' });
    const read = (name: string) => execFileSync('cat', [name], { cwd: folder, encoding: 'utf8' });
    expect(refusal({ cert: read('tls.crt'), key: read('tls.key') })).toBe(
      'tls.crt: OpenSSL does not use it: ee key too small',
    );
  });
});
