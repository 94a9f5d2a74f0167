import { parseYaml, type YamlError } from '../yaml.ts';
import { positionsIn } from '../yaml-node.ts';
import { findSecrets } from './find-secrets.ts';
import type { Fault } from './literal.ts';
import type { Manifest } from './manifest.ts';
import type { Problem } from './problem.ts';
import { type ReadSecret, readSecret } from './read-secret.ts';

/**
 * Reads the Secrets of a YAML or JSON text of any number of documents, Lists included. All
 * other objects are passed over. Never throws for what the text holds: see `problems`.
 *
 * @param path how the text is called in messages
 */
export function readManifest(source: string, path: string): Manifest {
  const { roots, errors } = parseYaml(source);
  const searches = roots.map((root) => findSecrets(root));
  const read = searches
    .flatMap(({ secrets }) => secrets)
    .map(({ node, faults }) => readSecret(node, source, faults));
  const position = positionsIn(source);
  const secrets = read.map(({ secret, entries }) => ({
    ...secret,
    position: position(secret.node.start),
    entries: entries.map(({ field, key, octets, offset }) => ({
      field,
      key,
      octets,
      position: position(offset),
    })),
  }));
  const faults = faultsOf(
    searches.flatMap((search) => search.faults),
    read,
    errors,
  );
  const problems = faults.map(
    ({ offset, ...fault }): Problem => ({ ...fault, position: position(offset) }),
  );
  return { path, source, secrets, problems, roots };
}

type LocatedProblem = Omit<Problem, 'position'> & { readonly offset: number };

/** In source order; a key that is twice in one mapping is named as precisely as possible. */
function faultsOf(
  found: readonly Fault[],
  read: readonly ReadSecret[],
  errors: readonly YamlError[],
) {
  const located = (fault: Fault, secret?: string): LocatedProblem => {
    return { hint: undefined, key: undefined, ...fault, secret };
  };
  const faults = [
    ...found.map((fault) => located(fault)),
    ...read.flatMap((secret) => secret.faults.map((fault) => located(fault, secret.label))),
  ];
  const known = new Set(faults.map(({ offset }) => offset));
  const rest = errors.filter(({ offset }) => !known.has(offset));
  const unparsable = rest.map(({ message, offset }) =>
    located({ id: 'unparsable', message, offset }),
  );
  return [...faults, ...unparsable].sort((a, b) => a.offset - b.offset);
}
