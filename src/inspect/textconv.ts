import { createHash } from 'node:crypto';
import { describeBinding } from '../jwe/binding.ts';
import { isDataKey, isLabelKey } from '../kubernetes/secret.ts';
import { keepsCopy } from '../manifest/copies.ts';
import { entryNamed, isForeignVersion, isKindOfSecret, isNull, nameOf } from '../manifest/nodes.ts';
import { mayHoldSecret } from '../manifest/read.ts';
import { knownFields } from '../manifest/read-secret.ts';
import { applySplices, indentation, type Splice } from '../manifest/splice.ts';
import type {
  Manifest,
  NestedString,
  Nesting,
  ReaderCode,
  SecretDocument,
} from '../manifest/types.ts';
import {
  contentsOf,
  offsetsIn,
  type Range,
  rangesAt,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
} from '../yaml/node.ts';
import { inspectValue } from './inspect.ts';

const UNREAD = 'NOT SEALED (not shown)';
const HIDDEN = '(not shown)';

/**
 * Returns a manifest for `git diff`, in which a summary replaces each value of a Secret: everything
 * that is known without a key, and a short hash of the sealed text that shows every change. Nothing
 * that may be plaintext is shown: unknown fields, comments beside a Secret, annotations that hold a
 * copy, and text that may hold a Secret but cannot be parsed.
 */
export function textconv(manifest: Manifest): string {
  const { source, roots, problems } = manifest;
  if (roots.length === 0 && mayHoldSecret(source)) {
    const [{ message, position } = { message: 'only comments', position: undefined }] = problems;
    return notShown(position ? `line ${position.line}: ${message}` : message);
  }
  return shown(manifest, unreadDocuments(manifest));
}

/** The replacement for a text that may hold plaintext but cannot be read. */
export function notShown(reason: string): string {
  return `not shown because it may hold plaintext: ${reason}\nto see it anyway: git diff --no-textconv\n`;
}

// A duplicate key hides nothing: both of its values are found.
const harmless: ReadonlySet<ReaderCode> = new Set(['duplicate-key']);

/** Returns a splice for each document with a problem that is not about one Secret: it may hide one. */
function unreadDocuments({ source, roots, problems }: Manifest): readonly Splice[] {
  const found = problems.filter(({ code, secret }) => secret === undefined && !harmless.has(code));
  if (found.length === 0) return [];
  const offsetOf = offsetsIn(source);
  return found.flatMap(({ position, message }) => {
    // A tag or an anchor comes before the node.
    const root = roots.findLast(({ start }) => start <= offsetOf(position)) ?? roots[0];
    const reason = notShown(`line ${position.line}: ${message}`);
    return root === undefined ? [] : [{ start: root.start, end: root.end, text: reason }];
  });
}

/** A text, or a string in it that is a manifest itself. */
type Text = Nesting & Pick<Manifest, 'source' | 'roots' | 'secrets'>;

function shown({ source, roots, secrets, nested, strings }: Text, unread: readonly Splice[]) {
  const inStrings = new Set(strings.flatMap((string) => string.nested));
  const own = nested.filter((secret) => !inStrings.has(secret)).map(({ secret }) => secret);
  const all = [...secrets, ...own];
  // The nodes of Secrets inside other objects are copies, but keep their offsets.
  const known = new Set(all.map(({ node }) => node.start));
  const context = { source, copies: all.flatMap(copiesOf) };
  const hidden = [
    ...unread,
    ...all.flatMap(({ node }) => secretSplices(node, context)),
    ...roots.flatMap((root) => doubtfulSplices(root, known, context, true)),
    ...strings.map((string) => stringSplice(string, source)),
  ];
  if (hidden.length === 0 && all.length === 0) return source;
  return applySplices(source, outermost([...commentSplices(source, roots), ...hidden]));
}

/** Aliases and duplicates lead to the same node twice, and the larger of two ranges hides both. */
function outermost(splices: readonly Splice[]): readonly Splice[] {
  const sorted = splices.toSorted((a, b) => a.start - b.start || b.end - a.end);
  let end = -1;
  return sorted.filter((splice) => {
    if (splice.start < end) return false;
    end = splice.end;
    return true;
  });
}

