import type { Diagnostic, Position } from '../diagnostic.ts';
import { expected, KsealError } from '../errors.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { looksFlattened, looksSealed, readSealedValue, sealedLook } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';
import { LAST_APPLIED, MAX_ANNOTATIONS, secretLabel } from '../kubernetes/secret.ts';
import { plaintextAnnotations } from '../manifest/copies.ts';
import { entryNamed, isNull, jsonSize, jsonTextSize, nameOf } from '../manifest/nodes.ts';
import { isSops, isSopsText, placeholderTool, templateEngine } from '../manifest/other-tools.ts';
import { decodeManifest } from '../manifest/read.ts';
import { fieldsOfSecret, isPatchDirective } from '../manifest/read-secret.ts';
import {
  type Entry,
  fieldNames,
  type Manifest,
  type NestedSecret,
  type NestedString,
  type Nesting,
  type ReaderCode,
  type SecretDocument,
  type Source,
} from '../manifest/types.ts';
import { offsetsIn, positionsIn, rangesAt, type YamlMap, type YamlNode } from '../yaml/node.ts';
import type {
  Defect,
  JudgedRequest,
  JudgedSecret,
  JudgedText,
  JudgedValue,
  ReaderProblem,
} from './rule.ts';
import { type Suppression, suppressionsIn } from './suppressions.ts';
import {
  type Actions,
  holdsAction,
  type Nested,
  readTemplateString,
  readTemplates,
} from './templates.ts';

/** A document that belongs to another tool. */
export interface ForeignDocument {
  readonly tool: ForeignTool;
  readonly position: Position;
}

/** A text for the rules and the report. */
export interface ReadText extends JudgedText {
  readonly strings: readonly NestedString[];
  readonly suppressions: readonly Suppression[];
  readonly foreign: readonly ForeignDocument[];
}

/**
 * Reads a text for the rules. Never throws for its content.
 *
 * @param content the bytes of the text, or the error of reading them
 * @param typed the path for a command line
 * @param namespace the namespace of the rule for the path
 * @param suppressible the ids of the rules that comments can suppress
 * @param request set if the text is a secret request
 */
export function judgeText(
  content: Uint8Array | KsealError,
  typed: string,
  namespace: string | undefined,
  suppressible: readonly string[],
  request?: JudgedRequest,
): ReadText {
  const source = decode(content, typed);
  if (source instanceof KsealError) return { ...emptyText, path: typed, unreadable: source };
  const { manifest, templates, actions } = readTemplates(source, typed);
  const { roots } = manifest;
  const templateAt = rangesAt(templates);
  const inTemplate = ({ line }: Position) => templateAt(line) !== undefined;
  const { suppressions, badSuppressions } = suppressionsIn(manifest, suppressible);
  const position = positionsIn(source);
  const annotationsAt = annotationsIn(manifest);
  const problems = [...problemsIn(manifest, { position, annotationsAt, inTemplate, actions })];
  const secrets = [...judgeSecrets(manifest, { namespace, position, inTemplate, actions })];
  for (const { nested, actions: own } of nestedIn(manifest, actions)) {
    for (const secret of nested) {
      problems.push(...problemsInNested(secret, inTemplate, own));
      secrets.push(judgeNested(typed, secret, { inTemplate, actions: own }));
    }
  }
  return {
    path: typed,
    isKeyFile: false,
    source,
    roots,
    strings: manifest.strings,
    problems,
    secrets,
    templates,
    suppressions,
    badSuppressions,
    foreign: foreignDocuments(manifest),
    request,
  };
}

/** Reads a key file for the rules: a text without documents, in any encoding. */
export function readKeyFile(
  content: Uint8Array | KsealError,
  typed: string,
  suppressible: readonly string[],
): ReadText {
  if (content instanceof KsealError) return { ...emptyText, path: typed, unreadable: content };
  // Without its zero bytes, UTF-16 is ASCII.
  const source = bufferOf(content).toString('latin1').replaceAll('\0', '');
  const text = { ...emptyText, path: typed, isKeyFile: true, source };
  return { ...text, ...suppressionsIn(text, suppressible) };
}

