import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { positionsIn, type YamlMap, type YamlNode } from '../../src/yaml/node.ts';
import { parseYaml, scanBlocks } from '../../src/yaml/parse.ts';
import { isScanned, longTexts, parsesAnyText, scansOddText, scansPlainText } from './texts.ts';

function rootOf(source: string): YamlNode {
  const { roots, errors } = parseYaml(source);
  expect(errors).toEqual([]);
  const [root] = roots;
  if (root === undefined) throw new Error('no document');
  return root;
}

function mapOf(source: string): YamlMap {
  const root = rootOf(source);
  if (root.kind !== 'map') throw new Error('not a mapping');
  return root;
}

/** The source of each value of the root mapping. */
function valueSources(source: string): string[] {
  return mapOf(source).entries.map(({ value }) => source.slice(value.start, value.end));
}

/** The codes of the errors in `source`, each with line and column. */
function errorsIn(source: string): string[] {
  const position = positionsIn(source);
  return parseYaml(source).errors.map(({ code, offset }) => {
    const { line, column } = position(offset);
    return `${code} ${line}:${column}`;
  });
}

describe('nodes', () => {
  it('have their range in the source', () => {
    const source = 'a: 1 # c\nb: "x"\nc: \'y\'\nd: |- # c\n  z\ne: [1, {f: g}]\n';
    expect(valueSources(source)).toEqual(['1', '"x"', "'y'", '|- # c\n  z\n', '[1, {f: g}]']);
  });

  it('are right in a sequence after a byte order mark, which is not indentation', () => {
    const { roots, errors } = parseYaml('\uFEFF- a: 1\n- b: 2\n');
    expect(errors).toEqual([]);
    expect(roots.map(({ kind, start, end }) => ({ kind, start, end }))).toEqual([
      { kind: 'seq', start: 1, end: 14 },
    ]);
  });

  it('include a byte order mark and CRLF in their offsets', () => {
    expect(valueSources('\uFEFFa: 1\r\nb: |\r\n  x\r\nc: 2\r\n')).toEqual([
      '1',
      '|\r\n  x\r\n',
      '2',
    ]);
  });

  it('end with their last content', () => {
    const source = 'a:\n  b: 1 # c\n  # c\n\n---\nd: 2\n';
    expect(valueSources(source.slice(0, source.indexOf('---')))).toEqual(['b: 1']);
  });

  it('have the text of a scalar instead of a resolved value', () => {
    const source = 'a: 0123\nb: true\nc: "\\x41"\nd: >\n  x\n  y\ne:\n';
    const scalars = mapOf(source).entries.map(({ value }) => value);
    expect(scalars).toMatchObject([
      { text: '0123', style: 'plain' },
      { text: 'true', style: 'plain' },
      { text: 'A', style: 'double' },
      { text: 'x y\n', style: 'block' },
      { text: '', style: 'plain' },
    ]);
  });

  it('have the start and the colon of an entry', () => {
    const source = 'a: 1\n? b\n: 2\n';
    expect(mapOf(source).entries).toMatchObject([
      { start: 0, colon: 1 },
      { start: 5, colon: 9 },
    ]);
  });

  it('keep anchors, tags and the targets of aliases, which are not expanded', () => {
    const [first, second] = mapOf('a: &x !t 1\nb: *x\n').entries;
    expect(first?.value).toMatchObject({ anchor: 'x', tag: '!t', text: '1' });
    expect(second?.value).toMatchObject({ kind: 'alias' });
    expect(second?.value.kind === 'alias' && second.value.target).toBe(first?.value);
  });

  it('come from every document', () => {
    expect(parseYaml('a: 1\n---\n- b\n...\n---\n').roots.map(({ kind }) => kind)).toEqual([
      'map',
      'seq',
      'scalar',
    ]);
  });

  const object = '{"a": "}\\"{", "b": [{}]}';
  it.each([
    ['without anything between them', object + object],
    ['with white space and comments between them', ` ${object}\n\t${object} # {\n${object}`],
    ['after a byte order mark', `\uFEFF${object}${object}`],
    ['before a document of YAML', `${object}\na: {}\n`],
    ['before --- and a document of YAML', `${object}${object}\n---\na: {}\n`],
    ['before a colon', `${object}: b`],
  ])('come from each of several JSON objects %s', (_, source) => {
    const { roots, errors } = parseYaml(source);
    expect(errors).toEqual([]);
    expect(roots.length).toBe(source.split(object).length - (source.endsWith(object) ? 1 : 0));
    const first = source.indexOf('{');
    expect(source.slice(first)).toBe(
      source.slice(roots[0]?.start, roots[0]?.end) + source.slice(first + object.length),
    );
    for (const { start, end, kind } of roots.slice(0, source.split(object).length - 1))
      expect([kind, source.slice(start, end)]).toEqual(['map', object]);
  });

  it.each(['{"a":1}{', '{"a":1}{"b":2', '{"a":1}}', '{"a":1}["b"', '{"a":"}'])(
    'do not come from objects that do not end, as in %j',
    (source) => {
      expect(parseYaml(source).roots).toEqual([]);
    },
  );

  it('can have several merge keys', () => {
    expect(errorsIn('a: &a {}\nb: &b {}\nc:\n  <<: *a\n  <<: *b\n')).toEqual([]);
  });
});

