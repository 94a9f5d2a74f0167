import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import type { ManifestOptions } from '../webhook/install/options.ts';
import { configFor } from './context.ts';
import { pairs } from './input.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';
import { version } from './version.ts';
import { kidStatesIn, webhookKeys } from './webhook-keys.ts';
import { kidsIn, type ManifestFlags } from './webhook-manifests-flags.ts';
import { clientsFrom, servingTlsFrom } from './webhook-trust.ts';

/** Looks up what the flags name: keys, their states, certificates. Reads no private key but that of TLS. */
export async function optionsFrom(
  io: IO,
  flags: ManifestFlags,
  commandLine: string,
): Promise<ManifestOptions> {
  const config = configOf(io, flags);
  const keys = await webhookKeys(flags.key, config);
  const needsSecret = keys.some(({ kind }) => kind === 'file');
  if (needsSecret !== (flags.keySecret !== undefined)) throw keySecretError(needsSecret);
  const { image, namespace, keySecret, apiServerFrom, acceptUnbound } = flags;
  const { maxScope, logLevel, memo, kmsEndpoint } = flags;
  const annotations = pairs('--service-account-annotation', flags.serviceAccountAnnotation);
  return {
    ...{ commandLine, version, image, namespace, keys, keySecret, apiServerFrom },
    replicas: Number(flags.replicas),
    clients: await clientsFrom(io, flags),
    tls: await servingTlsFrom(io, flags),
    serviceAccountAnnotations: Object.fromEntries(annotations),
    serve: {
      ...{ acceptUnbound, maxScope, logLevel, memo, kmsEndpoint },
      ...(await kidStates(io, flags, config)),
    },
  };
}

/** The configuration above the folder that is written, else above the current one. */
function configOf(io: IO, flags: ManifestFlags): Config | undefined {
  const file = flags.output === undefined ? undefined : join(flags.output, 'kustomization.yaml');
  return configFor(io, flags, file) ?? configFor(io, flags, undefined);
}

/** What the configuration says of its keys, and what was typed. */
async function kidStates(io: IO, flags: ManifestFlags, config: Config | undefined) {
  const known = config === undefined ? { deprecated: [], revoked: [] } : await kidStatesIn(config);
  const [deprecated, revoked] = [known.deprecated.length, known.revoked.length];
  if (deprecated + revoked > 0)
    say(
      io,
      'note',
      `${config?.path}: keys that are deprecated: ${deprecated}, revoked: ${revoked}`,
    );
  const both = (kids: readonly string[], typed: readonly string[]) => [
    ...new Set([...kids, ...typed]),
  ];
  return {
    deprecatedKids: both(known.deprecated, kidsIn('--deprecated-kid', flags.deprecatedKid)),
    revokedKids: both(known.revoked, kidsIn('--revoked-kid', flags.revokedKid)),
  };
}

function keySecretError(isMissing: boolean): KsealError {
  return isMissing
    ? new KsealError(
        'USAGE',
        'a private key file is never part of the YAML: it comes from a Secret',
        {
          hint: '--key-secret kseal-keys',
        },
      )
    : new KsealError('USAGE', '--key-secret goes with a key that is a file', {
        hint: '-k prod.pem names the file prod.pem in that Secret',
      });
}
