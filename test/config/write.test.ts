import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ConfiguredKey, type PathRule, parseConfig } from '../../src/config/config.ts';
import { configWith, problemWith, withEntry } from '../../src/config/write.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KID = '0kXvKlpSsgrjWF9OabfeEt2GMRDk3XdgljH7ezVH7pg';

const parse = (text: string) => parseConfig(Buffer.from(text), '.kseal.yaml', '/work');

/** Adds a key and rules to a configuration, or makes a new one. */
function added(text: string | undefined, key?: [string, ConfiguredKey], rules: PathRule[] = []) {
  return configWith(text, { key, rules }, '.kseal.yaml', '/work');
}

describe('a new configuration', () => {
  test('has a comment for each field, and no line is wider than a terminal', () => {
    const key: ConfiguredKey = {
      title: 'Production HR',
      file: 'keys/prod.pub',
      private: 'keys/prod.pem',
      kid: KID,
    };
    const text = added(undefined, ['prod', key], [{ path: '**', key: 'prod', namespace: 'hr' }]);
    expect(text).toBe(`# The keys that seal the Secrets of this repository, for kseal.
version: 1
keys:
  prod:
    title: Production HR  # shown to people
    file: keys/prod.pub  # the public key, which seals
    private: keys/prod.pem  # opens values; never commit it
    kid: ${KID}  # the pin: no other key
rules:  # the first one that matches a file applies to it
  - { path: "**", key: prod, namespace: hr }
`);
    // The plan of init indents each line by two.
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(78);
  });

  const anyText = fc
    .oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(...traps()),
    )
    .filter((text) => /^\P{Cc}+$/u.test(text) && text.isWellFormed());
  const anyName = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]+$/),
    fc.constantFrom('y', 'null', '-'),
  );

  test('reads back as it was meant, for any name, title and path', () => {
    fc.assert(
      fc.property(anyName, anyText, anyText, anyText, (name, title, file, source) => {
        const key = { title, file, source, kid: KID };
        const { keys, rules } = parse(added(undefined, [name, key], [{ path: 'a/**', key: name }]));
        expect([...keys]).toEqual([[name, key]]);
        expect(rules).toEqual([{ path: 'a/**', key: name }]);
      }),
    );
  });

  test('reads back any path that is a glob', () => {
    const anyPath = fc.oneof(anyText, fc.stringMatching(/^(?:[a-z ,'#:&!-]|\*\*?|\/)+$/));
    fc.assert(
      fc.property(anyPath, (path) => {
        const problem = problemWith({ rules: [{ path }] })?.problem;
        expect(problem).not.toBe('cannot be extended automatically');
        fc.pre(problem === undefined);
        expect(parse(added(undefined, undefined, [{ path }])).rules).toEqual([{ path }]);
      }),
    );
  });

  test('a further key and rule leave every existing line as it is', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyName, { minLength: 2, maxLength: 5 }),
        anyText,
        fc.boolean(),
        (names, title, crlf) => {
          let text: string | undefined;
          for (const name of names) {
            const before: string[] = text?.split('\n') ?? [];
            text = added(text, [name, { title }], [{ path: `${name}/**`, key: name }]);
            if (crlf && before.length === 0) text = text.replaceAll('\n', '\r\n');
            const after = text.split('\n');
            expect(after.filter((line) => line.endsWith('\r'))).toHaveLength(
              crlf ? after.length - 1 : 0,
            );
            expect(isSubsequence(before, after)).toBe(true);
          }
          expect([...parse(text ?? '').keys.keys()]).toEqual(names);
        },
      ),
    );
  });
});

/** Texts that YAML reads as something else without quotes. */
function traps(): string[] {
  return [
    'true',
    '12',
    '~',
    '# a',
    'a: b',
    "it's",
    '"',
    '\\',
    '- a',
    '\u2028',
    '\ufeff',
    '\u{e0001}',
  ];
}

function isSubsequence(part: readonly string[], whole: readonly string[]): boolean {
  let at = 0;
  for (const line of whole) if (line === part[at]) at++;
  return at === part.length;
}

