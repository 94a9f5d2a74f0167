// Finds copies of plaintext outside of the values of a Secret: in the annotations of tools, and in
// everything that an edit leaves in the text.

import { gunzipSync, inflateRawSync } from 'node:zlib';
import type { Location, Position } from '../diagnostic.ts';
import { looksSealed } from '../jwe/detect.ts';
import { isLabelKey } from '../kubernetes/secret.ts';
import { decodeUtf8 } from '../text.ts';
import { lastAtMost, positionsIn, type YamlNode, type YamlScalar } from '../yaml/node.ts';
import { type Edit, splicesFor } from './edit.ts';
import { nameOf } from './nodes.ts';
import { locationIn } from './place.ts';
import { readManifest } from './read.ts';
import { match, type Splice } from './splice.ts';
import type { Annotation, Entry, Manifest, ReaderCode, SecretDocument } from './types.ts';

/** The annotations in which tools keep the object that they applied, or its value. */
const copyAnnotations: readonly RegExp[] = [
  // kubectl and KubeVela (JSON), kubecfg (JSON in gzip in base64).
  /\/last-applied-configuration$/,
  // The object matcher of Banzai Cloud, in many operators: JSON in zip in base64.
  /^banzaicloud\.com\/last-applied$/,
  // The Terraform provider of Kubestack: JSON in gzip in base64.
  /^kustomization\.kubestack\.com\/last-applied-config-gzip$/,
  // Operators that use kopf, each with its own prefix: JSON without apiVersion and kind.
  /\/last-handled-configuration$/,
  // kapp: JSON, and the differences as text.
  /^kapp\.k14s\.io\/original(?:-diff(?:-full)?)?$/,
  // Rancher, k3s and RKE2: JSON in gzip in base64 without padding.
  /^objectset\.rio\.cattle\.io\/applied$/,
  // Config Sync: JSON.
  /^configmanagement\.gke\.io\/declared-config$/,
  // OpenShift: the token of the service account, as it is.
  /^openshift\.io\/token-secret\.value$/,
];

/** Whether the purpose of an annotation is to keep a copy of an object or of a value. */
export function keepsCopy(annotation: string): boolean {
  return copyAnnotations.some((pattern) => pattern.test(annotation));
}

/**
 * Returns what to call a label or an annotation, such as `annotation example.com/note`. A name that
 * Kubernetes forbids is not shown, because it may be a value in the wrong place.
 */
export function describeMetadata(kind: 'annotation' | 'label', name: string): string {
  if (isLabelKey(name)) return `${kind} ${name}`;
  return kind === 'label' ? 'a label' : 'an annotation';
}

/**
 * Returns the annotations that contain plaintext: those that keep a copy, unless all of its values
 * are sealed, and any other with a Secret in plaintext.
 */
export function plaintextAnnotations({ annotations }: SecretDocument): readonly Annotation[] {
  return annotations.filter(({ name, text }) =>
    keepsCopy(name) ? !isSealedThroughout(text) : holdsPlainSecret(text),
  );
}

/** KubeVela writes `-` or `skip` instead of a copy. */
const noCopy = /^(?:-|skip|)$/;

function isSealedThroughout(text: string): boolean {
  if (noCopy.test(text)) return true;
  const members = membersOf(text) ?? membersOf(unwrapped(text) ?? '');
  if (members === undefined) return false;
  return Object.entries(members).every(([field, values]) => {
    const encoding = encodings.get(field.toLowerCase());
    if (encoding === undefined || values === null) return true;
    return Object.values(values).every((value) => {
      return typeof value === 'string' && looksSealed(Buffer.from(value, encoding));
    });
  });
}

const encodings = new Map<string, BufferEncoding>([
  ['data', 'base64'],
  ['stringdata', 'utf8'],
]);

/** Parses a JSON object; undefined for any other text. */
function membersOf(text: string): object | undefined {
  const value = jsonOf(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The error would quote the text.
  }
}