/** People comment values out, and note them beside their base64. */
function commentSplices(source: string, roots: readonly YamlNode[]): readonly Splice[] {
  const contentAt = rangesAt(contentsOf(roots, source));
  return [...source.matchAll(/(?<=^|[ \t\uFEFF])#[^\r\n]*/gm)]
    .filter(({ index }) => contentAt(index) === undefined)
    .map(({ index, 0: comment }) => ({
      start: index,
      end: index + comment.length,
      text: `# ${HIDDEN}`,
    }));
}

/** Shows a string as the manifest that it is, in the lines of a block scalar. */
function stringSplice(string: NestedString, source: string): Splice {
  const { node, source: inner, roots } = string;
  const reason = 'a string that cannot be parsed';
  const text =
    roots.length === 0
      ? `not shown because it may hold plaintext: ${reason}`
      : shown({ ...string, source: inner.text, secrets: [] }, []);
  if (!text.trimEnd().includes('\n')) return masked(node, text.trimEnd(), source);
  const [, indent = `${indentation(source, node.start)}  `] =
    node.style === 'block' ? (/\n( +)\S/.exec(source.slice(node.start, node.end)) ?? []) : [];
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : indent + line));
  return masked(node, ['|', ...lines].join('\n'), source);
}

interface Context {
  readonly source: string;
  /** The plaintext values of the text and their base64, if they are too long to occur by chance. */
  readonly copies: readonly string[];
}

const LEAST_COPY = 6;

function copiesOf({ entries }: SecretDocument): readonly string[] {
  return entries.flatMap(({ bytes }) => {
    const text = Buffer.from(bytes).toString('utf8');
    const isCopied = bytes.length >= LEAST_COPY && inspectValue(bytes).state === 'plaintext';
    return isCopied ? [text, Buffer.from(bytes).toString('base64')] : [];
  });
}

/** The names of fields with values, even if they are misspelt or misplaced. */
const valueField = /^(?:string)?data$/i;
const isValueField = ({ key }: YamlEntry) => valueField.test(nameOf(key) ?? '');

/**
 * Hides the mappings that may be meant as Secrets, but are not read as such: the kind is misspelt,
 * or a template makes it. In objects that only refer to a Secret, there is nothing to hide.
 */
function doubtfulSplices(
  node: YamlNode,
  known: ReadonlySet<number>,
  context: Context,
  isObject: boolean,
): readonly Splice[] {
  if (node.kind === 'seq')
    return node.items.flatMap((item) => doubtfulSplices(item, known, context, isObject));
  if (node.kind !== 'map' || known.has(node.start)) return [];
  const kind = node.entries.find(({ key }) => /^kind$/i.test(nameOf(key) ?? ''))?.value;
  const isSecret =
    kind !== undefined &&
    isKindOfSecret(nameOf(kind) ?? 'Secret') &&
    // In a Kyverno policy, the kind is in the object around the fields.
    ![...known].some((start) => start > node.start && start < node.end);
  if (isSecret && isObject && !isForeign(node)) return secretSplices(node, context);
  return node.entries.flatMap((entry) => {
    const { key, value } = entry;
    const holdsValues = isSecret ? isValueField(entry) : /^stringData$/i.test(nameOf(key) ?? '');
    if (holdsValues) return valueSplices(value, nameOf(key), context);
    return doubtfulSplices(value, known, context, isObject && nameOf(key) === 'items');
  });
}

function isForeign(map: YamlMap): boolean {
  const version = entryNamed(map, 'apiVersion')?.value;
  return version !== undefined && isForeignVersion(nameOf(version) ?? '');
}

function secretSplices(map: YamlMap, context: Context): readonly Splice[] {
  return map.entries.flatMap((entry): readonly Splice[] => {
    const { key, value } = entry;
    const name = nameOf(key) ?? '';
    if (isValueField(entry)) return valueSplices(value, name, context);
    if (/^metadata$/i.test(name)) return metadataSplices(value, context);
    const isShown =
      knownFields['a Secret'].includes(name) || /^(?:kind|apiVersion|sops|\$.*)$/i.test(name);
    return isShown ? [] : unknownEntry(entry, context);
  });
}

/** Hides unknown fields, and the labels and annotations that hold a copy of a value or have no legal name. */
function metadataSplices(node: YamlNode, context: Context): readonly Splice[] {
  if (node.kind !== 'map') return hiddenValue(node, undefined, context);
  return node.entries.flatMap((entry) => {
    const { key, value } = entry;
    const name = nameOf(key) ?? '';
    if (!knownFields.metadata.includes(name)) return unknownEntry(entry, context);
    if ((name !== 'labels' && name !== 'annotations') || value.kind !== 'map') return [];
    return value.entries.flatMap((its) => [
      ...(isLabelKey(nameOf(its.key) ?? '') ? [] : [masked(its.key, HIDDEN, context.source)]),
      ...(isCopy(its, context) ? hiddenValue(its.value, undefined, context) : []),
    ]);
  });
}

