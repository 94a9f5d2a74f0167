import type { Diagnostic, Position } from '../diagnostic.ts';
import { expected, KsealError } from '../errors.ts';
import { looksSealed } from '../jwe/detect.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import { findInString } from '../manifest/nested.ts';
import { placeholderTool, templateEngine } from '../manifest/other-tools.ts';
import { decodeManifest } from '../manifest/read.ts';
import type {
  Manifest,
  NestedSecret,
  NestedString,
  Nesting,
  ReaderCode,
  SecretDocument,
  Source,
} from '../manifest/types.ts';
import { offsetsIn, positionsIn, rangesAt, type YamlNode } from '../yaml/node.ts';
import type { JudgedText, ReaderProblem } from './rule.ts';
import { type ForeignTool, foreignTool, judgeNested, judgeSecrets } from './secrets.ts';
import { type Suppression, suppressionsIn } from './suppressions.ts';
import {
  actionIn,
  holdsAction,
  holdsMask,
  isBraces,
  maskedIn,
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
 */
export function judgeText(
  content: Uint8Array | KsealError,
  typed: string,
  namespace: string | undefined,
  suppressible: readonly string[],
): ReadText {
  const source = decode(content, typed);
  if (source instanceof KsealError) return { ...emptyText, path: typed, unreadable: source };
  const { manifest, templates, isMade } = readTemplates(source, typed);
  const { roots } = manifest;
  const templateAt = rangesAt(templates);
  const inTemplate = ({ line }: Position) => templateAt(line) !== undefined;
  const { suppressions, badSuppressions } = suppressionsIn(manifest, suppressible);
  const position = positionsIn(source);
  const annotationsAt = annotationsIn(manifest);
  const problems = [...problemsIn(manifest, { position, annotationsAt, inTemplate, isMade })];
  const secrets = [...judgeSecrets(manifest, { namespace, inTemplate, isMade })];
  for (const [nested, made] of nestedSecrets(manifest, isMade)) {
    problems.push(...problemsInNested(nested, inTemplate, made));
    secrets.push(judgeNested(typed, nested, { inTemplate, isMade: made }));
  }
  return {
    path: typed,
    source,
    roots,
    strings: manifest.strings,
    problems,
    secrets,
    templates,
    suppressions,
    badSuppressions,
    foreign: foreignDocuments(manifest),
  };
}

const emptyText = {
  ...{ source: '', roots: [], strings: [], problems: [], secrets: [], templates: [] },
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

type IsMade = (text: string) => boolean;

/**
 * Returns the Secrets inside other objects. A string that is not YAML because of its actions, such
 * as an inline template of Crossplane, is searched with the actions masked.
 */
function nestedSecrets(
  { nested, strings }: Nesting,
  isMade: IsMade,
): readonly (readonly [NestedSecret, IsMade])[] {
  const masked = strings.flatMap((string) => {
    if (string.roots.length > 0) return nestedSecrets({ ...string, nested: [] }, isMade);
    if (actionIn(string.source.text) === undefined) return [];
    const inside = findInString(maskedIn(string.source.text).text, string);
    return inside.nested.map((secret) => [withoutMadeNames(secret), holdsMask] as const);
  });
  return [...nested.map((secret) => [secret, isMade] as const), ...masked];
}

function withoutMadeNames({ secret, ...rest }: NestedSecret): NestedSecret {
  const literal = (name: string | undefined) => (holdsMask(name ?? '') ? undefined : name);
  const { name, generateName, namespace } = secret;
  const names = {
    name: literal(name),
    generateName: literal(generateName),
    namespace: literal(namespace),
  };
  return { ...rest, secret: { ...secret, ...names } };
}

function problemsInNested(
  nested: NestedSecret,
  inTemplate: (position: Position) => boolean,
  isMade: IsMade,
): readonly ReaderProblem[] {
  const { secret, source, problems } = nested;
  const text = { source: source.text, roots: [secret.node], problems };
  const annotationsAt = () => secret.annotations;
  const found = problemsIn(text, { position: source.position, annotationsAt, inTemplate, isMade });
  return found.map((problem) => ({ ...problem, secret: secretLabel(secret), nested }));
}

interface ProblemContext {
  readonly position: Source['position'];
  readonly annotationsAt: (position: Position) => Annotations;
  readonly inTemplate: (position: Position) => boolean;
  readonly isMade: IsMade;
}

/** Returns the problems of the manifest reader, with the facts that the rules need. */
function problemsIn(
  { source, roots, problems }: Pick<Manifest, 'source' | 'roots' | 'problems'>,
  { position: positionOf, annotationsAt, inTemplate, isMade }: ProblemContext,
): readonly ReaderProblem[] {
  if (problems.length === 0) return [];
  // If the text is not YAML, the other errors usually follow from the first one.
  const reported = roots.length === 0 ? problems.slice(0, 1) : problems;
  const textAt = textsIn(source, roots, positionOf, isMade);
  return reported.flatMap((problem): readonly ReaderProblem[] => {
    const { text, made, under } = textAt(problem.position);
    const annotations = annotationsAt(problem.position);
    const common = {
      ...problem,
      inTemplate: inTemplate(problem.position),
      nested: undefined,
    };
    // `{{ if .x }}Data:` is a field with an action before it, and not one that an action makes.
    if (problem.code === 'unknown-field')
      return text !== '' && [...text].every(isMade)
        ? []
        : [{ ...common, holds: 'text', tool: undefined, madeKey: false }];
    // Another tool makes the key, so the problem is only about the value under it.
    if (problem.code === 'invalid-data-key' && (made || holdsAction(text)))
      return [{ ...common, ...underMadeKey(problem, under, annotations), madeKey: true }];
    const tool = toolFor(text, made, annotations);
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

function toolFor(text: string, made: boolean, annotations: Annotations): string | undefined {
  return made ? templateEngine : placeholderTool(text, annotations);
}

function underMadeKey(
  { position }: Diagnostic<ReaderCode>,
  under: PlacedText | undefined,
  annotations: Annotations,
): Pick<ReaderProblem, 'holds' | 'tool' | 'position' | 'key'> {
  const tool = under === undefined ? templateEngine : toolFor(under.text, under.made, annotations);
  if (under === undefined || tool !== undefined) return { holds: 'placeholder', tool, position };
  const bytes = Buffer.from(under.text);
  const isSealed = looksSealed(bytes) || looksSealed(Buffer.from(under.text, 'base64'));
  return { holds: isSealed ? 'placeholder' : 'text', position: under.position, key: under.key };
}

/** Whether a text looks sealed, as it is or after decoding its beginning as base64. */
function looksSealedInData(text: string): boolean {
  return looksSealed(Buffer.from(text)) || looksSealed(Buffer.from(text.slice(0, 64), 'base64'));
}

interface PlacedText {
  readonly text: string;
  /** Whether an action of a template makes all or a part of it. */
  readonly made: boolean;
  readonly position: Position;
  /** The key as written in the source, if this is the value of an entry. */
  readonly key: string | undefined;
  /** The value of the entry, if this is its key. */
  readonly under: PlacedText | undefined;
}

/** Returns the text at a position. */
function textsIn(
  source: string,
  roots: readonly YamlNode[],
  positionOf: Source['position'],
  isMade: IsMade,
): (position: Position) => PlacedText {
  const name = ({ line, column }: Position) => `${line}:${column}`;
  const texts = new Map<string, PlacedText>();
  const add = (node: YamlNode, inAction: boolean, key?: string, under?: PlacedText): PlacedText => {
    const shown = source.slice(node.start, node.end);
    const text = node.kind === 'scalar' ? node.text : shown;
    const made = inAction || isBraces(node, source) || isMade(text);
    const position = positionOf(node.start);
    const placed = { text, made, position, key, under };
    // A block collection begins at its first node, and a problem there is about that node.
    if (node.kind === 'map')
      for (const entry of node.entries) {
        const keySource = source.slice(entry.key.start, entry.key.end);
        add(entry.key, made, undefined, add(entry.value, made, keySource));
      }
    if (node.kind === 'seq') for (const item of node.items) add(item, made);
    if (node.kind === 'scalar' || !texts.has(name(position))) texts.set(name(position), placed);
    return placed;
  };
  for (const root of roots) add(root, false);
  const nothing = { text: '', made: false, key: undefined, under: undefined };
  return (position) => texts.get(name(position)) ?? { ...nothing, position };
}