function holdsPlainSecret(text: string): boolean {
  return [text, unwrapped(text) ?? ''].some((manifest) => {
    if (!/\bSecret/.test(manifest)) return false;
    const { secrets, problems } = readManifest(manifest, '');
    return (
      secrets.some(({ entries }) => entries.some(({ bytes }) => !looksSealed(bytes))) ||
      problems.some(({ code }) => unsealable.has(code))
    );
  });
}

/** The problems of plaintext in a Secret that kseal cannot seal. */
const unsealable: ReadonlySet<ReaderCode> = new Set([
  'unknown-field',
  'not-base64',
  'ambiguous-scalar',
]);

/** The most bytes that one text may decompress to. Annotations have at most 256 KiB. */
const MAX_DECODED = 4 * 1024 * 1024;

/** Decodes base64 with or without padding, and gzip or zip in it; undefined for any other text. */
function unwrapped(text: string): string | undefined {
  if (text.length < 16 || !/^[\w+/\-\s]+={0,2}$/.test(text.trimEnd())) return undefined;
  const bytes = Buffer.from(text, 'base64');
  try {
    return decodeUtf8(decompressed(bytes));
  } catch {
    return undefined; // It only looked like gzip or zip, or is too large.
  }
}

function decompressed(bytes: Buffer): Uint8Array {
  const options = { maxOutputLength: MAX_DECODED };
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, options);
  if (!bytes.subarray(0, 4).equals(Buffer.from('PK\x03\x04'))) return bytes;
  // The first member of a zip archive (APPNOTE.TXT 4.3.7), whose length may be given only at its end.
  const start = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
  return inflateRawSync(bytes.subarray(start), options);
}

/** The number of layers of JSON and base64, one inside another, that are searched. */
const MAX_LAYERS = 4;

