import { errorFor } from '../diagnostic.ts';
import { decodeUtf8 } from '../text.ts';
import type { YamlNode } from '../yaml/node.ts';
import { addEntries, type Change, changeField } from './edit-mapping.ts';
import { entryNamed } from './nodes.ts';
import { readManifest } from './read.ts';
import { scalarSplices } from './scalars.ts';
import { applySplices, type Splice } from './splice.ts';
import { type Addition, blockLines, flowMap, type Style, styleOf } from './style.ts';
import { type Field, fieldNames, locationIn, type Manifest, type SecretDocument } from './types.ts';

/**
 * The source of `manifest`, which has no problems, after `edits`. Whatever is not the scalar
 * of a value that is set, or the line of an entry that is removed, stays byte for byte.
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
      .map(({ key, bytes }) => [key, bytes]),
  );
  const after = [...values[field]].filter(
    ([key, bytes]) => renamed || !sameBytes(bytes, before.get(key)),
  );
  return {
    set: new Map(after.map(([key, bytes]) => [key, textOf(field, bytes, key, secret, path)])),
    remove: new Set([...before.keys()].filter((key) => !values[field].has(key))),
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

/** Returns the source text of a value: base64 under `data`, the text itself under `stringData`. */
function textOf(
  field: Field,
  bytes: Uint8Array,
  key: string,
  secret: SecretDocument,
  path: string,
): string {
  if (field === 'data') return Buffer.from(bytes).toString('base64');
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  const message = 'binary values cannot be stored under stringData';
  const problem = { ...locationIn(secret, { key }), message, hint: 'put it under data' };
  throw errorFor(path, problem, 'VALUE_REFUSED');
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

export type Edit =
  /** Gives a data key the value `bytes`; a key that is new comes last. */
  | {
      readonly kind: 'set';
      readonly secret: SecretDocument;
      readonly field: Field;
      readonly key: string;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'remove';
      readonly secret: SecretDocument;
      readonly field: Field;
      readonly key: string;
    }
  /** Turns `stringData` into `data`, for a Secret without `data`; the other edits then say `data`. */
  | { readonly kind: 'rename-field'; readonly secret: SecretDocument }
  | {
      readonly kind: 'remove-annotation';
      readonly secret: SecretDocument;
      readonly annotation: string;
    };

/** What a Secret is to hold once it is edited. */
interface State {
  readonly secret: SecretDocument;
  /** Whether `stringData` is to become `data`. */
  readonly renamed: boolean;
  readonly values: Readonly<Record<Field, ReadonlyMap<string, Uint8Array>>>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** What the Secrets of `manifest` are to hold after `edits`, which are applied in their order. */
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
  const annotations = new Map(secret.annotations);
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

/** Throws, as for a bug, unless `text` holds what was meant, and all else that `before` holds. */
export function checkEdited(before: Manifest, states: readonly State[], text: string): void {
  const after = readManifest(text, before.path);
  const sound =
    after.problems.length === 0 &&
    JSON.stringify(after.secrets.map(contentOf)) === JSON.stringify(states.map(wantedOf)) &&
    JSON.stringify(outline(after)) === JSON.stringify(outline(before));
  if (!sound)
    throw new Error('the edited manifest does not hold what was meant; nothing was written');
}

type Content = readonly unknown[];

function contentOf({ entries, annotations }: SecretDocument): Content {
  const sorted = entries
    .map(({ field, key, bytes }) => [field, key, base64(bytes)].join(':'))
    .sort();
  return [...sorted, [...annotations]];
}

function wantedOf({ values, annotations }: State): Content {
  const entries = fieldNames.flatMap((field) => {
    return [...values[field]].map(([key, bytes]) => [field, key, base64(bytes)].join(':'));
  });
  return [...entries.sort(), [...annotations]];
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

/** All documents as plain values, but for what `contentOf` covers. */
function outline({ roots, secrets }: Manifest): Content {
  const covered = new Set<YamlNode>();
  for (const { node } of secrets) {
    const metadata = entryNamed(node, 'metadata')?.value;
    const fields = [entryNamed(node, 'data'), entryNamed(node, 'stringData')];
    if (metadata?.kind === 'map') fields.push(entryNamed(metadata, 'annotations'));
    for (const field of fields) if (field !== undefined) covered.add(field.key);
  }
  return roots.map((root) => outlineOf(root, covered));
}

function outlineOf(node: YamlNode, covered: ReadonlySet<YamlNode>): unknown {
  const { kind, anchor, tag } = node;
  if (kind === 'alias') return { kind, target: node.target.anchor };
  if (kind === 'seq')
    return { kind, anchor, tag, items: node.items.map((item) => outlineOf(item, covered)) };
  if (kind === 'scalar') return { text: node.text, plain: node.style === 'plain', anchor, tag };
  const entries = node.entries.filter(({ key }) => !covered.has(key));
  const outlined = entries.map(({ key, value }) => [
    outlineOf(key, covered),
    outlineOf(value, covered),
  ]);
  return { kind, anchor, tag, entries: outlined };
}

interface NewSecret {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** JSON in place of YAML, indented by two spaces. */
  readonly json: boolean;
}

/** The text of a Secret without values, into which `editManifest` puts them. */
export function newManifest(secret: NewSecret): string {
  const style = { eol: '\n', json: secret.json, unit: '  ', colon: ': ', comma: ', ' };
  const metadata = [
    ...optional('name', secret.name),
    ...optional('namespace', secret.namespace),
    ...mapping('labels', secret.labels),
    ...mapping('annotations', secret.annotations),
  ];
  const entries = [
    ...optional('apiVersion', 'v1'),
    ...optional('kind', 'Secret'),
    { key: 'metadata', value: metadata },
    ...optional('type', secret.type),
  ];
  const text = secret.json
    ? flowMap(entries, '', style)
    : blockLines(entries, '', style).join('\n');
  return `${text}\n`;
}

function optional(key: string, value: string | undefined): readonly Addition[] {
  return value === undefined ? [] : [{ key, value }];
}

function mapping(key: string, texts: ReadonlyMap<string, string>): readonly Addition[] {
  const value = [...texts].map(([name, text]) => ({ key: name, value: text }));
  return value.length === 0 ? [] : [{ key, value }];
}