const emptyText = {
  ...{ isKeyFile: false, source: '' },
  ...{ roots: [], strings: [], problems: [], secrets: [], templates: [] },
  ...{ suppressions: [], badSuppressions: [], foreign: [] },
};

function decode(content: Uint8Array | KsealError, path: string): string | KsealError {
  if (content instanceof KsealError) return content;
  try {
    return decodeManifest(content, path);
  } catch (error) {
    return expected(error);
  }
}

function foreignDocuments({ roots, source }: Manifest): readonly ForeignDocument[] {
  const position = positionsIn(source);
  const found: ForeignDocument[] = [];
  for (const root of roots) {
    const tool = foreignTool(root);
    if (tool !== undefined) found.push({ tool, position: position(root.start) });
  }
  return found;
}

/** Returns the Secrets inside other objects, with those in strings that are templates. */
function nestedIn({ nested, strings }: Nesting, actions: Actions): readonly Nested[] {
  const templates = strings.flatMap((string) =>
    string.roots.length > 0
      ? nestedIn({ ...string, nested: [] }, actions)
      : [readTemplateString(string)],
  );
  return [{ nested, actions }, ...templates];
}

function problemsInNested(
  nested: NestedSecret,
  inTemplate: (position: Position) => boolean,
  actions: Actions,
): readonly ReaderProblem[] {
  const { secret, source, problems } = nested;
  const text = { source: source.text, roots: [secret.node], problems };
  const annotationsAt = () => secret.annotations;
  const found = problemsIn(text, { position: source.position, annotationsAt, inTemplate, actions });
  return found.map((problem) => ({ ...problem, secret: secretLabel(secret), nested }));
}

interface ProblemContext {
  readonly position: Source['position'];
  readonly annotationsAt: (position: Position) => Annotations;
  readonly inTemplate: (position: Position) => boolean;
  readonly actions: Actions;
}

/** Returns the problems of the manifest reader, with the facts that the rules need. */
function problemsIn(
  { source, roots, problems }: Pick<Manifest, 'source' | 'roots' | 'problems'>,
  { position: positionOf, annotationsAt, inTemplate, actions }: ProblemContext,
): readonly ReaderProblem[] {
  if (problems.length === 0) return [];
  const textAt = textsIn(source, roots, positionOf, actions);
  return problems.flatMap((problem): readonly ReaderProblem[] => {
    const { text, made, replaced, under } = textAt(problem.position);
    const annotations = annotationsAt(problem.position);
    const common = {
      ...problem,
      inTemplate: inTemplate(problem.position),
      nested: undefined,
    };
    // `{{ if .x }}Data:` is a field with an action before it, and not one that an action makes. A
    // mapping under a field that an action makes may be the data.
    if (problem.code === 'unknown-field')
      return text !== '' && [...text].every(actions.isMade) && !under?.isMap
        ? []
        : [{ ...common, holds: 'text', tool: undefined, madeKey: false }];
    // Another tool makes the key, so the problem is only about the value under it.
    if (problem.code === 'invalid-data-key' && (made || holdsAction(text)))
      return [{ ...common, ...underMadeKey(problem, under, annotations), madeKey: true }];
    const tool = toolFor(text, replaced, annotations);
    const holds = tool ? 'placeholder' : looksSealedInData(text) ? 'sealed' : 'text';
    return [{ ...common, holds, tool, madeKey: false }];
  });
}

type Annotations = SecretDocument['annotations'] | undefined;

/** Returns the annotations of the Secret at a position. */
function annotationsIn({ source, secrets, problems }: Manifest): (at: Position) => Annotations {
  if (problems.length === 0) return () => undefined;
  const secretAt = rangesAt(secrets.map(({ node, annotations }) => ({ ...node, annotations })));
  const offsetOf = offsetsIn(source);
  return (position) => secretAt(offsetOf(position))?.annotations;
}

function toolFor(text: string, replaced: boolean, annotations: Annotations): string | undefined {
  return replaced ? templateEngine : placeholderTool(text, annotations);
}