/** Returns the texts in a text, if it is JSON or base64, and the texts in these. */
function textsWithin(text: string, layer = 0): readonly string[] {
  if (layer === MAX_LAYERS || looksSealed(Buffer.from(text.slice(0, 64)))) return [];
  const json = /^\s*[[{"]/.test(text) ? jsonOf(text) : undefined;
  const inner = json === undefined ? [unwrapped(text) ?? ''] : stringsIn(json);
  return inner.flatMap((own) => (own === '' ? [] : [own, ...textsWithin(own, layer + 1)]));
}

/** Not recursive, because JSON can be nested more deeply than the stack. */
function stringsIn(json: unknown): readonly string[] {
  const strings: string[] = [];
  const values = [json];
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    if (typeof value === 'string') strings.push(value);
    else if (typeof value === 'object')
      for (const own of Object.values(value ?? {})) values.push(own);
  }
  return strings;
}

/** A plaintext of a Secret that is about to be sealed. */
interface Plaintext extends Pick<Entry, 'key' | 'bytes'> {
  readonly secret: SecretDocument;
}

/** A copy of a plaintext. */
interface Copy<T extends Plaintext> {
  readonly plaintext: T;
  /** The position of the copy, the Secret and the data key of the value. */
  readonly location: Location;
  /** Such as `in a comment`. */
  readonly where: string;
}

/**
 * Finds the plaintexts, as text or in base64, in what stays of a manifest: comments, annotations,
 * labels and other documents. Returns at most one copy for each line. Names of objects and fields,
 * public keys and certificates are neither searched nor searched for.
 *
 * @param edits the edits that replace the plaintexts
 */
export function copiesIn<T extends Plaintext>(
  manifest: Manifest,
  edits: readonly Edit[],
  plaintexts: readonly T[],
): readonly Copy<T>[] {
  // A new manifest that has only names cannot hold a copy.
  if (plaintexts.length === 0 || manifest.fresh !== undefined) return [];
  const scalars = scalarsIn(manifest.roots);
  const names = new Set(scalars.filter(isName).map(({ node }) => node.text));
  const find = finderOf(plaintexts, names);
  const staying = blanked(manifest.source, splicesFor(manifest, edits));
  const starts = scalars.map(({ node }) => node.start);
  const found: Found<T>[] = find(staying).map(({ at, plaintext }) => {
    const nearest = scalars[lastAtMost(starts, at)];
    const scalar = nearest && isWithin(at, nearest.node, manifest.source) ? nearest : undefined;
    return { at, plaintext, scalar };
  });
  const direct = new Map<PlacedScalar | undefined, Set<T>>();
  for (const { scalar, plaintext } of found)
    getOrAdd(direct, scalar, () => new Set()).add(plaintext);
  for (const scalar of scalars) {
    const at = scalar.node.start;
    if (staying[at] === BLANK) continue;
    for (const text of textsOf(scalar.node, manifest.source))
      for (const { plaintext } of find(text))
        if (!direct.get(scalar)?.has(plaintext)) found.push({ at, plaintext, scalar });
  }
  return found.length === 0 ? [] : copiesAt(found, positionsIn(manifest.source));
}

const BLANK = '\0';

function blanked(source: string, splices: readonly Splice[]): string {
  let [result, at] = ['', 0];
  for (const { start, end } of [...splices].sort((a, b) => a.start - b.start)) {
    if (end <= at) continue;
    result += source.slice(at, Math.max(start, at)) + BLANK.repeat(end - Math.max(start, at));
    at = end;
  }
  return result + source.slice(at);
}

/** Returns the texts in a scalar that its source does not show. */
function textsOf({ text, start, end }: YamlScalar, source: string): readonly string[] {
  const isShown = source.startsWith(text, start) || source.startsWith(text, start + 1);
  const within = textsWithin(text);
  return isShown || end - start < LEAST ? within : [text, ...within];
}

/** The fewest characters of a value, and of one line of a longer value, to search for. */
const LEAST = 6;
const LEAST_OF_LINE = 12;
/** The characters that are compared: the search must be fast even for many long values. */
const MOST = 256;
/** Text that repeats itself must not exhaust the memory. */
const MOST_HITS = 1000;

interface Hit<T> {
  readonly at: number;
  readonly plaintext: T;
}

interface Wanted<T> {
  readonly plaintext: T;
  /** It is not found within a longer word, such as `secret` in `secretName`. */
  readonly isWord: boolean;
}

interface Form<T> {
  readonly wanted: Wanted<T>[];
  hits: number;
}

/** The forms of plaintexts that share a beginning. */
interface Branch<T> {
  /** The forms that are shorter than the beginnings in `next`, by length and text. */
  readonly forms: Map<number, Map<string, Form<T>>>;
  /** The other forms, by a beginning that is twice as long. */
  readonly next: Map<string, Branch<T>>;
}

const newBranch = <T>(): Branch<T> => ({ forms: new Map(), next: new Map() });

/**
 * Returns a function that finds the forms of the plaintexts in a text, in linear time. A form that
 * has been found MOST_HITS times is not searched for again.
 *
 * @param names texts that are not searched for
 */
function finderOf<T extends Plaintext>(
  plaintexts: readonly T[],
  names: ReadonlySet<string>,
): (text: string) => readonly Hit<T>[] {
  const root = newBranch<T>();
  // One lookup in an array rules out most offsets. A large array would take longer than the search for
  // the few values of one Secret.
  const beginnings = new Uint8Array(plaintexts.length < 32 ? 1 << 12 : 1 << 16);
  for (const plaintext of plaintexts)
    for (const { form, isWord } of formsOf(plaintext, names)) {
      beginnings[hashAt(form, 0) % beginnings.length] = 1;
      let branch = root;
      for (let size = LEAST; size <= form.length; size *= 2)
        branch = getOrAdd(branch.next, form.slice(0, size), () => newBranch<T>());
      const forms = getOrAdd(branch.forms, form.length, () => new Map<string, Form<T>>());
      getOrAdd(forms, form, (): Form<T> => ({ wanted: [], hits: 0 })).wanted.push({
        plaintext,
        isWord,
      });
    }
  return (text) => {
    const hits: Hit<T>[] = [];
    for (let at = 0; at + LEAST <= text.length; at++) {
      if (beginnings[hashAt(text, at) % beginnings.length] === 0) continue;
      let branch = root.next.get(text.slice(at, at + LEAST));
      for (let size = 2 * LEAST; branch !== undefined; size *= 2) {
        for (const [length, forms] of branch.forms) {
          const form = text.slice(at, at + length);
          const found = forms.get(form);
          if (found === undefined) continue;
          for (const { plaintext, isWord } of found.wanted)
            if (!isWord || !isInWord(text, at, length)) hits.push({ at, plaintext });
          if (++found.hits === MOST_HITS) forms.delete(form);
          if (forms.size === 0) branch.forms.delete(length);
        }
        branch = branch.next.get(text.slice(at, at + size));
      }
    }
    return hits;
  };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, initial: () => V): V {
  const value = map.get(key) ?? initial();
  map.set(key, value);
  return value;
}

function hashAt(text: string, at: number): number {
  let hash = 0;
  for (let i = at; i < at + 4; i++) hash = (hash * 31 + text.charCodeAt(i)) & 0xffff;
  return hash;
}

function isInWord(text: string, at: number, length: number): boolean {
  return /[A-Za-z0-9]/.test(text.charAt(at - 1) + text.charAt(at + length));
}

/** Returns how a plaintext may be written: itself, escaped, and in base64 at any offset of a blob. */
function formsOf(
  { secret, key, bytes }: Plaintext,
  names: ReadonlySet<string>,
): readonly { readonly form: string; readonly isWord: boolean }[] {
  const text = decodeUtf8(bytes)?.replace(publicBlocks, '').trim();
  // The manifest shows these names anyway.
  if (text !== undefined && (names.has(text) || [secret.type, key].includes(text))) return [];
  const core = text === undefined ? bytes : Buffer.from(text);
  const forms = new Set(linesOf(text ?? '').flatMap(escapedForms));
  if (core.length >= LEAST)
    for (const form of base64Forms(core))
      forms.add(form).add(form.replaceAll('+', '-').replaceAll('/', '_'));
  return [...forms].map((form) => {
    return { form: form.slice(0, MOST), isWord: form === text && /^[A-Za-z]+$/.test(form) };
  });
}

/** Certificates and public keys (RFC 7468). */
const publicBlocks =
  /-----BEGIN ((?:[A-Z0-9]+ )?CERTIFICATE|X509 CRL|(?:[A-Z]+ )?PUBLIC KEY)-----[^-]*-----END \1-----/g;

/** Returns a text of one line, or the lines of a longer one without the frame of PEM. */
function linesOf(text: string): readonly string[] {
  if (!text.includes('\n')) return text.length < LEAST ? [] : [text];
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line.length >= LEAST_OF_LINE && !line.startsWith('-----'));
}

/** Returns a text as it is, and as written in JSON, by Go, in YAML, in a shell and in a URL. */
function escapedForms(text: string): readonly string[] {
  if (/^[\w.~-]*$/.test(text)) return [text];
  const json = JSON.stringify(text).slice(1, -1);
  const go = json.replace(/[&<>]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
  const [yaml, shell] = [text.replaceAll("'", "''"), text.replaceAll("'", String.raw`'\''`)];
  return [text, json, go, yaml, shell, encodeURIComponent(text)];
}

/** Returns the characters of base64 that do not depend on the bytes before and after. */
function base64Forms(bytes: Uint8Array): readonly string[] {
  const core = bytes.subarray(0, (MOST / 4) * 3 - 3);
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([new Uint8Array(before), core]).toString('base64');
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + core.length) * 8) / 6));
  });
}

