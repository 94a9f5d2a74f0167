import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { parseAsk, parseTarget } from '../../src/request/ask.ts';

const ask = (text: string) => {
  const { key, fields } = parseAsk(text);
  return [key, Object.fromEntries(fields)];
};

function errorOf(action: () => unknown): KsealError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof KsealError) return thrown;
    throw thrown;
  }
  throw new Error('no error');
}

describe('--ask', () => {
  test.each([
    ['password:Password', ['password', { label: 'Password' }]],
    [
      'tls.crt:Certificate:pem-certificate',
      ['tls.crt', { label: 'Certificate', format: 'pem-certificate' }],
    ],
    ['p:Password: of:min=12', undefined],
    [
      'p: Password of the database :min=12:max=20:pattern=[a-z\\:]+:generate',
      [
        'p',
        {
          label: 'Password of the database',
          min: '12',
          max: '20',
          pattern: '[a-z:]+',
          generate: '24',
        },
      ],
    ],
    [
      'u:URL, such as https\\://x:url:help=a=b',
      ['u', { label: 'URL, such as https://x', format: 'url', help: 'a=b' }],
    ],
    ['g:G:generate=32:alphabet=hex', ['g', { label: 'G', generate: '32', alphabet: 'hex' }]],
  ])('%s', (text, expected) => {
    if (expected === undefined) expect(() => ask(text)).toThrow('unknown option');
    else expect(ask(text)).toEqual(expected);
  });

  test.each([
    ['', '--ask must be KEY:LABEL, with a valid data key'],
    ['CANARY secret', '--ask must be KEY:LABEL, with a valid data key'],
    ['password', '--ask password: has no label'],
    ['password: ', '--ask password: has no label'],
    ['password:P:CANARY', '--ask password: has an unknown option after a colon'],
    ['password:P:min=1:min=2', '--ask password: min is given twice'],
    ['password:P:url:json', '--ask password: format is given twice'],
  ])('%j is refused', (text, message) => {
    const error = errorOf(() => parseAsk(text));
    expect([error.code, error.message]).toEqual(['USAGE', message]);
    expect(error.hint).toMatch(/./);
    expect(`${error.message} ${error.hint}`).not.toContain('CANARY');
  });

  test('a misspelt option is suggested', () => {
    expect(errorOf(() => parseAsk('p:P:mim=3')).hint).toBe('did you mean min?');
  });
});

test('a label may be any text, with its colons escaped', () => {
  const label = fc
    .string({ minLength: 1, unit: 'grapheme' })
    .filter((text) => text.trim() !== '' && !text.includes('\\'));
  fc.assert(
    fc.property(label, fc.nat(99), (text, min) => {
      const written = `k:${text.replaceAll(':', '\\:')}:min=${min}`;
      expect(ask(written)).toEqual(['k', { label: text.trim(), min: `${min}` }]);
    }),
  );
});

test('any text is parsed or refused with USAGE', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab:\\=. min'.split('')) }), (text) => {
      for (const parse of [parseAsk, parseTarget])
        try {
          parse(text);
        } catch (thrown) {
          expect((thrown as KsealError).code).toBe('USAGE');
        }
    }),
  );
});

test.each([
  ['db.yaml', { file: 'db.yaml' }],
  ['c/p/db.yaml:key=prod:namespace=hr', { file: 'c/p/db.yaml', key: 'prod', namespace: 'hr' }],
  ['a\\:b.yaml:key=../k.pub', { file: 'a:b.yaml', key: '../k.pub' }],
])('--target %s', (text, expected) => {
  expect(Object.fromEntries(parseTarget(text))).toEqual(expected);
});

test('an unknown option of a target is refused, and a similar one is suggested', () => {
  const error = errorOf(() => parseTarget('db.yaml:kez=prod'));
  expect([error.message, error.hint]).toEqual([
    '--target db.yaml: has an unknown option after a colon',
    'did you mean key?',
  ]);
});
