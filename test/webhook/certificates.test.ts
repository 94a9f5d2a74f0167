import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { createPublicKey, KeyObject, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { describe, expect, test } from 'vitest';
import {
  certificatesIn,
  checkClientCas,
  checkPair,
  checkRoots,
  checkServing,
} from '../../src/webhook/certificates.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { thrownBy } from '../jwe/thrown.ts';
import { freshFolder } from './common.ts';

const host = 'kseal-webhook.kseal.svc';
const hosts = [host];
const authority = await makeAuthority('CN=root');
const [pair, other, elsewhere] = await Promise.all([
  authority.issue({ hosts }),
  authority.issue({ hosts }),
  authority.issue({ hosts: ['other.kseal.svc'] }),
]);

const file = (text: string | Buffer, shown: string) => ({ bytes: Buffer.from(text), shown });

/** The message of CERTIFICATE_INVALID, which has a hint and quotes no file. */
function problemOf(run: () => unknown): string {
  const { code, message, hint } = thrownBy(run);
  expect([code, hint]).toEqual(['CERTIFICATE_INVALID', expect.stringMatching(/./)]);
  expect(`${message} ${hint}`).not.toMatch(/MII|CANARY/);
  return message;
}

describe('a PEM file of certificates', () => {
  const read = (text: string | Buffer) => certificatesIn(file(text, 'ca.crt'));

  test('can contain other text and Windows line ends', () => {
    const text = `a CA\n${authority.cert}\nanother\n${pair.cert}\n`.replaceAll('\n', '\r\n');
    expect(read(text)).toHaveLength(2);
  });

  const damaged = authority.cert.replace(/(?<=\n).{10}/, 'AAAAAAAAAA');

  test.each<[string, string | Buffer, string]>([
    ['an empty file', '', 'not a file of PEM certificates'],
    ['other text', 'CANARY', 'not a file of PEM certificates'],
    ['DER', Buffer.from(pair.cert.replace(/-----.*-----|\n/g, ''), 'base64'), 'not a file of PEM'],
    ['a request', pair.cert.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'), 'not a file of PEM'],
    ['a private key in it', authority.cert + pair.key, 'contains a private key, where only'],
    ['a truncated certificate', pair.cert.slice(0, -40), 'not a file of PEM certificates'],
    // TLS would silently ignore the second one.
    [
      'a truncated second one',
      `${pair.cert}\n${authority.cert.slice(0, -40)}`,
      'not a file of PEM',
    ],
    ['a damaged certificate', damaged, 'contains a damaged certificate'],
    ['a damaged second one', `${pair.cert}\n${damaged}`, 'contains a damaged certificate'],
  ])('%s is refused', (_, text, problem) => {
    expect(problemOf(() => read(text))).toMatch(`ca.crt: ${problem}`);
  });
});

describe('a certificate and its key', () => {
  const check = ({ cert = pair.cert, key = pair.key }) =>
    checkPair({ cert: file(cert, 'tls.crt'), key: file(key, 'tls.key') });

  test('are accepted, with a chain', () => {
    expect(check({ cert: `${pair.cert}\n${authority.cert}` })).toHaveLength(2);
  });

  test('must belong together', () => {
    expect(problemOf(() => check({ key: other.key }))).toBe(
      'tls.key: not the private key of tls.crt',
    );
  });

  test('must have a subject alternative name, because Go ignores the common name', async () => {
    const named = await authority.issue({ subject: `CN=${host}` });
    expect(problemOf(() => check(named))).toBe(
      'tls.crt: no subject alternative name, and the API server ignores the common name',
    );
  });

  test('must not have expired', async () => {
    const old = await authority.issue({ hosts, expires: -1 });
    expect(problemOf(() => check(old))).toMatch(/^tls\.crt: expired on /);
  });

  test('must be an unencrypted private key', () => {
    const publicKey = `${createPublicKey(pair.key).export({ type: 'spki', format: 'pem' })}`;
    const args = ['pkcs8', '-topk8', '-passout', 'pass:x'];
    const encrypted = execFileSync('openssl', args, { input: pair.key, encoding: 'utf8' });
    for (const key of ['', 'CANARY', pair.cert, publicKey, encrypted]) {
      expect(problemOf(() => check({ key }))).toBe('tls.key: not an unencrypted PEM private key');
    }
  });

  test('must be strong enough for OpenSSL', () => {
    const folder = freshFolder();
    const args = ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-days', '2', '-subj', '/CN=x'];
    const to = ['-addext', 'subjectAltName=DNS:x', '-keyout', 'tls.key', '-out', 'tls.crt'];
    execFileSync('openssl', [...args, ...to], { cwd: folder, stdio: 'ignore' });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    expect(problemOf(() => check({ cert: read('tls.crt'), key: read('tls.key') }))).toBe(
      'tls.crt: rejected by OpenSSL: ee key too small',
    );
  });
});

describe('a serving certificate', () => {
  const check = ({ cert = pair.cert, key = pair.key, ca = authority.cert }) =>
    checkServing(
      { cert: file(cert, 'tls.crt'), key: file(key, 'tls.key') },
      file(ca, 'ca.crt'),
      host,
    );

  test('is accepted if any CA in the file signed it, or if it is its own CA', async () => {
    const { cert } = await makeAuthority('CN=other');
    check({});
    check({ ca: `${cert}\n${authority.cert}` });
    check({ cert: `${pair.cert}\n${authority.cert}` });
    check({ ca: pair.cert });
  });

  test('must be for the host of the webhook', () => {
    expect(problemOf(() => check(elsewhere))).toBe(
      `tls.crt: not valid for ${host}, the host that the API server calls`,
    );
  });

  test('must be signed by the CA', async () => {
    // A CA of the same name with another key.
    const { cert } = await makeAuthority('CN=root');
    expect(problemOf(() => check({ ca: cert }))).toBe('tls.crt: not signed by ca.crt');
  });

  test('can lead to the CA through the certificates after it, in any order', async () => {
    const { key, certificates } = await chain('root', 'upper', 'lower', 'leaf');
    const [ca = '', upper = '', lower = '', leaf = ''] = certificates;
    check({ key, ca, cert: leaf + lower + upper });
    check({ key, ca, cert: leaf + upper + lower });
    expect(problemOf(() => check({ key, ca, cert: leaf + upper + upper }))).toBe(
      'tls.crt: not signed by ca.crt',
    );
  });
});

/** A chain of certificates, each signed by the one before; `key` belongs to the last. */
async function chain(...names: readonly string[]) {
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const pairs = await Promise.all(
    names.map(() => webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])),
  );
  const certificates = await Promise.all(
    pairs.map(({ publicKey }, index) =>
      X509CertificateGenerator.create({
        subject: `CN=${names[index]}`,
        issuer: `CN=${names[Math.max(index - 1, 0)]}`,
        notAfter: new Date(Date.now() + 86_400_000),
        signingAlgorithm: ecdsa,
        publicKey,
        signingKey: (pairs[Math.max(index - 1, 0)] as webcrypto.CryptoKeyPair).privateKey,
        extensions: [
          new BasicConstraintsExtension(true),
          new SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
        ],
      }),
    ),
  );
  const { privateKey } = pairs.at(-1) as webcrypto.CryptoKeyPair;
  const key = KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key, certificates: certificates.map((one) => `${one.toString('pem')}\n`) };
}

describe('client CAs', () => {
  const check = (text: string) => checkClientCas(file(text, 'ca.crt'));

  test('are CAs', () => {
    expect(check(`${authority.cert}\n${authority.cert}`)).toHaveLength(2);
    expect(problemOf(() => check(`${authority.cert}\n${pair.cert}`))).toBe(
      'ca.crt: CN=leaf is not a CA',
    );
  });

  test('come with their root', async () => {
    const { certificates } = await chain('root', 'lower');
    const [, lower = ''] = certificates;
    expect(thrownBy(() => check(lower))).toMatchObject({
      message: 'ca.crt: the CA that issued CN=lower is missing',
      hint: 'add the certificate of CN=root to the file',
    });
    expect(() => checkRoots(file(lower, 'ca.crt'))).toThrow('is missing');
    expect(check(certificates.join(''))).toHaveLength(2);
  });

  test('have not expired', async () => {
    const { cert } = await makeAuthority('CN=old', -1);
    expect(problemOf(() => check(cert))).toMatch(/^ca\.crt: CN=old expired on /);
  });
});