interface Found<T> extends Hit<T> {
  /** The scalar that the copy is in; undefined in a comment. */
  readonly scalar: PlacedScalar | undefined;
}

/** The most copies of one plaintext that are returned. */
const MOST_COPIES = 10;

/**
 * Says where the copies are. Omits names, and the lines of a value that follow one that is
 * reported.
 */
function copiesAt<T extends Plaintext>(
  found: readonly Found<T>[],
  position: (offset: number) => Position,
): readonly Copy<T>[] {
  const copies = new Map<T, Copy<T>[]>();
  const lines = new Map<T, Map<string, number>>();
  for (const { at, plaintext, scalar } of [...found].sort((a, b) => a.at - b.at)) {
    const { secret, key } = plaintext;
    const where = scalar === undefined ? 'in a comment' : whereIs(scalar, secret);
    if (where === undefined) continue;
    const location = locationIn(secret, { key, position: position(at) });
    const own = getOrAdd(lines, plaintext, () => new Map<string, number>());
    const isSame = location.position.line - (own.get(where) ?? -2) <= (hasLines(plaintext) ? 1 : 0);
    own.set(where, location.position.line);
    if (!isSame)
      getOrAdd(copies, plaintext, (): Copy<T>[] => []).push({ plaintext, location, where });
  }
  return [...copies.values()].flatMap(shortened);
}

