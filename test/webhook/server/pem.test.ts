import { describe, expect, test } from 'vitest';
import { issueCertificate } from '../../../src/webhook/install/certificates.ts';
import { certificatesIn } from '../../../src/webhook/server/tls.ts';
import { thrownBy } from '../../jwe/thrown.ts';

const issue = () =>
  issueCertificate({ commonName: 'a', usage: 'clientAuth', validFrom: new Date(), days: 1 });
const [sound, other] = await Promise.all([issue(), issue()]);

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
    expect(error).toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringContaining(message),
    });
    expect(String(error)).not.toMatch(/MII|BEGIN/);
  });
});
