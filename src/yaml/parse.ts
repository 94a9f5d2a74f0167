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
  aliasedNodes,
  forbiddenCharacter,
  isClosed,
  isMergeKey,
  type Located,
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
}

interface ParsedYaml {
  /** The root nodes; empty when an error other than DUPLICATE_KEY was found. */
  readonly roots: readonly YamlNode[];
  readonly errors: readonly YamlError[];
}

const MAX_DEPTH = 100;
const MAX_ERRORS = 20;
const MAX_ALIAS_NODES = 100_000;

const messages: Readonly<Record<string, string>> = {
  ALIAS_EXPANSION: `aliases expand to more than ${MAX_ALIAS_NODES} nodes`,
  BAD_ALIAS: 'alias without an anchor before it',
  BAD_DQ_ESCAPE: 'bad escape in a double-quoted string',
  BAD_INDENT: 'bad indentation',
  BAD_SCALAR_START: 'a character that a value can begin with only in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping begins where a value is expected: check indentation and quotes',
  CHARACTER: 'control character, inner byte order mark, or line break that is neither LF nor CRLF',
  DUPLICATE_KEY: 'duplicate key',
  MISSING_CHAR: 'missing colon, comma, space or closing quote',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line',
  SEPARATOR: 'a # right behind ---, where YAML readers disagree whether a document begins',
  NESTING: `nested more than ${MAX_DEPTH} levels deep`,
  TAB_AS_INDENT: 'tab as indentation',
  UNEXPECTED_TOKEN: 'unexpected token',
};

/**
 * Reads a YAML 1.2 or JSON text of any number of documents. Never throws for what the text
 * holds, never expands an alias, and resolves no scalar: `0123` and `true` are texts here.
 */
export function parseYaml(source: string): ParsedYaml {
  const errors: YamlError[] = [];
  const fail: Fail = (code, offset) => {
    const message = messages[code] ?? `YAML error ${code}`;
    if (errors.length < MAX_ERRORS) errors.push({ code, message, offset });
  };
  const documents = compose(source, fail);
  const roots: YamlNode[] = [];
  if (errors.length === 0) for (const document of documents) roots.push(rootOf(document, fail));
  const fatal = errors.some(({ code }) => code !== 'DUPLICATE_KEY');
  return { roots: fatal ? [] : roots, errors };
}

type Fail = (code: string, offset: number) => void;

function compose(source: string, fail: Fail): Document.Parsed[] {
  // The failsafe schema takes every scalar for a string. The package's own search for
  // duplicate keys takes quadratic time.
  const composer = new Composer({
    schema: 'failsafe',
    resolveKnownTags: false,
    uniqueKeys: false,
    keepSourceTokens: true,
  });
  const documents = [...composer.compose(tokensOf(source, fail))];
  // The package's messages quote the source, so only code and place are kept.
  const errors = [...documents, composer.streamInfo()].flatMap((part) => part.errors);
  for (const error of errors) fail(error.code, error.pos[0]);
  return documents;
}

function* tokensOf(source: string, fail: Fail): Generator<CST.Token> {
  const bad = forbiddenCharacter(source);
  if (bad !== undefined) return fail('CHARACTER', bad);
  // To look for the characters first is quicker, and hardly any text has them.
  const separator = source.includes('---#') ? source.search(/^---#/m) : -1;
  if (separator >= 0) return fail('SEPARATOR', separator);
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(source)) {
    yield* parser.next(lexeme);
    // The package composes by recursion, and a full stack within it ends the whole process.
    if (parser.stack.length > MAX_DEPTH) return fail('NESTING', parser.offset);
  }
  yield* parser.end();
}

interface Context {
  readonly anchors: Map<string, YamlNode>;
  readonly fail: Fail;
}

function rootOf(document: Document.Parsed, fail: Fail): YamlNode {
  const context = { anchors: new Map<string, YamlNode>(), fail };
  const root = nodeOf(document.contents, document.range[0], context);
  const aliased = context.anchors.size === 0 ? 0 : aliasedNodes(root);
  if (aliased > MAX_ALIAS_NODES) fail('ALIAS_EXPANSION', root.start);
  return root;
}

function nodeOf(node: Node | null, offset: number, context: Context): YamlNode {
  // Spreading objects would take longer here than parsing does.
  const [start, end] = node?.range ?? [offset, offset];
  const { anchor, tag }: { anchor?: string; tag?: string } = node ?? {};
  const place = { start, end, anchor, tag };
  if (isAlias(node)) return aliasOf(node.source, place, context);
  if (isMap<Node, Node | null>(node)) return mapOf(node, place, context);
  if (isSeq<Node>(node)) return seqOf(node, place, context);
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

function register<T extends YamlNode>(node: T, { anchors }: Context): T {
  if (node.anchor !== undefined) anchors.set(node.anchor, node);
  return node;
}

function aliasOf(name: string, place: Located, { anchors, fail }: Context): YamlNode {
  const target = anchors.get(name);
  if (target !== undefined) return { ...place, kind: 'alias', target };
  fail('BAD_ALIAS', place.start);
  return { ...place, kind: 'scalar', text: '', style: 'plain' };
}

function mapOf(map: YAMLMap<Node, Node | null>, place: Located, context: Context): YamlMap {
  const { start, end, anchor, tag } = place;
  const entries: YamlEntry[] = [];
  const flow = map.flow === true;
  const result = register({ kind: 'map', start, end, anchor, tag, flow, entries }, context);
  const seen = new Set<string>();
  for (const pair of map.items) {
    const entry = entryOf(pair, context);
    entries.push(entry);
    if (entry.key.kind !== 'scalar' || isMergeKey(entry.key)) continue;
    const { text, style } = entry.key;
    // In flow style kubectl takes `?` for an indicator without a space behind it, too.
    if (flow && style === 'plain' && text[0] === '?')
      context.fail('BAD_SCALAR_START', entry.key.start);
    if (seen.has(text)) context.fail('DUPLICATE_KEY', entry.key.start);
    seen.add(text);
  }
  // The package counts the comments behind a block collection as part of it.
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

function seqOf(seq: YAMLSeq<Node>, place: Located, context: Context): YamlSeq {
  const { start, end, anchor, tag } = place;
  const items: YamlNode[] = [];
  const flow = seq.flow === true;
  const result = register({ kind: 'seq', start, end, anchor, tag, flow, items }, context);
  for (const item of seq.items) items.push(nodeOf(item, start, context));
  if (!flow) result.end = items.at(-1)?.end ?? end;
  return result;
}