function underMadeKey(
  { position }: Diagnostic<ReaderCode>,
  under: PlacedText | undefined,
  annotations: Annotations,
): Pick<ReaderProblem, 'holds' | 'tool' | 'position' | 'key'> {
  const tool =
    under === undefined ? templateEngine : toolFor(under.text, under.replaced, annotations);
  if (under === undefined || tool !== undefined) return { holds: 'placeholder', tool, position };
  const bytes = Buffer.from(under.text);
  const isSealed = looksSealed(bytes) || looksSealed(Buffer.from(under.text, 'base64'));
  return { holds: isSealed ? 'placeholder' : 'text', position: under.position, key: under.key };
}

/** Whether a text looks sealed, as it is or after decoding its beginning as base64. */
function looksSealedInData(text: string): boolean {
  return looksSealed(Buffer.from(text)) || looksSealed(Buffer.from(text.slice(0, 64), 'base64'));
}

/** A key that an action makes; one with a literal or other text may be a value in the wrong place. */
const keyName = /^(["']?)((?:[-.\w]|\{\{[^"'`{}]*\}\}|\$\{[\w.]+\})+)\1$/;

interface PlacedText {
  readonly text: string;
  readonly isMap: boolean;
  /** Whether an action of a template is in it. */
  readonly made: boolean;
  /** Whether it has no plaintext of its own, because an action makes all or a part of it. */
  readonly replaced: boolean;
  readonly position: Position;
  /** The key as written in the source, if this is the value of an entry and the key can be shown. */
  readonly key: string | undefined;
  /** The value of the entry, if this is its key. */
  readonly under: PlacedText | undefined;
}

/** Returns the text at a position. */
function textsIn(
  source: string,
  roots: readonly YamlNode[],
  positionOf: Source['position'],
  { isMade, isReplaced }: Actions,
): (position: Position) => PlacedText {
  const name = ({ line, column }: Position) => `${line}:${column}`;
  const texts = new Map<string, PlacedText>();
  const add = (node: YamlNode, key?: string, under?: PlacedText): PlacedText => {
    const text = node.kind === 'scalar' ? node.text : source.slice(node.start, node.end);
    const position = positionOf(node.start);
    const [made, replaced] = [isMade(text), isReplaced(text)];
    const isMap = node.kind === 'map';
    const placed = { text, isMap, made, replaced, position, key, under };
    // A block collection begins at its first node, and a problem there is about that node.
    if (node.kind === 'map')
      for (const entry of node.entries) {
        const name = keyName.exec(source.slice(entry.key.start, entry.key.end))?.[2];
        add(entry.key, undefined, add(entry.value, name));
      }
    if (node.kind === 'seq') for (const item of node.items) add(item);
    if (node.kind === 'scalar' || !texts.has(name(position))) texts.set(name(position), placed);
    return placed;
  };
  for (const root of roots) add(root);
  const nothing = { text: '', isMap: false, made: false, replaced: false };
  return (position) =>
    texts.get(name(position)) ?? { ...nothing, position, key: undefined, under: undefined };
}

// The Secrets and their values are read without any key.

/** The context of a text that its Secrets are read in. */
interface SecretContext {
  /** The namespace of the rule for the path. */
  readonly namespace: string | undefined;
  readonly position: PositionOf;
  readonly inTemplate: (position: Position) => boolean;
  readonly actions: Actions;
}

type PositionOf = (offset: number) => Position;

/** Reads the Secrets of a manifest for the rules. */
function judgeSecrets(
  { path, roots, secrets }: Manifest,
  context: SecretContext,
): readonly JudgedSecret[] {
  // The metadata of SOPS is at the root of a document, also for the items of a List.
  const sopsAt = rangesAt(roots.filter(isSops));
  return secrets.map((secret) => {
    const sops = sopsAt(secret.node.start) !== undefined;
    return judgeSecret(path, secret, sops, context);
  });
}

/** Reads a Secret inside another object. The rule for the path says nothing about its namespace. */
function judgeNested(
  path: string,
  nested: NestedSecret,
  { inTemplate, actions }: Pick<SecretContext, 'inTemplate' | 'actions'>,
): JudgedSecret {
  const { position } = nested.source;
  const context = { namespace: undefined, position, inTemplate, actions };
  return judgeSecret(path, nested.secret, isSops(nested.root), context, nested);
}

function judgeSecret(
  path: string,
  secret: SecretDocument,
  sops: boolean,
  { namespace, position, inTemplate, actions }: SecretContext,
  nested?: NestedSecret,
): JudgedSecret {
  const { node, name, generateName, type, immutable } = secret;
  const metadata = entryNamed(node, 'metadata')?.value;
  return {
    path,
    label: secretLabel(secret),
    position: secret.position,
    name,
    generateName,
    namespace: secret.namespace ?? namespace,
    lacksName: lacks(metadata, 'name') && lacks(metadata, 'generateName'),
    lacksNamespace: lacks(metadata, 'namespace') && namespace === undefined,
    type,
    immutable,
    positionOf: (field) => positionOfField(node, field, position),
    serverMetadata: secret.serverMetadata,
    plaintextAnnotations: plaintextAnnotations(secret).filter(({ text }) => !isSopsText(text)),
    dataKeys: dataKeysOf(node),
    values: valuesOf(secret, sops, actions),
    inTemplate: inTemplate(secret.position),
    nested,
    appliedBytes: nested === undefined && !sops ? appliedBytes(secret, namespace) : 0,
    sops,
  };
}

/**
 * kubectl adds the namespace and empty annotations to a manifest without them, and replaces the
 * annotation of an earlier apply, which it omits from the new one.
 */
function appliedBytes({ node, annotations, ...secret }: SecretDocument, namespace?: string) {
  // As JSON a character takes at most six bytes, and most manifests are far smaller.
  if ((node.end - node.start) * 6 < MAX_ANNOTATIONS) return 0;
  const kept = annotations.filter(({ name }) => name !== LAST_APPLIED);
  const earlier = annotations.find(({ name }) => name === LAST_APPLIED);
  const comma = kept.length > 0 ? 1 : 0;
  const omitted =
    earlier === undefined ? 0 : jsonTextSize(LAST_APPLIED) + 1 + jsonTextSize(earlier.text) + comma;
  const added = [
    secret.namespace === undefined ? `"namespace":"${namespace ?? 'default'}",` : '',
    annotations.length === 0 ? '"annotations":{},' : '',
    LAST_APPLIED,
    '\n',
    ...kept.flatMap(({ name, text }) => [name, text]),
  ];
  return jsonSize(node) - omitted + Buffer.byteLength(added.join(''));
}

/** Whether a field is absent or empty. The manifest reader reports a field that it cannot read. */
function lacks(map: YamlNode | undefined, name: string): boolean {
  if (map === undefined || isNull(map)) return true;
  if (map.kind !== 'map') return false;
  const value = entryNamed(map, name)?.value;
  return value === undefined || isNull(value) || nameOf(value) === '';
}

function positionOfField(node: YamlMap, field: string, position: PositionOf): Position | undefined {
  const name = field.replace(/^metadata\./, '');
  const map = name === field ? node : entryNamed(node, 'metadata')?.value;
  const entry = map?.kind === 'map' ? entryNamed(map, name) : undefined;
  return entry && position(entry.key.start);
}

function dataKeysOf(node: YamlMap): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const field of fieldNames)
    for (const { value } of fieldsOfSecret(node, field))
      if (value.kind === 'map')
        for (const entry of value.entries)
          if (!isNull(entry.value) && !isPatchDirective(entry)) keys.add(nameOf(entry.key) ?? '');
  keys.delete('');
  return keys;
}

