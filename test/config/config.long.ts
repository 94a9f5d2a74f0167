import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { expectedErrors } from '../../src/errors.ts';

/** Any text is a configuration or a list of CONFIG_INVALID errors. */
function outcome(text: string): void {
  try {
    parseConfig(Buffer.from(text), '.kseal.yaml', '/');
  } catch (thrown) {
    for (const { code } of expectedErrors(thrown)) expect(code).toBe('CONFIG_INVALID');
  }
}

test('random text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), outcome), {
    numRuns: 10_000,
  });
});

test('pieces of YAML in any order', () => {
  const pieces = fc.constantFrom(
    ...['version: 1\n', 'keys:', 'rules:', 'verify:', '  prod:', 'kid: ', '- ', '---\n', '...\n'],
    ...[
      '&a ',
      '*a',
      '!!str ',
      '<<: ',
      '{',
      '}',
      '[',
      ']',
      ',',
      '"',
      "'",
      '|\n',
      '>-\n',
      '? ',
      ': ',
    ],
    ...['\n', '\n  ', '\t', '\r\n', '\uFEFF', '#', '%YAML 1.2\n', 'path: a', 'key: prod', '\0'],
  );
  const text = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''));
  fc.assert(fc.property(text, outcome), { numRuns: 30_000 });
});

test('the right fields with the wrong content', () => {
  const names = ['version', 'keys', 'rules', 'verify', 'path', 'key', 'kid', 'a', '__proto__'];
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.constant(null),
      fc.integer(),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 5 }),
    ),
  }));
  const document = fc.record({ version: fc.constant(1), keys: node, rules: node, verify: node });
  fc.assert(
    fc.property(document, (value) => outcome(JSON.stringify(value))),
    { numRuns: 20_000 },
  );
});
