import { join, resolve } from 'node:path';
import { expected, KsealError } from '../errors.ts';
import { readIfThere } from '../fs/read.ts';
import {
  checkClientCas,
  checkIssued,
  checkServing,
  currentCas,
  expiryDay,
  type PemFile,
  signersOf,
  subjectsIn,
} from '../webhook/certificates.ts';
import { clientCertificateIn } from '../webhook/install/api-server.ts';
import { caName, issueCertificate } from '../webhook/install/certificates.ts';
import {
  type Clients,
  type Folders,
  hostIn,
  hostsIn,
  NAME,
  privateFiles,
  type ServingTls,
} from '../webhook/install/options.ts';
import { readInput } from './files.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';

/** The steps that replace a certificate, for `--rotate`. */
export const rotations = ['serving', 'client', 'finish'] as const;

/** The options of `kseal webhook manifests` about certificates. */
export interface CertificateFlags {
  readonly namespace: string;
  readonly tls: 'cert-manager' | 'self-signed' | 'files';
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly clientCa: readonly string[];
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
  readonly rotate?: (typeof rotations)[number];
}

/** Whether kseal issues the client certificate of the API server. */
export function issuesClient({ tls, clientCa, clientName }: CertificateFlags): boolean {
  return tls === 'self-signed' && clientCa.length === 0 && clientName.length > 0;
}

/** How long an issued certificate is valid, in days: nothing renews it. */
const DAYS = 730;

/** How far in the past an issued certificate becomes valid, in milliseconds, because clocks differ. */
const SKEW = 60 * 60 * 1000;

const validity = () => ({ validFrom: new Date(Date.now() - SKEW), days: DAYS });

/**
 * The serving certificate: read from files, or issued. An issued one is kept while it is in the
 * output folder. Throws IO or CERTIFICATE_INVALID.
 */
export async function servingTlsFrom(
  io: IO,
  flags: CertificateFlags,
  folders: Folders | undefined,
): Promise<ServingTls> {
  const { tls, tlsCert = '', tlsKey = '', tlsCa = '', namespace } = flags;
  if (tls === 'cert-manager') return { kind: 'cert-manager' };
  if (tls === 'self-signed' && folders !== undefined) return selfSigned(io, flags, folders);
  const [cert, key, ca] = await Promise.all([
    readPem(io, tlsCert),
    readPem(io, tlsKey),
    readPem(io, tlsCa),
  ]);
  checkServing({ cert, key }, ca, hostIn(namespace));
  const [certificate, privateKey] = [textOf(cert), textOf(key)];
  return { kind: 'pair', isIssued: false, certificate, key: privateKey, ca: textOf(ca) };
}

async function selfSigned(
  io: IO,
  { namespace, rotate }: CertificateFlags,
  folders: Folders,
): Promise<ServingTls> {
  const [cert, ca] = [pemIn(io, folders.base, 'tls.crt'), pemIn(io, folders.base, 'ca.crt')];
  if (cert && ca && rotate !== 'serving') {
    const key = pemIn(io, folders.private, privateFiles.tls);
    const host = hostIn(namespace);
    orRotate('serving', () =>
      key ? checkServing({ cert, key }, ca, host) : checkIssued(cert, ca, host),
    );
    say(io, 'note', `${cert.shown}: kept, expires on ${expiryDay(textOf(cert))}`);
    const trusted = rotate === 'finish' ? signersOf(cert, ca) : textOf(ca);
    return { kind: 'pair', isIssued: true, certificate: textOf(cert), ca: trusted };
  }
  const dnsNames = hostsIn(namespace);
  const request = { commonName: NAME, dnsNames, usage: 'serverAuth' as const, ...validity() };
  const made = await issueCertificate(request);
  const day = expiryDay(made.certificate);
  say(io, 'note', `issued a certificate that expires on ${day} and is not renewed automatically`);
  return { kind: 'pair', isIssued: true, ...made, ca: made.ca + currentCas(ca) };
}

/** The clients that may call: their CA is read from files or issued. Throws IO or CERTIFICATE_INVALID. */
export async function clientsFrom(
  io: IO,
  flags: CertificateFlags,
  folders: Folders | undefined,
): Promise<Clients> {
  const { clientCa, clientName: names, allowAnyClient } = flags;
  if (allowAnyClient) return { kind: 'anyone' };
  if (issuesClient(flags) && folders !== undefined) return issuedClients(io, flags, folders);
  const files = await Promise.all(clientCa.map((path) => readPem(io, path)));
  const ca = files.flatMap(checkClientCas).map(String).join('');
  return { kind: 'certified', isIssued: false, ca, names };
}

async function issuedClients(
  io: IO,
  { clientName: names, rotate }: CertificateFlags,
  folders: Folders,
): Promise<Clients> {
  const ca = pemIn(io, folders.base, 'client-ca.crt');
  const certified = { kind: 'certified', isIssued: true, names } as const;
  if (ca && rotate !== 'client') {
    orRotate('client', () => checkNames(ca, names));
    const signers = clientSigners(io, ca, folders);
    if (rotate !== 'finish' || subjectsIn(ca).length === 1) return { ...certified, ca: textOf(ca) };
    if (signers !== undefined) return { ...certified, ca: signers };
    throw new KsealError('IO', 'not found, so nothing says which client CA is in use', {
      thing: join(folders.private, privateFiles.apiServer),
      hint: 'copy it to this machine, or add --rotate client',
    });
  }
  const [commonName = ''] = names;
  const made = await issueCertificate({ commonName, usage: 'clientAuth', ...validity() });
  return { ...certified, made, ca: made.ca + currentCas(ca) };
}

/** Checks that the client certificate that was issued earlier has a name that is accepted. */
function checkNames(ca: PemFile, names: readonly string[]): void {
  const issued = subjectsIn(ca);
  if (names.some((name) => issued.includes(`CN=${caName(name)}`))) return;
  const problem = `issued for another client than ${names.join(', ')}`;
  throw new KsealError('CERTIFICATE_INVALID', problem, { thing: ca.shown });
}

/** The CA of the client certificate that was issued last; undefined if the certificate is elsewhere. */
function clientSigners(io: IO, ca: PemFile, folders: Folders): string | undefined {
  const name = privateFiles.apiServer;
  // Earlier versions wrote it into the base.
  const file = pemIn(io, folders.private, name) ?? pemIn(io, folders.base, name);
  if (file === undefined) return undefined;
  const bytes = Buffer.from(clientCertificateIn(file.bytes.toString('utf8')), 'base64');
  return orRotate('client', () => signersOf({ bytes, shown: file.shown }, ca));
}

/** Runs a check of files that an earlier run wrote. Its errors have the hint to replace the files. */
function orRotate<T>(what: 'serving' | 'client', check: () => T): T {
  try {
    return check();
  } catch (error) {
    const { code, headline } = expected(error);
    throw new KsealError(code, headline, { hint: `add --rotate ${what}` });
  }
}

const MAX_PEM = 256 * 1024;

const textOf = ({ bytes }: PemFile) => bytes.toString('latin1');

async function readPem(io: IO, path: string): Promise<PemFile> {
  return { bytes: await readInput(io, path, MAX_PEM), shown: path };
}

/** A file in a folder of the output; undefined if it is missing. */
function pemIn(io: IO, folder: string, name: string): PemFile | undefined {
  const shown = join(folder, name);
  const bytes = readIfThere(resolve(io.cwd, shown), shown, MAX_PEM);
  return bytes === undefined ? undefined : { bytes, shown };
}
