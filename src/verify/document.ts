import type { Diagnostic, Position } from '../diagnostic.ts';
import { expected, KsealError } from '../errors.ts';
import { looksSealed } from '../jwe/detect.ts';
import { secretLabel } from '../kubernetes/secret.ts';
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
import type { JudgedRequest, JudgedText, ReaderProblem } from './rule.ts';
import { type ForeignTool, foreignTool, judgeNested, judgeSecrets } from './secrets.ts';
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
  const secrets = [...judgeSecrets(manifest, { namespace, inTemplate, actions })];
  for (const { nested, actions: own } of nestedIn(manifest, actions)) {
    for (const secret of nested) {
      problems.push(...problemsInNested(secret, inTemplate, own));
      secrets.push(judgeNested(typed, secret, { inTemplate, actions: own }));
    }
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
    request,
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
