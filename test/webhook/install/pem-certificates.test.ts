import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { describe, expect, test } from 'vitest';
import {
  checkServing,
  clientCasIn,
  issueCertificate,
} from '../../../src/webhook/install/certificates.ts';
import { thrownBy } from '../../jwe/thrown.ts';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const host = 'kseal-webhook.kseal.svc';
const issue = (dnsNames: string[], validFrom = new Date(Date.now() - 60_000)) =>
  issueCertificate({ commonName: 'a', dnsNames, usage: 'serverAuth', validFrom, days: 1 });
const [sound, elsewhere, old, other] = await Promise.all([
  issue([host]),
  issue(['other.kseal.svc']),
  issue([host], new Date(Date.now() - 86_400_000 - 1000)),
  issue([host]),
]);

const file = (text: string, shown: string) => ({ bytes: Buffer.from(text), shown });

/** What is wrong with serving files; undefined: nothing. */
function faultOf({ certificate = sound.certificate, key = sound.key, ca = sound.ca }) {
  const files = {
    certificate: file(certificate, 'tls.crt'),
    key: file(key, 'tls.key'),
    ca: file(ca, 'ca.crt'),
  };
  let fault: unknown;
  try {
    checkServing(files, host);
  } catch (error) {
    fault = error;
  }
  return fault;
}

describe('a serving certificate', () => {
  test('is accepted with its key and its CA, also among others, and as its own CA', () => {
    expect(faultOf({})).toBeUndefined();
    expect(faultOf({ ca: other.ca + sound.ca })).toBeUndefined();
    expect(faultOf({ certificate: sound.certificate + sound.ca })).toBeUndefined();
    expect(faultOf({ ca: sound.certificate })).toBeUndefined();
  });

  test.each([
    ['for another host', elsewhere, 'CERTIFICATE_INVALID', `tls.crt: is not for ${host}, the host`],
    ['that has expired', old, 'CERTIFICATE_INVALID', 'tls.crt: expired on '],
    [
      'with the key of another',
      { key: other.key },
      'CERTIFICATE_INVALID',
      'tls.key: is not the key of',
    ],
    [
      'under another CA',
      { ca: other.ca },
      'CERTIFICATE_INVALID',
      'tls.crt: is not signed by ca.crt',
    ],
    ['without a key', { key: sound.ca }, 'CERTIFICATE_INVALID', 'tls.key: is no PEM private key'],
    [
      'that is none',
      { certificate: 'x' },
      'CERTIFICATE_INVALID',
      'tls.crt: holds no certificate in PEM',
    ],
  ])('%s is refused', (_, files, code, message) => {
    expect(faultOf(files)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('leads to its CA through those between them', async () => {
    const { key, certificates } = await chain('root', 'upper', 'lower', 'leaf');
    const [root = '', upper = '', lower = '', leaf = ''] = certificates;
    expect(faultOf({ key, ca: root, certificate: leaf + lower + upper })).toBeUndefined();
    expect(faultOf({ key, ca: root, certificate: leaf + upper + lower })).toBeUndefined();
    expect(faultOf({ key, ca: root, certificate: leaf + upper + upper })).toMatchObject({
      message: 'tls.crt: is not signed by ca.crt',
    });
  });
});

/** Certificates of which each signs the next one; the last has the host, and `key` is its key. */
async function chain(...names: readonly string[]) {
  const pairs = await Promise.all(
    names.map(() => webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])),
  );
  const certificates = await Promise.all(
    pairs.map(({ publicKey }, index) =>
      X509CertificateGenerator.create({
        subject: `CN=${names[index]}`,
        issuer: `CN=${names[Math.max(index - 1, 0)]}`,
        notAfter: new Date(Date.now() + 60_000),
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

describe('the CAs of clients', () => {
  test('are CAs', () => {
    expect(clientCasIn(Buffer.from(sound.ca), 'ca.crt')).toHaveLength(1);
    expect(thrownBy(() => clientCasIn(Buffer.from(sound.certificate), 'ca.crt'))).toMatchObject({
      message: 'ca.crt: CN=a is not the certificate of a CA',
    });
  });

  test('come with the root above them', async () => {
    const { certificates } = await chain('root', 'lower');
    const lower = certificates[1] ?? '';
    expect(thrownBy(() => clientCasIn(Buffer.from(lower), 'ca.crt'))).toMatchObject({
      message: 'ca.crt: the CA that issued CN=lower is not in it',
      hint: 'add the certificate of CN=root to the file',
    });
    expect(clientCasIn(Buffer.from(certificates.join('')), 'ca.crt')).toHaveLength(2);
  });

  test('have not expired', () => {
    expect(thrownBy(() => clientCasIn(Buffer.from(old.ca), 'ca.crt'))).toMatchObject({
      message: expect.stringContaining('ca.crt: CN=a CA expired on '),
    });
  });
});