const hasLines = ({ bytes }: Plaintext) => bytes.subarray(0, -1).includes(0x0a);

function shortened<T extends Plaintext>(copies: readonly Copy<T>[]): readonly Copy<T>[] {
  const more = copies.length - MOST_COPIES;
  const shown = copies.slice(0, MOST_COPIES);
  return more <= 0
    ? copies
    : shown.map((copy, at) =>
        at < MOST_COPIES - 1
          ? copy
          : { ...copy, where: `${copy.where}, and in ${more} more places` },
      );
}

/** Whether an offset is in a scalar. The header of a block scalar may have a comment. */
function isWithin(at: number, { start, end, style }: YamlScalar, source: string): boolean {
  const header = style === 'block' ? match(/[^\n]*/y, source, start).length : 0;
  return at >= start + header && at < end;
}

interface PlacedScalar {
  readonly node: YamlScalar;
  /** The keys that lead to it; the last one is its own if it is a key. */
  readonly path: readonly string[];
  readonly isKey: boolean;
  readonly root: YamlNode;
}

/** Returns the scalars of all documents, in source order. */
function scalarsIn(roots: readonly YamlNode[]): readonly PlacedScalar[] {
  const scalars: PlacedScalar[] = [];
  const add = (node: YamlNode, root: YamlNode, path: readonly string[], isKey = false): void => {
    if (node.kind === 'scalar') scalars.push({ node, path, isKey, root });
    if (node.kind === 'seq') for (const item of node.items) add(item, root, path);
    if (node.kind !== 'map') return;
    for (const { key, value } of node.entries) {
      const own = [...path, nameOf(key) ?? ''];
      add(key, root, own, true);
      add(value, root, own);
    }
  };
  for (const root of roots) add(root, root, []);
  return scalars;
}

const holdsValues = /^(?:string)?data$/i;

/** Whether a scalar is the name of an object or a field. */
function isName({ path, isKey }: PlacedScalar): boolean {
  const [field = '', name = ''] = ['', ...path].slice(-2);
  return (
    isKey ||
    (/^(?:apiVersion|kind)$/.test(name) && !holdsValues.test(field)) ||
    (field === 'metadata' && /^(?:name|generateName|namespace)$/.test(name))
  );
}

/** Says where a scalar is; undefined for a name. */
function whereIs(scalar: PlacedScalar, secret: SecretDocument): string | undefined {
  if (isName(scalar)) return undefined;
  const { node, path, root } = scalar;
  const [parent = '', field = '', name = ''] = ['', '', ...path].slice(-3);
  if (parent === 'metadata' && field === 'annotations')
    return `in ${describeMetadata('annotation', name)}`;
  if (parent === 'metadata' && field === 'labels') return `in ${describeMetadata('label', name)}`;
  const isNear = root.start <= secret.node.start && secret.node.end <= root.end;
  if (!isNear) return 'in another document';
  const isOwn = secret.node.start <= node.start && node.end <= secret.node.end;
  if (!isOwn) return 'in another object';
  return holdsValues.test(field) ? `in data key "${name}"` : `in field ${name}`;
}