describe('positions', () => {
  it('count lines and columns from 1, without a byte order mark', () => {
    const source = '\uFEFFab\r\ncd\n';
    expect([0, 1, 2, 5, 6, 8].map(positionsIn(source))).toEqual([
      { line: 1, column: 1 },
      { line: 1, column: 1 },
      { line: 1, column: 2 },
      { line: 2, column: 1 },
      { line: 2, column: 2 },
      { line: 3, column: 1 },
    ]);
  });
});

describe('errors', () => {
  it.each([
    ['a: 1\nb: 2\na: 3\n', ['DUPLICATE_KEY 3:1']],
    ['{"a": 1, "b": 2, a: 3}', ['DUPLICATE_KEY 1:18']],
    ['a: *b\n', ['BAD_ALIAS 1:4']],
    ['a:\n\t- b\n', ['TAB_AS_INDENT 2:1']],
    ['a: "x\n', ['MISSING_CHAR 2:1']],
    ['a: "\\q"\n', ['BAD_DQ_ESCAPE 1:5']],
    ["a: 'x''\nb: 'y\n  '\n", ['MISSING_CHAR 1:8']],
    ['a: "x\\"\nb: "y\n  "\n', ['MISSING_CHAR 1:8']],
    ['{?a: b}', ['BAD_SCALAR_START 1:2']],
    ['a: @x\n', ['BAD_SCALAR_START 1:4']],
    ['a: 1\n b: 2\n', ['BLOCK_AS_IMPLICIT_KEY 1:4', 'MULTILINE_IMPLICIT_KEY 1:4']],
    ['%YAML\n', ['BAD_DIRECTIVE 1:1']],
    ['a: b\n---#\n{"c":"d"}\n', ['SEPARATOR 2:1']],
  ])('in %j are %j', (source, expected) => {
    expect(errorsIn(source)).toEqual(expected);
  });

  it.each(["a: 'x'''\n", "a: ''\n", "a: ''''\n", 'a: "\\\\"\n', 'a: ""\n', '{"?a": b}'])(
    'do not come from %j',
    (source) => {
      expect(errorsIn(source)).toEqual([]);
    },
  );

  it.each([
    ['0000', 'CONTROL_CHARACTER'],
    ['001b', 'CONTROL_CHARACTER'],
    ['007f', 'CONTROL_CHARACTER'],
    ['fffe', 'CONTROL_CHARACTER'],
    ['feff', 'BYTE_ORDER_MARK'],
    ['000d', 'CARRIAGE_RETURN'],
    ['0085', 'NEXT_LINE'],
    ['2028', 'LINE_SEPARATOR'],
    ['2029', 'PARAGRAPH_SEPARATOR'],
  ])('include the character U+%s anywhere, by the name %s', (code, name) => {
    const character = String.fromCodePoint(Number.parseInt(code, 16));
    expect(errorsIn(`a: 1\nb: "x${character}y"\n`)).toEqual([`${name} 2:6`]);
    expect(errorsIn(`a: 1 # ${character}y\n`)).toEqual([`${name} 1:8`]);
  });

  it.each(['00a0', '1680', '2003', '202f', '3000'])(
    'include the space U+%s after --- and as indentation, but not in a value',
    (code) => {
      const space = String.fromCodePoint(Number.parseInt(code, 16));
      expect(errorsIn(`a: 1\n---${space}\nb: 2\n`)).toEqual(['SEPARATOR_SPACE 2:1']);
      expect(errorsIn(`a:\n${space}${space}b: 2\n`)).toEqual(['INDENTATION 2:1']);
      expect(errorsIn(`a:\n  ${space}b: 2\n`)).toEqual(['INDENTATION 2:3']);
      expect(errorsIn(`${space}{"a":"b"}`)).toEqual(['INDENTATION 1:1']);
      expect(errorsIn(`a: |\n  ${space}b: 2\nc: x${space}y # ---${space}\n`)).toEqual([]);
    },
  );

  it.each([
    ['a\n  b\n', ['ROOT_SCALAR 1:1']],
    ['a: b\n---\n"c\n  d"\n', ['ROOT_SCALAR 3:1']],
    ['|\n  a\n', ['ROOT_SCALAR 1:1']],
    ['1{"a":"b"}', ['ROOT_SCALAR 1:1']],
    ['{"a":"b"} c {"a":"b"}', ['ROOT_SCALAR 1:11']],
    ['a b\n', []],
  ])(
    'include a root scalar of several lines or with a brace, after which the nodes are known: %j',
    (text, all) => {
      expect(errorsIn(text)).toEqual(all);
      expect(parseYaml(text).roots.at(-1)?.kind).toBe('scalar');
    },
  );

  describe('include a merge conflict', () => {
    const ours = 'a: 1\n<<<<<<< HEAD\nb: 2\n';
    test.each([
      ['of two sides', `${ours}=======\nb: 3\n>>>>>>> topic\n`],
      ['with the base', `${ours}||||||| 0123abc\nb: 1\n=======\nb: 3\n>>>>>>> topic\n`],
      ['with CRLF', `${ours}=======\nb: 3\n>>>>>>> topic`.replaceAll('\n', '\r\n')],
      ['with longer markers', 'a: 1\n<<<<<<<<<\n=========\n>>>>>>>>>\n'],
      ['in a text that is YAML', '"a\n<<<<<<< HEAD\n=======\n>>>>>>> topic"'],
    ])('%s', (_, text) => {
      expect(errorsIn(text)).toEqual(['MERGE_CONFLICT 2:1']);
    });

    test.each([
      'a: |\n  <<<<<<< HEAD\n  =======\n  >>>>>>> topic\n',
      'a: |\n  Title\n  =======\n',
      '# <<<<<<< HEAD\n# =======\n# >>>>>>> topic\n',
    ])('but not in %j', (text) => {
      expect(errorsIn(text)).toEqual([]);
    });
  });

  it('are collected, up to 20 of them', () => {
    expect(errorsIn('a: *x\nb: *y\n')).toHaveLength(2);
    expect(errorsIn('a: *x\n'.repeat(100))).toHaveLength(20);
  });

  it('never quote the source', () => {
    const canary = 'CANARY-yaml';
    const sources = [
      `@${canary}`,
      `"\\q${canary}"`,
      `*${canary}`,
      `[${canary}`,
      `"${canary}`,
      `${canary}: ${canary}: 1`,
    ];
    const errors = sources.map((source) => parseYaml(`a: ${source}\n`).errors);
    expect(errors.every((found) => found.length > 0)).toBe(true);
    expect(JSON.stringify(errors)).not.toContain(canary);
  });

  it('do not make the package print the source, even if the environment asks for that', () => {
    onTestFinished(() => {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
    });
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const dir = vi.spyOn(console, 'dir').mockImplementation(() => undefined);
    vi.stubEnv('LOG_TOKENS', '1');
    vi.stubEnv('LOG_STREAM', '1');
    parseYaml('a: secret\n');
    expect([log.mock.calls, dir.mock.calls]).toEqual([[], []]);
  });
});