describe('an existing configuration', () => {
  const next: [string, ConfiguredKey] = ['next', { file: 'next.pub' }];
  const rule = { path: 'b/**', key: 'next' };

  test.each([
    [
      'keeps its comments, order and indentation',
      'version: 1 # one\n\nrules:\n- path: a/** # A\n  key: prod\n\n# The keys\nkeys:\n    prod:\n        file: prod.pub # P\n# end\n',
      "version: 1 # one\n\nrules:\n- path: a/** # A\n  key: prod\n- { path: 'b/**', key: next }\n\n# The keys\nkeys:\n    prod:\n        file: prod.pub # P\n    next:\n      file: next.pub\n# end\n",
    ],
    [
      'may lack its sections, and its last line break',
      'version: 1\nverify: { ignore: [vendor] }',
      "version: 1\nverify: { ignore: [vendor] }\nkeys:\n  next:\n    file: next.pub\nrules:\n  - { path: 'b/**', key: next }\n",
    ],
    [
      'may have entries in flow style',
      'version: 1\nkeys:\n  prod: {\n    file: prod.pub }\nrules:\n  - { path: "a/**" }\n',
      'version: 1\nkeys:\n  prod: {\n    file: prod.pub }\n  next:\n    file: next.pub\nrules:\n  - { path: "a/**" }\n  - { path: \'b/**\', key: next }\n',
    ],
  ])('%s', (_, before, after) => {
    expect(added(before, next, [rule])).toBe(after);
  });

  test.each([
    ['keys in flow style', 'version: 1\nkeys: { prod: {} }\n'],
    ['JSON', '{ "version": 1 }\n'],
    ['the end of its document', 'version: 1\n...\n'],
    ['an indented root', '  version: 1\n'],
    ['an empty section', 'version: 1\nkeys: {}\n'],
  ])('is refused with %s', (_, text) => {
    expect(thrownBy(() => added(text, next))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: '.kseal.yaml: cannot be extended automatically',
    });
  });

  test('is refused if it is malformed, with the error of the reader', () => {
    expect(thrownBy(() => added('version: 2\n', next))).toMatchObject({
      message: '.kseal.yaml:1:10: unsupported version "2"',
    });
  });
});

test.each([
  [{ key: ['a.b', {}] as const }, '"a.b" is not a valid key name'],
  [{ key: ['a', { title: 'a\nb' }] as const }, 'must be a string on one line'],
  [{ rules: [{ path: '' }] }, 'must be a string on one line'],
  [{ rules: [{ path: 'a(b)' }] }, 'unsupported "(" in a glob'],
  [{ rules: [{ path: 'a', namespace: 'HR' }] }, 'must be a namespace'],
  [{ key: ['prod', {}] as const, rules: [{ path: 'a', key: 'prod' }] }, undefined],
])('problemWith(%j): %s', (additions, problem) => {
  expect(problemWith(additions)?.problem).toBe(problem);
});

test.each([
  ['after a block scalar', 'a:\n- |\n  text\nb: 1\n', 'a:\n- |\n  text\n- x\nb: 1\n'],
  ['after an entry without a value', 'a:\n  - b:\n', 'a:\n  - b:\n  - x\n'],
  [
    'after the comment of the last entry',
    'a:\n  - b # c\n  # d\n',
    'a:\n  - b # c\n  - x\n  # d\n',
  ],
  ['of a section that is in another one', 'b:\n  a:\n    - c\n', 'b:\n  a:\n    - c\na:\n  - x\n'],
])('withEntry adds an item %s', (_, before, after) => {
  expect(withEntry(before, 'a', ['- x'])).toBe(after);
});

test.each([
  ['two documents', 'a:\n- b\n---\na:\n- c\n'],
  ['a text that is not YAML', 'a: [\n'],
  ['a scalar', 'a: text\n'],
  ['a mapping', 'a:\n  b: c\n'],
])('withEntry refuses %s', (_, text) => {
  expect(withEntry(text, 'a', ['- x'])).toBeUndefined();
});
