import { KsealError, throwAll } from '../errors.ts';
import type { Manifest, SecretDocument } from './manifest.ts';
import { problemError, secretLabel } from './problem.ts';

export interface Wanted {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
}

/**
 * The one Secret of a manifest that is meant: its only one, or the one that `name` and, if that
 * does not decide, `namespace` choose. Throws MANIFEST_INVALID or USAGE.
 */
export function selectSecret(manifest: Manifest, { name, namespace }: Wanted): SecretDocument {
  const { path, secrets, problems } = manifest;
  throwAll(problems.map((problem) => problemError(path, problem)));
  const named = secrets.filter((secret) => name === undefined || secret.name === name);
  const chosen =
    named.length > 1 && namespace !== undefined
      ? named.filter((secret) => secret.namespace === namespace)
      : named;
  const [secret, second] = chosen;
  if (secret !== undefined && second === undefined) return secret;
  const present = secrets.map(secretLabel).join(', ');
  if (secret !== undefined) {
    throw new KsealError('USAGE', `${path}: holds several Secrets: ${present}`, {
      hint: 'say which one by name, and with -n NAMESPACE if need be',
    });
  }
  if (secrets.length === 0)
    throw new KsealError('MANIFEST_INVALID', `${path}: holds no Secret`, {
      hint: 'check that it has kind: Secret',
    });
  throw new KsealError('USAGE', `${path}: holds no Secret ${name ?? ''}, but ${present}`, {
    hint: 'check the name',
  });
}