describe('limits', () => {
  it.each(['[', '{a: ', '- ', '? ', 'a: ', ': '])('refuse %j nested 20,000 times', (opening) => {
    expect(errorsIn(opening.repeat(20_000))).toEqual([expect.stringContaining('NESTING')]);
  });

  it('allow a nesting of 90 levels', () => {
    expect(errorsIn(`${'['.repeat(90)}${']'.repeat(90)}`)).toEqual([]);
  });

  it('refuse more than 50,000 documents', () => {
    expect(errorsIn('---\n'.repeat(50_001))).toEqual([expect.stringContaining('DOCUMENTS')]);
  });

  it('refuse aliases that expand to a billion nodes, without expanding them', () => {
    const row = (name: string, item: string) =>
      `${name}: &${name} [${Array(9).fill(item).join(', ')}]\n`;
    const bomb = [...'abcdefgh'].map((name, at, all) =>
      row(name, at === 0 ? 'x' : `*${all[at - 1]}`),
    );
    expect(errorsIn(bomb.join(''))).toEqual(['ALIAS_EXPANSION 1:1']);
  });

  it('refuse an alias within its own target', () => {
    expect(errorsIn('a: &x\n  - *x\n')).toEqual(['ALIAS_EXPANSION 1:1']);
  });

  it('allow aliases that expand to few nodes', () => {
    expect(errorsIn(`a: &a [${'x, '.repeat(100)}]\nb: [${'*a, '.repeat(100)}]\n`)).toEqual([]);
  });

  it('allow a long string that does not end, in linear time', () => {
    expect(errorsIn(`{"${'\\"'.repeat(5e5)}`)).toEqual(['MISSING_CHAR 1:1000003']);
  });

  it.each(longTexts(1e5))('allow a great length of %s', (_, source) => {
    expect(errorsIn(source)).toEqual([]);
  });
});

