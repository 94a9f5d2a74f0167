import { type Position, positionsIn } from '../yaml/node.ts';
import { parseYaml, type YamlError } from '../yaml/parse.ts';
import { findSecrets } from './find-secrets.ts';
import type { Fault } from './literal.ts';
import type { Entry, Manifest, SecretDocument } from './manifest.ts';
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
  const found: Fault[] = [];
  const read: ReadSecret[] = [];
  for (const root of roots) {
    const { secrets, faults } = findSecrets(root);
    for (const fault of faults) found.push(fault);
    for (const { node, faults: known } of secrets) read.push(readSecret(node, source, known));
  }
  const position = positionsIn(source);
  const secrets: SecretDocument[] = [];
  for (const secret of read) secrets.push(secretAt(secret, position));
  return { path, source, secrets, problems: problemsAt(found, read, errors, position), roots };
}

type PositionOf = (offset: number) => Position;

function secretAt({ secret, entries: read }: ReadSecret, position: PositionOf): SecretDocument {
  const entries: Entry[] = [];
  for (const { field, key, octets, offset } of read)
    entries.push({ field, key, octets, position: position(offset) });
  return { ...secret, position: position(secret.node.start), entries };
}

type LocatedProblem = Omit<Problem, 'position'> & { readonly offset: number };

/** In source order; a key that is twice in one mapping is named as precisely as possible. */
function problemsAt(
  found: readonly Fault[],
  read: readonly ReadSecret[],
  errors: readonly YamlError[],
  position: PositionOf,
): readonly Problem[] {
  const problems: LocatedProblem[] = [];
  const add = (fault: Fault, secret?: string) =>
    problems.push({ hint: undefined, key: undefined, ...fault, secret });
  for (const fault of found) add(fault);
  for (const { faults, label } of read) for (const fault of faults) add(fault, label);
  const known = new Set(problems.map(({ offset }) => offset));
  for (const { code, message, offset } of errors) {
    const id = code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'unparsable';
    if (!known.has(offset)) add({ id, message, offset });
  }
  return problems
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, ...problem }) => ({ ...problem, position: position(offset) }));
}
