import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { subjectsIn } from '../../../src/webhook/certificates.ts';
import {
  caName,
  type IssuedCertificate,
  issueCertificate,
} from '../../../src/webhook/install/certificates.ts';
import { hostsIn } from '../../../src/webhook/install/options.ts';

const [host = '', ...otherHosts] = hostsIn('kseal');
const lifetime = { validFrom: new Date(Date.now() - 60_000), days: 30 };
const server = await issueCertificate({
  ...{ commonName: 'kseal-webhook', dnsNames: [host, ...otherHosts], usage: 'serverAuth' },
  ...lifetime,
});
const client = await issueCertificate({
  ...{ commonName: 'kube-apiserver, "x"', usage: 'clientAuth' },
  ...lifetime,
});

/** The output of a strict verification by OpenSSL. */
function verify({ certificate, ca }: IssuedCertificate, ...options: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ca'), ca);
  writeFileSync(join(folder, 'leaf'), certificate);
  const args = ['verify', '-x509_strict', '-check_ss_sig', '-CAfile', 'ca', ...options, 'leaf'];
  try {
    return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    return String((error as { stderr: string }).stderr);
  }
}

test('OpenSSL accepts the serving certificate only for its names and its purpose', () => {
  for (const name of [host, ...otherHosts]) {
    expect(verify(server, '-purpose', 'sslserver', '-verify_hostname', name)).toBe('leaf: OK\n');
  }
  expect(verify(server, '-verify_hostname', 'kseal-webhook.other.svc')).toMatch(
    'hostname mismatch',
  );
  expect(verify(server, '-purpose', 'sslclient')).toMatch('unsuitable certificate purpose');
  expect(verify({ ...server, ca: client.ca })).toMatch('unable to get local issuer');
});

test('OpenSSL accepts the client certificate only for its purpose', () => {
  expect(verify(client, '-purpose', 'sslclient')).toBe('leaf: OK\n');
  expect(verify(client, '-purpose', 'sslserver')).toMatch('unsuitable certificate purpose');
});

test.each(['kube-apiserver', 'kube-apiserver, "x"', '#a + b\\c', ' ä=<ö>; '])(
  'the subject of the CA that issues a certificate for %j can be read',
  async (commonName) => {
    const { ca } = await issueCertificate({ commonName, usage: 'clientAuth', ...lifetime });
    const file = { bytes: Buffer.from(ca), shown: 'ca.crt' };
    expect(subjectsIn(file)).toEqual([`CN=${caName(commonName)}`]);
  },
);

describe('the certificates', () => {
  const [leaf, root] = [new X509Certificate(server.certificate), new X509Certificate(server.ca)];

  test('have the right names, usages and algorithm', () => {
    expect([leaf.ca, root.ca]).toEqual([false, true]);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(leaf.subjectAltName?.split(', ')).toEqual(hostsIn('kseal').map((name) => `DNS:${name}`));
    expect(new X509Certificate(client.certificate).toLegacyObject().subject.CN).toBe(
      'kube-apiserver, "x"',
    );
    for (const { publicKey } of [leaf, root]) {
      expect(publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    }
  });

  test('have the requested lifetime and unique serial numbers', () => {
    const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 86_400_000;
    expect(days).toBe(30);
    const serials = [leaf, root, new X509Certificate(client.ca)].map((one) => one.serialNumber);
    expect(new Set(serials).size).toBe(3);
    // RFC 5280 § 4.1.2.2: positive, at most 20 bytes; at least 64 random bits.
    for (const serial of serials) expect(serial).toMatch(/^[0-9A-F]{16,40}$/);
  });
});

test('both ends of a TLS connection accept each other', async () => {
  const { cert, key, ca } = { cert: server.certificate, key: server.key, ca: client.ca };
  const listening = createServer({ cert, key, ca, requestCert: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void listening.close());
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const accepted = once(listening, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = connect({
    ...{ port, host: '127.0.0.1', servername: host, ca: server.ca },
    ...{ cert: client.certificate, key: client.key, minVersion: 'TLSv1.3' },
  });
  await once(socket, 'secureConnect');
  const [peer] = await accepted;
  expect([socket.authorized, peer.authorized]).toEqual([true, true]);
  expect(peer.getPeerCertificate().subject.CN).toBe('kube-apiserver, "x"');
  socket.destroy();
});