describe('the scanner of plain blocks', () => {
  it('returns the nodes of plain texts that the package returns', () => {
    fc.assert(scansPlainText, { numRuns: 300 });
  });

  it('returns these nodes or none for other texts', () => {
    fc.assert(scansOddText, { numRuns: 1000 });
  });

  it('returns these nodes or none for all fixtures', () => {
    const folder = join(import.meta.dirname, '../../fixtures');
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    expect(files.filter(isScanned).length).toBeGreaterThan(50);
  });

  it.each([
    ['no document', ''],
    ['a document without nodes', 'a: b\n---\n'],
    ['a key without a value', 'a:\nb: c\n'],
    ['a key without a value at the end', 'a:\n'],
    ['a key twice', 'a: b\na: c\n'],
    ['a long key', `${'k'.repeat(1025)}: v\n`],
    ['a scalar of two lines', 'a: b\n  c\n'],
    ['a quoted scalar of two lines', 'a: "b\n  c"\n'],
    ['a block scalar', 'a: |\n  b\n'],
    ['an escape', 'a: "\\n"\n'],
    ['a doubled quote', "a: 'b''c'\n"],
    ['text after quotes', 'a: "b"c\n'],
    ['a comment directly after quotes', 'a: "b"#c\n'],
    ['a flow mapping', 'a: {b: c}\n'],
    ['an anchor', 'a: &b c\n'],
    ['a tag', 'a: !!str c\n'],
    ['an alias', 'a: *b\n'],
    ['a merge key', '<<: b\n'],
    ['a key in quotes', '"a": b\n'],
    ['an explicit key', '? a\n: b\n'],
    ['a sequence in a sequence', '- - a\n'],
    ['a mapping after a scalar', 'a: b\n  c: d\n'],
    ['a mapping in a scalar', 'a: b: c\n'],
    ['less indentation than any mapping', '  a:\n    b: c\n d: e\n'],
    ['a dash in a mapping', 'a: b\n- c\n'],
    ['a tab', 'a:\tb\n'],
    ['CRLF', 'a: b\r\n'],
    ['a byte order mark', '\uFEFFa: b\n'],
    ['a Unicode space before a value', 'a: \u00A0b\n'],
    ['a directive', '%YAML 1.2\n---\na: b\n'],
    ['text after ---', '--- a\n'],
    ['the end of a document', 'a: b\n...\n'],
    ['a deep nesting', Array.from({ length: 60 }, (_, at) => `${' '.repeat(at)}a:\n`).join('')],
  ])('leaves %s to the package', (_, text) => {
    expect(scanBlocks(text)).toBeUndefined();
  });
});

test('any text is parsed or rejected without an exception', () => {
  fc.assert(parsesAnyText, { numRuns: 200 });
});
