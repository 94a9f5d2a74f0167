import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  type Pair,
  Parser,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import {
  childrenOf,
  isMergeKey,
  type NodeBase,
  type Range,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
  type YamlSeq,
} from './node.ts';

/** `message` never quotes the source. */
export interface YamlError {
  readonly code: string;
  readonly message: string;
  readonly offset: number;
  /** The nodes are unknown. */
  readonly fatal: boolean;
}

export interface ParsedYaml {
  /** The root nodes; empty if there is a fatal error. */
  readonly roots: readonly YamlNode[];
  readonly errors: readonly YamlError[];
}

const MAX_DEPTH = 100;
const MAX_ERRORS = 20;
const MAX_ALIAS_NODES = 100_000;
/** Each takes some kilobytes of memory. */
const MAX_DOCUMENTS = 50_000;

const messages: Readonly<Record<string, string>> = {
  ALIAS_EXPANSION: `aliases expand to more than ${MAX_ALIAS_NODES} nodes`,
  BAD_ALIAS: 'alias without an anchor before it',
  ALIAS_PROPS: 'alias with an anchor or tag of its own',
  BAD_COLLECTION_TYPE: 'tag for another kind of collection',
  BAD_DIRECTIVE: 'bad directive: a line that begins with %',
  BAD_DQ_ESCAPE: 'bad escape in a double-quoted string',
  BAD_INDENT: 'bad indentation',
  BAD_SCALAR_START: 'a value that begins with this character must be quoted',
  BAD_PROP_ORDER: 'anchor or tag before an indicator that it must follow',
  BLOCK_AS_IMPLICIT_KEY: 'mapping where a value is expected: check indentation and quotes',
  BLOCK_IN_FLOW: 'mapping or sequence in block style inside { } or [ ]',
  BYTE_ORDER_MARK: 'byte order mark (U+FEFF) that is not at the start of the file',
  CARRIAGE_RETURN:
    'carriage return (U+000D) without a line feed, a line break to some YAML readers',
  CONTROL_CHARACTER: 'control character',
  DOCUMENTS: `more than ${MAX_DOCUMENTS} documents`,
  DUPLICATE_KEY: 'duplicate key',
  INDENTATION: 'no-break or other Unicode space as indentation, which YAML takes for text',
  LINE_SEPARATOR: 'line separator (U+2028), a line break to some YAML readers',
  MERGE_CONFLICT: 'unresolved merge conflict: this line is a conflict marker of git',
  MISSING_CHAR: 'missing colon, comma, space or closing quote',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line',
  MULTIPLE_ANCHORS: 'more than one anchor on a value',
  MULTIPLE_TAGS: 'more than one tag on a value',
  NESTING: `nested more than ${MAX_DEPTH} levels deep`,
  NEXT_LINE: 'next line (U+0085), a line break to some YAML readers',
  PARAGRAPH_SEPARATOR: 'paragraph separator (U+2029), a line break to some YAML readers',
  ROOT_SCALAR: 'text that is not an object, or is one only to some YAML readers',
  SEPARATOR: '# directly after ---: YAML readers disagree on whether this starts a document',
  SEPARATOR_SPACE:
    'no-break or other Unicode space after ---: YAML readers disagree on whether this starts a document',
  TAB_AS_INDENT: 'tab as indentation',
  TAG_RESOLVE_FAILED: 'tag that cannot be resolved',
  UNEXPECTED_TOKEN: 'unexpected token',
};

/** Errors after which the nodes are known all the same. */
const harmless = new Set(['DUPLICATE_KEY', 'ROOT_SCALAR']);

/** Parses any text without an obstacle (`parseYaml`) with the package `yaml`. */
export function composeYaml(source: string): ParsedYaml {
  const whole = parseParts(source, [{ start: 0, end: source.length }]);
  if (!startsWithJson.test(source)) return whole;
  const [root] = whole.roots;
  if (root?.kind === 'map' && root.flow) return whole;
  const parts = jsonParts(source);
  return parts.length > 1 ? parseParts(source, parts) : whole;
}

