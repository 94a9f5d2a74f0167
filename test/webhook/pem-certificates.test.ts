import { describe, expect, test } from 'vitest';
import { issueCertificate } from '../../src/webhook/certificates.ts';
import { certificatesIn, checkServing, clientCasIn } from '../../src/webhook/pem-certificates.ts';
import { thrownBy } from '../jwe/thrown.ts';

const host = 'kseal-webhook.kseal.svc';
const issue = (dnsNames: string[], validFrom = new Date(Date.now() - 60_000)) =>
  issueCertificate({ commonName: 'a', dnsNames, usage: 'serverAuth', validFrom, days: 1 });
const [sound, elsewhere, old, other] = await Promise.all([
  issue([host]),
  issue(['other.kseal.svc']),
  issue([host], new Date(Date.now() - 86_400_000 - 1000)),
  issue([host]),
]);

const file = (text: string, shown: string) => ({ octets: Buffer.from(text), shown });

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
    ['for another host', elsewhere, 'KEY_INVALID', `tls.crt: is not for ${host}, the host`],
    ['that has expired', old, 'KEY_INVALID', 'tls.crt: CN=a expired on '],
    ['with the key of another', { key: other.key }, 'KEY_MISMATCH', 'tls.key: is not the key of'],
    ['under another CA', { ca: other.ca }, 'KEY_MISMATCH', 'tls.crt: is not signed by ca.crt'],
    ['without a key', { key: sound.ca }, 'KEY_INVALID', 'tls.key: holds no private key'],
    ['that is none', { certificate: 'x' }, 'KEY_INVALID', 'tls.crt: holds no certificate in PEM'],
  ])('%s is refused', (_, files, code, message) => {
    expect(faultOf(files)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('leads to its CA through those between them', () => {
    // No certificate signs any of the others here, so the way ends at once.
    const certificate = sound.certificate + other.certificate + other.ca;
    expect(faultOf({ certificate, ca: other.ca })).toMatchObject({ code: 'KEY_MISMATCH' });
  });
});

describe('the certificates in a PEM text', () => {
  test('are all read, with text around them and line ends of Windows', () => {
    const text = `a CA\n${sound.ca}\nanother\n${other.ca}`.replaceAll('\n', '\r\n');
    expect(certificatesIn(Buffer.from(text), 'ca.crt')).toHaveLength(2);
  });

  test.each([
    ['nothing', '', 'holds no certificate in PEM form'],
    ['a private key beside it', sound.ca + sound.key, 'holds a private key, where only'],
    [
      'a request',
      sound.ca.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'),
      'holds no certificate',
    ],
    ['one that is cut', sound.ca.slice(0, -30), 'holds no certificate in PEM form'],
    ['one that is damaged', sound.ca.replace(/MII\w{9}/, 'MIIAAAAAAAAA'), 'is damaged'],
  ])('%s is refused', (_, text, message) => {
    const error = thrownBy(() => certificatesIn(Buffer.from(text), 'ca.crt'));
    expect(error).toMatchObject({ code: 'KEY_INVALID', message: expect.stringContaining(message) });
    expect(String(error)).not.toMatch(/MII|BEGIN/);
  });
});

describe('the CAs of clients', () => {
  test('are CAs', () => {
    expect(clientCasIn(Buffer.from(sound.ca), 'ca.crt')).toHaveLength(1);
    expect(thrownBy(() => clientCasIn(Buffer.from(sound.certificate), 'ca.crt'))).toMatchObject({
      message: 'ca.crt: CN=a is not the certificate of a CA',
    });
  });

  test('have not expired', () => {
    expect(thrownBy(() => clientCasIn(Buffer.from(old.ca), 'ca.crt'))).toMatchObject({
      message: expect.stringContaining('ca.crt: CN=a CA expired on '),
    });
  });
});