function valuesOf(
  { entries, annotations }: SecretDocument,
  sops: boolean,
  actions: Actions,
): readonly JudgedValue[] {
  const values: JudgedValue[] = [];
  for (const entry of entries) {
    const text = () => Buffer.from(entry.bytes).toString('utf8');
    // SOPS does not encrypt an empty string.
    if (sops && (entry.bytes.length === 0 || isSopsText(text()))) continue;
    values.push(judgeValue(entry, annotations, actions));
  }
  return values;
}

function judgeValue(
  entry: Entry,
  annotations: SecretDocument['annotations'],
  actions: Actions,
): JudgedValue {
  const { bytes } = entry;
  try {
    const jwe = readSealedValue(bytes);
    if (jwe !== undefined) return judged(entry, jwe, undefined, undefined);
  } catch (error) {
    return judged(entry, undefined, defectOf(expected(error), bytes), undefined);
  }
  const defect = nearMiss(bytes);
  if (defect !== undefined) return judged(entry, undefined, defect, undefined);
  const text = Buffer.from(bytes).toString('utf8');
  // Decoded base64 may contain any characters, but no action makes them.
  const isAction = entry.field === 'stringData' && actions.isReplaced(text);
  const tool = isAction ? templateEngine : placeholderTool(text, annotations);
  return judged(entry, undefined, undefined, tool);
}

