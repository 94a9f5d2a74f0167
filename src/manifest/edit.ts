import { decodeUtf8 } from '../text.ts';
import type { YamlMap, YamlNode, YamlScalar } from '../yaml/node.ts';
import { addEntries, type Change, changeField } from './edit-mapping.ts';
import { newText } from './new-manifest.ts';
import { entryNamed } from './nodes.ts';
import { readManifest } from './read.ts';
import { scalarSplices } from './scalars.ts';
import { applySplices, type Splice } from './splice.ts';
import { type Addition, additionsOf, eolOf, type Style, styleOf } from './style.ts';
import { type Entry, type Field, fieldNames, type Manifest, type SecretDocument } from './types.ts';

type Value = Pick<Entry, 'field' | 'key' | 'bytes'>;

export type Edit = { readonly secret: SecretDocument } & (
  | ({ readonly kind: 'set' } & Value)
  | ({ readonly kind: 'remove' } & Omit<Value, 'bytes'>)
  /** Renames `stringData` to `data` in a Secret without `data`; the other edits then say `data`. */
  | { readonly kind: 'rename-field' }
  | { readonly kind: 'remove-annotation'; readonly annotation: string }
);

/** A Secret after its edits. */
interface State {
  readonly secret: SecretDocument;
  /** Whether `stringData` becomes `data`. */
  readonly renamed: boolean;
  readonly values: Readonly<Record<Field, ReadonlyMap<string, Uint8Array>>>;
  readonly annotations: ReadonlyMap<string, string>;
}

/**
 * Applies `edits` in order to a manifest without problems and returns its new source. A new data
 * key comes last. Everything but the scalars of set values and the lines of removed entries stays
 * byte for byte. A value under stringData must be UTF-8.
 */
export function editManifest(manifest: Manifest, edits: readonly Edit[]): string {
  if (manifest.problems.length > 0) throw new Error('a manifest with problems cannot be edited');
  const states = statesAfter(manifest, edits);
  if (manifest.fresh !== undefined) return newText(manifest.fresh, states.flatMap(fieldsAfter));
  const edited = applySplices(manifest.source, splicesOf(manifest, states));
  if (edited !== manifest.source) checkEdited(manifest, states, edited);
  return edited;
}

/** The fields of a new Secret, which is printed with them. */
function fieldsAfter({ values }: State): readonly Addition[] {
  return fieldNames.flatMap((field) => {
    const texts = [...values[field]].map(([key, bytes]) => ({ key, value: textOf(field, bytes) }));
    return texts.length === 0 ? [] : [{ key: field, value: texts }];
  });
}

/** Returns the parts of the source that `edits` replace, in any order. */
export function splicesFor(manifest: Manifest, edits: readonly Edit[]): readonly Splice[] {
  return splicesOf(manifest, statesAfter(manifest, edits));
}

function splicesOf({ source }: Manifest, states: readonly State[]): readonly Splice[] {
  const eol = eolOf(source);
  return states.flatMap((state) => splicesOfState(source, state, eol));
}

/** The Secrets of a manifest after `edits`. */
export function statesAfter({ secrets }: Manifest, edits: readonly Edit[]): readonly State[] {
  const grouped = new Map(secrets.map((secret) => [secret, [] as Edit[]]));
  for (const edit of edits) {
    const group = grouped.get(edit.secret);
    if (group === undefined) throw new Error('an edit of a Secret that is not in the manifest');
    group.push(edit);
  }
  return [...grouped].map(([secret, group]) => stateAfter(secret, group));
}

function stateAfter(secret: SecretDocument, edits: readonly Edit[]): State {
  const renamed = edits.some(({ kind }) => kind === 'rename-field');
  if (renamed && secret.fields.has('data'))
    throw new Error('stringData cannot become a second data');
  const annotations = annotationsOf(secret);
  const values = { data: new Map<string, Uint8Array>(), stringData: new Map<string, Uint8Array>() };
  for (const { field, key, bytes } of secret.entries)
    values[renamed ? 'data' : field].set(key, bytes);
  for (const edit of edits) {
    if (edit.kind === 'set') values[edit.field].set(edit.key, edit.bytes);
    if (edit.kind === 'remove') values[edit.field].delete(edit.key);
    if (edit.kind === 'remove-annotation') annotations.delete(edit.annotation);
  }
  return { secret, renamed, values, annotations };
}

function annotationsOf({ annotations }: SecretDocument): Map<string, string> {
  return new Map(annotations.map(({ name, text }) => [name, text]));
}

function splicesOfState(source: string, state: State, eol: string): readonly Splice[] {
  const { node } = state.secret;
  const style = styleOf(source, node, eol);
  const missing: Addition[] = [];
  const changed = fieldNames.flatMap((field) => {
    const change = changeOf(field, state);
    const present = state.renamed ? (field === 'data' ? 'stringData' : undefined) : field;
    const entry = present && entryNamed(node, present);
    if (entry !== undefined) return changeField(node, entry, change, style);
    if (change.set.size > 0) missing.push({ key: field, value: additionsOf(change.set) });
    return [];
  });
  return [
    ...changed,
    ...addEntries(node, missing, style),
    ...renameSplices(source, state),
    ...annotationSplices(state, style),
  ];
}

