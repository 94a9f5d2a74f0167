// Throwaway certificates.
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/**
 * Creates a CA. Its `issue` signs a certificate for a subject such as `CN=admin,O=system:masters`
 * and addresses such as `{ type: 'ip', value: '127.0.0.1' }`, which ends on the date `notAfter`, by
 * default in a year. All results are PEM texts.
 */
export async function certificateAuthority(name) {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  const issue = (subject, addresses = [], notAfter = undefined) =>
    signed(certificate, keys, { subject, addresses, notAfter });
  return { cert: certificate.toString('pem'), issue };
}

async function signed(issuer, issuerKeys, { subject, addresses, notAfter }) {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: issuerKeys.privateKey,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ...(addresses.length > 0 ? [new SubjectAlternativeNameExtension(addresses)] : []),
    ],
  });
  const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: PemConverter.encode(key, 'PRIVATE KEY') };
}

function newKeys() {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}
