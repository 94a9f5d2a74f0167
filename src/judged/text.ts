import { KsealError } from '../errors.ts';
import { decodeManifest } from '../manifest/decode.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read.ts';
import { rules } from '../rules/index.ts';
import type { Fault, JudgedSecret } from '../rules/rule.ts';
import { type Position, positionsIn, type YamlNode } from '../yaml-node.ts';
import { type ForeignTool, foreignTool, misspeltKinds } from './foreign.ts';
import { judgeProblems } from './problem.ts';
import { judgeSecrets } from './secret.ts';
import { isUnparsedTemplate, placeholderFault, templateFault, templateIn } from './template.ts';

/** A document that another tool sealed or fills in, and that is left alone. */
export interface ForeignDocument {
  readonly tool: ForeignTool;
  readonly position: Position;
}

/** A text as far as it can be read, and what is wrong with it before any Secret is checked. */
export interface JudgedText {
  readonly source: string;
  readonly roots: readonly YamlNode[];
  readonly secrets: readonly JudgedSecret[];
  readonly faults: readonly Fault[];
  /** It is to be rendered before it says what its Secrets are. */
  readonly template: boolean;
  readonly foreign: readonly ForeignDocument[];
}

/**
 * Reads a text, or takes the reason why it could not be read. `namespace` is that of the path's
 * rule. Never throws for what the text holds.
 */
export function judgeText(
  content: Uint8Array | KsealError,
  path: string,
  namespace: string | undefined,
): JudgedText {
  const source = decode(content, path);
  if (source instanceof KsealError) {
    const faults = [unreadable(source, path)];
    return { source: '', roots: [], secrets: [], faults, template: false, foreign: [] };
  }
  const manifest = readManifest(source, path);
  const { roots } = manifest;
  const secrets = judgeSecrets(manifest, namespace);
  const template = templateIn(manifest);
  const faults = textFaults(manifest, secrets, template);
  const foreign = located(manifest, foreignTool).map(({ found, position }) => ({
    tool: found,
    position,
  }));
  return { source, roots, secrets, faults, template: template !== undefined, foreign };
}

function decode(content: Uint8Array | KsealError, path: string): string | KsealError {
  if (content instanceof KsealError) return content;
  try {
    return decodeManifest(content, path);
  } catch (error) {
    if (error instanceof KsealError) return error;
    throw error;
  }
}

/** The path stands in front of each finding anyway. */
function unreadable({ message, hint }: KsealError, path: string): Fault {
  const said = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
  return { rule: 'unreadable', position: { line: 1, column: 1 }, message: said, hint };
}

function textFaults(
  manifest: Manifest,
  secrets: readonly JudgedSecret[],
  template: Position | undefined,
): readonly Fault[] {
  const problems = isUnparsedTemplate(manifest) ? [] : judgeProblems(manifest);
  if (template !== undefined) {
    const lasting = problems.filter((fault) => lastingRules.has(fault.rule));
    return [templateFault(template), ...lasting];
  }
  const placeholders = secrets.flatMap(({ label, values }) =>
    values
      .filter(({ placeholder }) => placeholder)
      .map(({ key, position }) => placeholderFault({ key, position, secret: label })),
  );
  const first = [...problems.filter(isTemplate), ...placeholders].sort(byPosition).slice(0, 1);
  return [...problems.filter((fault) => !isTemplate(fault)), ...first, ...misspelt(manifest)];
}

const lastingRules = new Set(rules.filter(({ inTemplates }) => inTemplates).map(({ id }) => id));

const isTemplate = ({ rule }: Fault) => rule === 'template';

function byPosition({ position: a }: Fault, { position: b }: Fault): number {
  return a.line - b.line || a.column - b.column;
}

function misspelt({ roots, secrets, source }: Manifest): readonly Fault[] {
  const known = new Set<YamlNode>(secrets.map(({ node }) => node));
  const found = roots.flatMap((root) => misspeltKinds(root, known));
  if (found.length === 0) return [];
  const position = positionsIn(source);
  return found.map(({ start }) => ({
    rule: 'misspelt-kind',
    position: position(start),
    message: 'an object that looks like a Secret, but is none to Kubernetes',
    hint: 'write exactly: kind: Secret',
  }));
}

/** The documents in which `search` finds something, and where they begin. */
function located<T>(
  { roots, source }: Manifest,
  search: (root: YamlNode) => T | undefined,
): readonly { found: T; position: Position }[] {
  return roots.flatMap((root) => {
    const found = search(root);
    return found === undefined ? [] : [{ found, position: positionsIn(source)(root.start) }];
  });
}