function changeOf(field: Field, { secret, renamed, values }: State): Change {
  const before = new Map(
    secret.entries
      .filter((entry) => renamed || entry.field === field)
      .map(({ key, bytes }) => [key, bytes]),
  );
  const after = [...values[field]].filter(([key, bytes]) => {
    const old = before.get(key);
    return renamed || old === undefined || Buffer.compare(bytes, old) !== 0;
  });
  return {
    set: new Map(after.map(([key, bytes]) => [key, textOf(field, bytes)])),
    remove: new Set([...before.keys()].filter((key) => !values[field].has(key))),
  };
}

/** The text of a value in the source: base64 under data, the value itself under stringData. */
function textOf(field: Field, bytes: Uint8Array): string {
  const text = field === 'data' ? base64(bytes) : decodeUtf8(bytes);
  if (text === undefined) throw new Error('a value under stringData is not UTF-8');
  return text;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

function renameSplices(source: string, { secret, renamed }: State): readonly Splice[] {
  const key = renamed ? entryNamed(secret.node, 'stringData')?.key : undefined;
  return key?.kind === 'scalar' ? scalarSplices(source, key, 'data') : [];
}

function annotationSplices({ secret, annotations }: State, style: Style): readonly Splice[] {
  const remove = new Set(
    [...annotationsOf(secret).keys()].filter((name) => !annotations.has(name)),
  );
  const metadata = entryNamed(secret.node, 'metadata')?.value;
  const field = metadata?.kind === 'map' ? entryNamed(metadata, 'annotations') : undefined;
  if (remove.size === 0 || metadata?.kind !== 'map' || field === undefined) return [];
  return changeField(metadata, field, { set: new Map(), remove }, style);
}

/** Throws an Error unless `text` is `before` with exactly the Secrets in `states`. */
export function checkEdited(before: Manifest, states: readonly State[], text: string): void {
  const after = readManifest(text, before.path);
  const covered = new Set([...coveredIn(before), ...coveredIn(after)]);
  const isSound =
    after.problems.length === 0 &&
    isEqualList(after.secrets, states, isAsIntended) &&
    isEqualList(after.roots, before.roots, (a, b) => isEqualNode(a, b, covered));
  if (!isSound) throw new Error('the edited manifest is not as intended; nothing was written');
}

function isEqualList<A, B>(
  a: readonly A[],
  b: readonly B[],
  isEqual: (a: A, b: B) => boolean,
): boolean {
  return a.length === b.length && a.every((one, at) => isEqual(one, b[at] as B));
}

function isAsIntended(secret: SecretDocument, { values, annotations }: State): boolean {
  const { entries } = secret;
  return (
    entries.length === values.data.size + values.stringData.size &&
    entries.every(({ field, key, bytes }) => {
      const intended = values[field].get(key);
      return intended !== undefined && Buffer.compare(bytes, intended) === 0;
    }) &&
    isEqualList([...annotationsOf(secret)], [...annotations], ([name, text], [its, own]) => {
      return name === its && text === own;
    })
  );
}

/** The keys of the fields that `isAsIntended` compares. */
function coveredIn({ secrets }: Manifest): readonly YamlNode[] {
  return secrets.flatMap(({ node }) => {
    const metadata = entryNamed(node, 'metadata')?.value;
    const annotations = metadata?.kind === 'map' ? entryNamed(metadata, 'annotations') : undefined;
    const fields = [entryNamed(node, 'data'), entryNamed(node, 'stringData'), annotations];
    return fields.flatMap((field) => field?.key ?? []);
  });
}

/** Whether two nodes say the same, apart from their covered fields. */
function isEqualNode(a: YamlNode, b: YamlNode, covered: ReadonlySet<YamlNode>): boolean {
  if (a.anchor !== b.anchor || a.tag !== b.tag) return false;
  if (a.kind === 'alias') return b.kind === 'alias' && a.target.anchor === b.target.anchor;
  if (a.kind === 'scalar') {
    const isPlain = ({ style }: YamlScalar) => style === 'plain';
    return b.kind === 'scalar' && a.text === b.text && isPlain(a) === isPlain(b);
  }
  const isEqual = (x: YamlNode, y: YamlNode) => isEqualNode(x, y, covered);
  if (a.kind === 'seq') return b.kind === 'seq' && isEqualList(a.items, b.items, isEqual);
  const own = ({ entries }: YamlMap) => entries.filter(({ key }) => !covered.has(key));
  return (
    b.kind === 'map' &&
    isEqualList(own(a), own(b), (x, y) => isEqual(x.key, y.key) && isEqual(x.value, y.value))
  );
}
