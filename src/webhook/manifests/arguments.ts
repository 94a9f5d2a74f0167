import { METRICS_PORT, PORT } from './names.ts';
import type { ManifestOptions } from './options.ts';

/** Where the pod has its files; each folder is a volume. */
export const TLS_FOLDER = '/etc/kseal/tls';
export const CLIENT_CA_FOLDER = '/etc/kseal/client-ca';
export const KEYS_FOLDER = '/etc/kseal/keys';

/** The command line of the container: what the image's entry point, kseal, is called with. */
export function serveArguments({ keys, clients, serve }: ManifestOptions): readonly string[] {
  const references = keys.map((key) =>
    key.kind === 'file' ? `${KEYS_FOLDER}/${key.name}` : key.reference,
  );
  return [
    ...['webhook', 'serve'],
    ...each('--key', references),
    ...each('--tls-cert', [`${TLS_FOLDER}/tls.crt`]),
    ...each('--tls-key', [`${TLS_FOLDER}/tls.key`]),
    ...each('--port', [`${PORT}`]),
    ...each('--metrics-port', [`${METRICS_PORT}`]),
    ...(clients.kind === 'anyone'
      ? ['--allow-any-client']
      : [
          ...each('--client-ca', [`${CLIENT_CA_FOLDER}/ca.crt`]),
          ...each('--client-name', clients.names),
        ]),
    ...each('--accept-unbound', serve.acceptUnbound),
    ...each('--max-scope', [serve.maxScope]),
    ...each('--deprecated-kid', serve.deprecatedKids),
    ...each('--revoked-kid', serve.revokedKids),
    ...each('--log-level', [serve.logLevel]),
    ...(serve.memo ? [] : ['--no-memo']),
    ...each('--kms-endpoint', [serve.kmsEndpoint]),
  ];
}

/** One argument each, which no value can break out of: a kid may begin with a dash. */
function each(flag: string, values: readonly (string | undefined)[]): string[] {
  return values.flatMap((value) => (value === undefined ? [] : `${flag}=${escaped(value)}`));
}

/** Kubernetes replaces `$(NAME)` in arguments; `$$` stands for a dollar sign. */
function escaped(value: string): string {
  return value.replaceAll('$', '$$$$');
}