// Lists the members, because object spread is many times slower.
function judged(
  { field, key, bytes, position }: Entry,
  jwe: CompactJwe | undefined,
  defect: Defect | undefined,
  placeholder: string | undefined,
): JudgedValue {
  return { field, key, bytes, position, jwe, kid: jwe && thumbprint(jwe), defect, placeholder };
}

function thumbprint({ header: { kid } }: CompactJwe): string | undefined {
  return kid !== undefined && /^[A-Za-z0-9_-]{43}$/.test(kid) ? kid : undefined;
}

function defectOf(error: KsealError, bytes: Uint8Array): Defect {
  if (sealedLook(bytes) === 'no' && looksFlattened(bytes)) return { kind: 'flattened', error };
  return { kind: error.code === 'JWE_REFUSED' ? 'refused' : 'damaged', error };
}

/** Finds a JWE that the webhook would not recognise: the program would get it as its password. */
function nearMiss(bytes: Uint8Array): Defect | undefined {
  const start = bufferOf(bytes).subarray(0, 64);
  const text = start.toString('latin1').replace(/^(?:\u00EF\u00BB\u00BF|[\s"'])+/, '');
  if (text.length < start.length && looksSealed(Buffer.from(text, 'latin1')))
    return { kind: 'prefixed', error: undefined };
  if (!text.startsWith('eyJ') || !isForeignJwe(bytes)) return undefined;
  return { kind: 'foreign', error: undefined };
}

/** Whether a text has five segments and a header with `alg` and `enc`, unlike any JWS. */
function isForeignJwe(bytes: Uint8Array): boolean {
  const text = bufferOf(bytes).toString('latin1');
  const [header = '', ...rest] = text.trim().split('.', 6);
  if (rest.length !== 4 || header.length > 8192) return false;
  const members = Buffer.from(header, 'base64url').toString('latin1');
  return /"alg"\s*:/.test(members) && /"enc"\s*:/.test(members);
}

/** Another tool that encrypts or replaces the values of a document. */
type ForeignTool = 'SealedSecret' | 'ExternalSecret' | 'SOPS';

const foreignKinds: readonly { kind: string; group: string; tool: ForeignTool }[] = [
  { kind: 'SealedSecret', group: 'bitnami.com/', tool: 'SealedSecret' },
  { kind: 'ExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
  { kind: 'ClusterExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
];

/** Returns the tool that a document belongs to, if it is not kseal. */
function foreignTool(root: YamlNode): ForeignTool | undefined {
  if (root.kind !== 'map') return undefined;
  if (isSops(root)) return 'SOPS';
  const kind = textOf(root, 'kind');
  const known = foreignKinds.find((foreign) => foreign.kind === kind);
  return known && textOf(root, 'apiVersion')?.startsWith(known.group) ? known.tool : undefined;
}

function textOf(map: YamlMap, name: string): string | undefined {
  const node = entryNamed(map, name)?.value;
  return node && nameOf(node);
}