const startsWithJson = /^\uFEFF?\s*\{\s*["}]/;

/**
 * Splits a text after each JSON object that it begins with. kubectl decodes JSON objects one after
 * another, even if YAML would not separate them there, and parses only the rest as YAML.
 */
function jsonParts(source: string): readonly Range[] {
  const space = /(?:\s|#.*)*/y;
  // A string without its closing quote goes on to the end, so that this takes linear time.
  const token = /"(?:[^"\\]|\\[\s\S]?)*(?:"|$)|[{}]/g;
  const parts: Range[] = [];
  let start = source.indexOf('{');
  while (source[start] === '{') {
    let depth = 0;
    token.lastIndex = start;
    do depth += depthOf(token.exec(source)?.[0]);
    while (depth > 0);
    if (Number.isNaN(depth)) break;
    parts.push({ start, end: token.lastIndex });
    space.lastIndex = token.lastIndex;
    space.test(source);
    start = space.lastIndex;
  }
  if (start < source.length) parts.push({ start, end: source.length });
  return parts;
}

/** How much deeper a JSON token leads; NaN at the end of the text. */
function depthOf(token: string | undefined): number {
  if (token === undefined) return Number.NaN;
  if (token === '{') return 1;
  return token === '}' ? -1 : 0;
}

/** Returns the error with a code, which is one of the package or of kseal. */
export function yamlError(code: string, offset: number): YamlError {
  const message = messages[code] ?? `YAML error ${code}`;
  return { code, message, offset, fatal: !harmless.has(code) };
}

function parseParts(source: string, parts: readonly Range[]): ParsedYaml {
  const errors: YamlError[] = [];
  let isFatal = false;
  const fail: Fail = (code, offset) => {
    const error = yamlError(code, offset);
    // The first fatal error is never left out.
    if (errors.length < MAX_ERRORS || (error.fatal && !isFatal)) errors.push(error);
    isFatal ||= error.fatal;
  };
  const documents = compose(source, parts, fail);
  const roots: YamlNode[] = [];
  if (errors.length === 0) for (const document of documents) roots.push(rootOf(document, fail));
  if (!isFatal) for (const root of roots) if (isText(root, source)) fail('ROOT_SCALAR', root.start);
  return { roots: isFatal ? [] : roots, errors };
}

/** Whether a root is a scalar in which a reader with other rules may find an object. */
function isText({ kind, start, end }: YamlNode, source: string): boolean {
  return kind === 'scalar' && /[\n{]/.test(source.slice(start, end).trimEnd());
}

type Fail = (code: string, offset: number) => void;

function compose(source: string, parts: readonly Range[], fail: Fail): Document.Parsed[] {
  // In the failsafe schema every scalar is a string. The package would look for duplicate keys in
  // quadratic time.
  const composer = new Composer({
    schema: 'failsafe',
    resolveKnownTags: false,
    uniqueKeys: false,
    keepSourceTokens: true,
  });
  const { stackTraceLimit } = Error;
  // The package makes an error for each mistake, and a million stack traces fill the memory.
  Error.stackTraceLimit = 0;
  const documents: Document.Parsed[] = [];
  for (const document of composer.compose(tokensOf(source, parts, fail))) {
    documents.push(document);
    if (documents.length <= MAX_DOCUMENTS) continue;
    fail('DOCUMENTS', document.range[0]);
    break;
  }
  Error.stackTraceLimit = stackTraceLimit;
  // The package's messages quote the source, so only the code and offset are kept.
  const errors = [...documents, composer.streamInfo()].flatMap((part) => part.errors);
  for (const error of errors) fail(error.code, error.pos[0]);
  return documents;
}

function* tokensOf(source: string, parts: readonly Range[], fail: Fail): Generator<CST.Token> {
  for (const { start, end } of parts) {
    const parser = new Parser();
    parser.offset = start;
    // The package takes a byte order mark for indentation, which an empty line is not.
    const part = source.slice(start, end).replace(/^\uFEFF/, '\n');
    for (const lexeme of new Lexer().lex(part)) {
      yield* parser.next(lexeme);
      // The package composes recursively, and its stack overflow would end the process.
      if (parser.stack.length > MAX_DEPTH) return fail('NESTING', parser.offset);
    }
    yield* parser.end();
  }
}

interface Context {
  readonly anchors: Map<string, YamlNode>;
  readonly fail: Fail;
}

function rootOf(document: Document.Parsed, fail: Fail): YamlNode {
  const context = { anchors: new Map<string, YamlNode>(), fail };
  const root = nodeOf(document.contents, document.range[0], context);
  checkIndentation(root, fail);
  const aliased = context.anchors.size === 0 ? 0 : aliasedNodes(root);
  if (aliased > MAX_ALIAS_NODES) fail('ALIAS_EXPANSION', root.start);
  return root;
}

const unicodeSpace = /^[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/;

/** Fails for a root or key that begins with a space other than U+0020: a line that looks indented. */
function checkIndentation(node: YamlNode, fail: Fail): void {
  if (node.kind !== 'scalar' || node.style !== 'plain' || node.text < '\u00A0') return;
  if (unicodeSpace.test(node.text)) fail('INDENTATION', node.start);
}

/** The number of nodes that aliases add; infinite if an alias is within its own target. */
function aliasedNodes(root: YamlNode): number {
  const sizes = new Map<YamlNode, number>();
  return sizeOf(root, sizes) - sizes.size;
}

/** The number of nodes with aliases expanded. */
function sizeOf(node: YamlNode, sizes: Map<YamlNode, number>): number {
  const known = sizes.get(node);
  if (known !== undefined) return known;
  sizes.set(node, Number.POSITIVE_INFINITY);
  const size = childrenOf(node).reduce((sum, child) => sum + sizeOf(child, sizes), 1);
  sizes.set(node, size);
  return size;
}

function nodeOf(node: Node | null, offset: number, context: Context): YamlNode {
  // Spreading objects here would take longer than parsing.
  const [start, end] = node?.range ?? [offset, offset];
  const { anchor, tag }: { anchor?: string; tag?: string } = node ?? {};
  const base = { start, end, anchor, tag };
  if (isAlias(node)) return aliasOf(node.source, base, context);
  if (isMap<Node, Node | null>(node)) return mapOf(node, base, context);
  if (isSeq<Node>(node)) return seqOf(node, base, context);
  const { source = '', type = 'PLAIN', srcToken } = isScalar<string>(node) ? node : {};
  const style = styles[type] ?? 'block';
  if (!isClosed(style, srcToken && 'source' in srcToken ? srcToken.source : ''))
    context.fail('MISSING_CHAR', end);
  return register({ kind: 'scalar', start, end, anchor, tag, text: source, style }, context);
}

const styles: Readonly<Record<string, YamlScalar['style']>> = {
  PLAIN: 'plain',
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
};

/**
 * Whether a quoted scalar ends with its closing quote. The package mistakes an escaped quote for it,
 * as in `'it''`, if the next line is indented too little to continue the scalar.
 */
function isClosed(style: YamlScalar['style'], source: string): boolean {
  if (style !== 'single' && style !== 'double') return true;
  const escaping = style === 'single' ? "'" : '\\';
  let last = source.length - 2;
  while (last > 0 && source.charAt(last) === escaping) last--;
  return (source.length - last) % 2 === 0;
}

function register<T extends YamlNode>(node: T, { anchors }: Context): T {
  if (node.anchor !== undefined) anchors.set(node.anchor, node);
  return node;
}

function aliasOf(name: string, base: NodeBase, { anchors, fail }: Context): YamlNode {
  const target = anchors.get(name);
  if (target !== undefined) return { ...base, kind: 'alias', target };
  fail('BAD_ALIAS', base.start);
  return { ...base, kind: 'scalar', text: '', style: 'plain' };
}

function mapOf(map: YAMLMap<Node, Node | null>, base: NodeBase, context: Context): YamlMap {
  const { start, end, anchor, tag } = base;
  const entries: YamlEntry[] = [];
  const flow = map.flow === true;
  const result = register({ kind: 'map', start, end, anchor, tag, flow, entries }, context);
  const seen = new Set<string>();
  for (const pair of map.items) {
    const entry = entryOf(pair, context);
    entries.push(entry);
    if (entry.key.kind !== 'scalar' || isMergeKey(entry.key)) continue;
    const { text, style } = entry.key;
    checkIndentation(entry.key, context.fail);
    // In flow style kubectl parses `?` as an indicator even without a space after it.
    if (flow && style === 'plain' && text[0] === '?')
      context.fail('BAD_SCALAR_START', entry.key.start);
    if (seen.has(text)) context.fail('DUPLICATE_KEY', entry.key.start);
    seen.add(text);
  }
  // The package includes the comments after a block collection.
  if (!flow) result.end = entries.at(-1)?.value.end ?? end;
  return result;
}

const keyProperties = new Set(['explicit-key-ind', 'anchor', 'tag']);

function entryOf({ key, value, srcToken }: Pair<Node, Node | null>, context: Context): YamlEntry {
  const first = srcToken?.start.find(({ type }) => keyProperties.has(type));
  const colon = srcToken?.sep?.find(({ type }) => type === 'map-value-ind')?.offset;
  const keyNode = nodeOf(key, first?.offset ?? 0, context);
  const valueNode = nodeOf(value, keyNode.end, context);
  return { start: first?.offset ?? keyNode.start, key: keyNode, colon, value: valueNode };
}

function seqOf(seq: YAMLSeq<Node>, base: NodeBase, context: Context): YamlSeq {
  const { start, end, anchor, tag } = base;
  const items: YamlNode[] = [];
  const flow = seq.flow === true;
  const result = register({ kind: 'seq', start, end, anchor, tag, flow, items }, context);
  for (const item of seq.items) items.push(nodeOf(item, start, context));
  if (!flow) result.end = items.at(-1)?.end ?? end;
  return result;
}
