import { KsealError } from '../errors.ts';
import { checkEdited } from './check-edited.ts';
import { addEntries, type Change, changeField } from './edit-field.ts';
import { scalarSplices } from './edit-scalar.ts';
import { type Edit, type State, statesAfter } from './edit-state.ts';
import { type Addition, type Style, styleOf } from './edit-style.ts';
import { entryNamed } from './literal.ts';
import { type Field, fieldNames, type Manifest, type SecretDocument } from './manifest.ts';
import { secretLabel, where } from './problem.ts';
import { applySplices, type Splice } from './splice.ts';

export type { Edit } from './edit-state.ts';

/**
 * The source of `manifest`, which has no problems, after `edits`. Whatever is not the scalar
 * of a value that is set, or the line of an entry that is removed, stays octet for octet.
 *
 * @throws KsealError VALUE_REFUSED for a value under stringData that is not UTF-8
 */
export function editManifest(manifest: Manifest, edits: readonly Edit[]): string {
  if (manifest.problems.length > 0) throw new Error('a manifest with problems cannot be edited');
  const states = statesAfter(manifest, edits);
  const edited = applySplices(
    manifest.source,
    states.flatMap((state) => splicesFor(manifest, state)),
  );
  if (edited !== manifest.source) checkEdited(manifest, states, edited);
  return edited;
}

function splicesFor({ source, path }: Manifest, state: State): readonly Splice[] {
  const { node } = state.secret;
  const style = styleOf(source, node);
  const missing: Addition[] = [];
  const changed = fieldNames.flatMap((field) => {
    const change = changeOf(field, state, path);
    const present = state.renamed ? (field === 'data' ? 'stringData' : undefined) : field;
    const entry = present && entryNamed(node, present);
    if (entry !== undefined) return changeField(source, node, entry, change, style);
    if (change.set.size > 0) missing.push({ key: field, value: pairs(change.set) });
    return [];
  });
  return [
    ...changed,
    ...addEntries(source, node, missing, style),
    ...rename(source, state),
    ...annotationSplices(source, state, style),
  ];
}

const pairs = (texts: ReadonlyMap<string, string>): readonly Addition[] =>
  [...texts].map(([key, value]) => ({ key, value }));

function changeOf(field: Field, { secret, renamed, values }: State, path: string): Change {
  const before = new Map(
    secret.entries
      .filter((entry) => renamed || entry.field === field)
      .map(({ key, octets }) => [key, octets]),
  );
  const after = [...values[field]].filter(
    ([key, octets]) => renamed || !sameOctets(octets, before.get(key)),
  );
  return {
    set: new Map(after.map(([key, octets]) => [key, textOf(field, octets, key, secret, path)])),
    remove: new Set([...before.keys()].filter((key) => !values[field].has(key))),
  };
}

function sameOctets(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

// A byte order mark is part of a value like any other character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What stands in the source for a value: its base64 under data, its text under stringData. */
function textOf(
  field: Field,
  octets: Uint8Array,
  key: string,
  secret: SecretDocument,
  path: string,
): string {
  if (field === 'data') return Buffer.from(octets).toString('base64');
  try {
    return utf8.decode(octets);
  } catch {
    const place = where(path, secret.position, secretLabel(secret), key);
    throw new KsealError(
      'VALUE_REFUSED',
      `${place}: the value is not text, so it cannot stand under stringData`,
      {
        hint: 'put it under data, which holds any octets',
      },
    );
  }
}

function rename(source: string, { secret, renamed }: State): readonly Splice[] {
  const key = renamed ? entryNamed(secret.node, 'stringData')?.key : undefined;
  return key?.kind === 'scalar' ? scalarSplices(source, key, 'data') : [];
}

function annotationSplices(
  source: string,
  { secret, annotations }: State,
  style: Style,
): readonly Splice[] {
  const remove = new Set([...secret.annotations.keys()].filter((name) => !annotations.has(name)));
  const metadata = entryNamed(secret.node, 'metadata')?.value;
  const field = metadata?.kind === 'map' ? entryNamed(metadata, 'annotations') : undefined;
  if (remove.size === 0 || metadata?.kind !== 'map' || field === undefined) return [];
  return changeField(source, metadata, field, { set: new Map(), remove }, style);
}
