import { KsealError } from '../errors.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { kmsEndpoint } from '../keys/gcpkms/client.ts';
import { isNamespace, isSecretName } from '../kubernetes/names.ts';
import { printable } from '../text.ts';
import { isCidr, KONNECTIVITY } from '../webhook/install/network.ts';

/** The options of `kseal webhook manifests`. */
export interface ManifestFlags {
  readonly image: string;
  readonly key: readonly string[];
  readonly keySecret?: string;
  readonly namespace: string;
  readonly replicas: string;
  readonly tls: 'cert-manager' | 'self-signed' | 'files';
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly clientCa: readonly string[];
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
  readonly apiServerFrom: readonly string[];
  readonly serviceAccountAnnotation: readonly string[];
  readonly acceptUnbound: readonly string[];
  readonly maxScope?: string;
  readonly deprecatedKid: readonly string[];
  readonly revokedKid: readonly string[];
  readonly logLevel?: string;
  readonly memo: boolean;
  readonly kmsEndpoint?: string;
  readonly config?: string;
  readonly output?: string;
  readonly force?: boolean;
}

interface Check {
  readonly isWrong: (flags: ManifestFlags) => boolean;
  readonly message: string;
  readonly hint: string;
}

/** The longest common name that a certificate can hold (RFC 5280, ub-common-name). */
const MAX_COMMON_NAME = 64;

/** What is wrong with the flags themselves, whatever the files and keys that they name hold. */
const checks: readonly Check[] = [
  {
    isWrong: ({ image }) => !/^[\w][\w.:/@-]*$/.test(image),
    message: '--image is not the name of an image',
    hint: '--image registry.example.org/kseal@sha256:…',
  },
  {
    isWrong: ({ key }) => key.length === 0,
    message: 'no key to open with',
    hint: "-k 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K'",
  },
  {
    isWrong: ({ keySecret = 'a' }) => !isSecretName(keySecret),
    message: '--key-secret is no name of a Secret',
    hint: '--key-secret kseal-keys',
  },
  {
    isWrong: ({ namespace }) => !isNamespace(namespace),
    message: '-n is no namespace: lower-case letters, digits and - are allowed',
    hint: '-n kseal',
  },
  {
    isWrong: ({ namespace }) => namespace === 'default' || namespace.startsWith('kube-'),
    message: 'the webhook needs a namespace of its own: Secrets beside it are not opened',
    hint: '-n kseal',
  },
  {
    isWrong: ({ replicas }) => !/^[1-9]\d{0,2}$/.test(replicas),
    message: '--replicas takes a number from 1 to 999',
    hint: '--replicas 2',
  },
  {
    isWrong: ({ clientName }) =>
      clientName.some((name) => name === '' || name.length > MAX_COMMON_NAME),
    message: `--client-name takes the common name of a certificate, of 1 to ${MAX_COMMON_NAME} letters`,
    hint: '--client-name kube-apiserver',
  },
  {
    isWrong: ({ apiServerFrom }) =>
      !apiServerFrom.every((from) => from === KONNECTIVITY || isCidr(from)),
    message: '--api-server-from takes addresses in CIDR form, or konnectivity',
    hint: '--api-server-from 10.0.0.2/32',
  },
  {
    isWrong: ({ acceptUnbound }) => !acceptUnbound.every(isNamespace),
    message: '--accept-unbound takes a namespace',
    hint: '--accept-unbound legacy',
  },
  {
    isWrong: ({ output }) => output === '-' || output === '',
    message: '-o takes the name of a folder',
    hint: 'for YAML on stdout leave -o away',
  },
];

/** Throws the first thing that is wrong, as USAGE. */
export function checkFlags(flags: ManifestFlags): void {
  refuseUnprintable(flags);
  const wrong = checks.find(({ isWrong }) => isWrong(flags));
  if (wrong !== undefined) throw new KsealError('USAGE', wrong.message, { hint: wrong.hint });
  const { kmsEndpoint: endpoint } = flags;
  if (endpoint !== undefined)
    kmsEndpoint({ kmsEndpoint: endpoint, env: {}, verifySignature: false, note: () => {} });
}

/** What readers of YAML disagree on, and what would hide from who reads the YAML. */
function refuseUnprintable(flags: ManifestFlags): void {
  for (const [name, value] of Object.entries(flags)) {
    if ([value].flat().every((text) => printable(`${text}`) === `${text}`)) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new KsealError('USAGE', `${flag} holds a character that cannot be seen`, {
      hint: 'type it anew instead of pasting it',
    });
  }
}

/** Kids in either form that people have them in. Throws USAGE. */
export function kidsIn(flag: string, texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const kid = parseKid(text);
    if (kid !== undefined) return kid;
    throw new KsealError('USAGE', `${flag} takes a kid of 43 characters or 64 hex digits`, {
      hint: 'kseal keys prints them; put it in quotes if it has spaces',
    });
  });
}
