import { KsealError } from '../errors.ts';
import type { ProviderOptions } from './provider.ts';

/** Where Cloud KMS is asked. */
export interface KmsEndpoint {
  readonly host: string;
  readonly port: number;
  /** Plain text, without credentials: an emulator or a tunnel on this machine. */
  readonly loopback: boolean;
}

const DEFAULT: KmsEndpoint = { host: 'cloudkms.googleapis.com', port: 443, loopback: false };
const VARIABLE = 'KSEAL_KMS_ENDPOINT';

/** A full host name (a bare word could be a scheme to gRPC), an IPv4 or a bracketed IPv6 address. */
const FORM = /^(localhost|(?:[a-z0-9-]+\.)+[a-z0-9-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/;

const OCTET = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const LOOPBACK = new RegExp(`^(?:localhost|127\\.${OCTET}\\.${OCTET}\\.${OCTET}|\\[::1\\])$`);

/**
 * The endpoint to ask: what `--kms-endpoint` names, else the environment, else Google's. An
 * environment is inherited unseen, and credentials go where it points: so it may name only this
 * machine and Google, while the flag may name any host. Any but Google's default is told.
 * Throws USAGE.
 */
export function kmsEndpoint({ kmsEndpoint: flag, env, note }: ProviderOptions): KmsEndpoint {
  const given = flag ?? env[VARIABLE];
  if (!given) return DEFAULT;
  const endpoint = parse(given, flag === undefined ? VARIABLE : '--kms-endpoint');
  const { host, port, loopback } = endpoint;
  if (flag === undefined && !loopback && !host.endsWith('.googleapis.com')) {
    throw new KsealError('USAGE', `${VARIABLE} may name this machine or *.googleapis.com only`, {
      hint: `--kms-endpoint ${host}:${port}`,
    });
  }
  if (host !== DEFAULT.host || port !== DEFAULT.port) {
    const how = loopback ? ', in plain text and without credentials' : '';
    note(`asking Cloud KMS at ${host}:${port}${how}`);
  }
  return endpoint;
}

function parse(given: string, source: string): KmsEndpoint {
  const [, host = '', digits] = FORM.exec(given.toLowerCase()) ?? [];
  const port = Number(digits ?? DEFAULT.port);
  if (host !== '' && port >= 1 && port <= 65535) {
    return { host, port, loopback: LOOPBACK.test(host) };
  }
  // What was given is not repeated: a URL may hold a password.
  throw new KsealError('USAGE', `${source} is not HOST or HOST:PORT`, {
    hint: `for example ${source === VARIABLE ? `${source}=` : `${source} `}localhost:9010`,
  });
}