const MAX_ANNOTATION = 120;

/** Tools keep whole objects in annotations, as JSON or compressed. */
function isCopy({ key, value }: YamlEntry, { copies }: Context): boolean {
  const text = nameOf(value.kind === 'alias' ? value.target : value) ?? '';
  return (
    keepsCopy(nameOf(key) ?? '') ||
    text.length > MAX_ANNOTATION ||
    /[{\n]/.test(text) ||
    copies.some((copy) => text.includes(copy))
  );
}

/** Hides the values of a field `data` or `stringData`, and shows what is known about sealed ones. */
function valueSplices(
  node: YamlNode,
  field: string | undefined,
  context: Context,
): readonly Splice[] {
  if (node.kind !== 'map') return hiddenValue(node, undefined, context);
  return node.entries.flatMap((entry) => hiddenEntry(entry, field, context));
}

/** Hides an unknown field. Its name may be a value in the wrong place, unless a mapping follows. */
function unknownEntry(entry: YamlEntry, context: Context): readonly Splice[] {
  const hidden = hiddenEntry(entry, undefined, context);
  return entry.value.kind === 'map'
    ? hidden
    : [masked(entry.key, HIDDEN, context.source), ...hidden];
}

/** Hides a value with its properties, and a key that may be a value in the wrong place. */
function hiddenEntry(
  entry: YamlEntry,
  field: string | undefined,
  context: Context,
): readonly Splice[] {
  const { key, colon, value } = entry;
  const isKey = colon !== undefined && isDataKey(nameOf(key) ?? '');
  const hidden = [...hiddenProperties(entry, context), ...hiddenValue(value, field, context)];
  return isKey || key.start === key.end ? hidden : [masked(key, HIDDEN, context.source), ...hidden];
}

/** Hides an anchor and a tag: a value that begins with & or ! is one without its quotes. */
function hiddenProperties({ colon = 0, value }: YamlEntry, { source }: Context): readonly Splice[] {
  if (value.kind === 'alias' || (value.anchor === undefined && value.tag === undefined)) return [];
  return [...source.slice(colon, value.start).matchAll(/[&!]\S*/g)].map(
    ({ index, 0: { length } }) => ({
      start: colon + index,
      end: colon + index + length,
      text: HIDDEN,
    }),
  );
}

/** Hides the scalars in a node. The name of an alias may be that of a hidden anchor. */
function hiddenValue(
  node: YamlNode,
  field: string | undefined,
  context: Context,
): readonly Splice[] {
  if (node.kind === 'alias')
    return [masked(node, HIDDEN, context.source), ...hiddenValue(node.target, field, context)];
  if (node.kind === 'map' && field === undefined)
    return node.entries.flatMap((entry) => hiddenEntry(entry, undefined, context));
  if (node.start === node.end || isNull(node)) return [];
  const text = field && nameOf(node);
  const summary = text === undefined ? UNREAD : summaryOf(bytesOf(text, field));
  return [masked(node, summary, context.source)];
}

function bytesOf(text: string, field: string | undefined): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  const isBase64 = bytes.toString('base64') === text.replace(/[\r\n]/g, '');
  return /^data$/i.test(field ?? '') && isBase64 ? bytes : Buffer.from(text);
}

function masked({ start, end }: Range, text: string, source: string): Splice {
  return { start, end, text: source.slice(start, end).endsWith('\n') ? `${text}\n` : text };
}

/** A plaintext gets no hash, because anyone who guesses it could confirm the guess. */
function summaryOf(bytes: Uint8Array): string {
  const { state, binding, kid, reason } = inspectValue(bytes);
  if (state === 'plaintext') return UNREAD;
  if (state === 'damaged') return `DAMAGED: ${reason}`;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  if (state === 'foreign') return `${reason} ${hash}`;
  const place = binding ? `for ${describeBinding(binding)}` : 'not bound to a Secret';
  return `sealed ${hash}, ${place}, ${kid === undefined ? 'no kid' : `key ${kid}`}`;
}
