import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  certificateFor,
  makeUp,
  mismatchIn,
  type PemChecks,
  problemOf,
  progressOf,
} from '../../src/request/answer.ts';
import {
  type AskedValue,
  alphabets,
  type Format,
  formats,
  type Target,
} from '../../src/request/request.ts';

const asked = (more: Partial<AskedValue> = {}): AskedValue => ({
  key: 'x',
  label: 'X',
  format: 'text',
  ...more,
});

const pem: PemChecks = {
  isCertificate: (text) => text.startsWith('-----BEGIN CERTIFICATE-----\nsound'),
  isPrivateKey: (text) => text.startsWith('-----BEGIN PRIVATE KEY-----\nsound'),
  isMismatch: (certificate, key) => certificate.length !== key.length,
};

const problem = (more: Partial<AskedValue>, answer: string | Uint8Array) =>
  problemOf(asked(more), typeof answer === 'string' ? Buffer.from(answer) : answer, pem);

describe('a good answer has no problem', () => {
  test.each<[Format, string]>([
    ['text', 'one line'],
    ['lines', 'two\nlines\n'],
    ['pem-certificate', '-----BEGIN CERTIFICATE-----\nsound'],
    ['pem-private-key', '-----BEGIN PRIVATE KEY-----\nsound'],
    ['json', '{"a": 1}'],
    ['url', 'postgres://user:CANARY@db.example.org:5432/hr'],
    ['file', '\0\u0001'],
  ])('%s', (format, answer) => {
    expect(problem({ format }, answer)).toBeUndefined();
  });
});

describe('a problem is one sentence', () => {
  test.each<[Partial<AskedValue>, string | Uint8Array, string]>([
    [{}, '', 'It is empty.'],
    [{ min: 3 }, 'ab', 'It has 2 characters, but needs at least 3.'],
    [{ min: 3 }, '😀😀', 'It has 2 characters, but needs at least 3.'],
    [{ max: 1 }, 'ab', 'It has 2 characters, but may have at most 1.'],
    [{ format: 'file', min: 2 }, 'x', 'It has 1 byte, but needs at least 2.'],
    [{}, 'two\nlines', 'It has several lines, but must be one line.'],
    [{}, Buffer.from([0xff]), 'It is not text in UTF-8.'],
    [{ format: 'lines' }, Buffer.from([0xff]), 'It is not text in UTF-8.'],
    [{ format: 'json' }, '{CANARY', 'It is not JSON.'],
    [{ format: 'json' }, Buffer.from([0xff]), 'It is not JSON.'],
    [{ format: 'url' }, 'example.org', 'It is not an address such as https://example.org/path.'],
    [{ format: 'url' }, 'https://a b', 'It is not an address such as https://example.org/path.'],
    [{ format: 'url' }, 'http://[::', 'It is not an address such as https://example.org/path.'],
    [{ pattern: 'HR-\\d{4}' }, 'HR-CANARY', 'It must be: "HR-", then 4 digits.'],
    [{ pattern: 'a*' }, 'a'.repeat(5000), 'It has more than 4096 characters.'],
    [
      { format: 'pem-certificate' },
      '-----BEGIN PRIVATE KEY-----\nsound',
      'It contains a private key, but must be a certificate.',
    ],
    [
      { format: 'pem-certificate' },
      'CANARY',
      'It is not a certificate, a text with the line -----BEGIN CERTIFICATE-----.',
    ],
    [
      { format: 'pem-private-key' },
      '-----BEGIN CERTIFICATE-----\nsound',
      'It is a certificate, but must be a private key.',
    ],
    [
      { format: 'pem-private-key' },
      'CANARY',
      'It is not a private key, a text with a line such as -----BEGIN PRIVATE KEY-----.',
    ],
    [
      { format: 'pem-private-key' },
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nsound',
      'It is a private key with a passphrase. Remove the passphrase first: openssl pkey -in FILE -out NEW',
    ],
  ])('%j', (more, answer, words) => {
    expect(problem(more, answer)).toBe(words);
  });
});

test('an empty answer is good if the request allows it', () => {
  expect(problem({ min: 0 }, '')).toBeUndefined();
});

test('no problem quotes an answer, whatever the format is', () => {
  const canary = fc.string({ minLength: 1, unit: 'grapheme' }).map((text) => `CANARY${text}CANARY`);
  fc.assert(
    fc.property(fc.constantFrom(...formats), canary, fc.nat(40), (format, answer, min) => {
      const words = problem({ format, min, pattern: 'x{50}' }, answer) ?? '';
      expect(words).not.toContain('CANARY');
    }),
  );
});

describe('a private key belongs to', () => {
  const values = [
    asked({ key: 'tls.crt', format: 'pem-certificate' }),
    asked({ key: 'ca.crt', format: 'pem-certificate' }),
    asked({ key: 'client.pem', format: 'pem-certificate' }),
    asked({ key: 'client.txt' }),
  ];
  const certificate = (more: Partial<AskedValue>) =>
    certificateFor(asked({ format: 'pem-private-key', ...more }), { values })?.key;

  test('the certificate of the same name', () => {
    expect(certificate({ key: 'tls.key' })).toBe('tls.crt');
    expect(certificate({ key: 'client.key' })).toBe('client.pem');
  });
  test('the certificate that the request names', () => {
    expect(certificate({ key: 'tls.key', certificate: 'ca.crt' })).toBe('ca.crt');
  });
  test('none, if none has its name', () => {
    expect(certificate({ key: 'other.key' })).toBeUndefined();
    expect(certificate({ key: 'tls.key', format: 'text' })).toBeUndefined();
  });
  test('a mismatch is found once both are given', () => {
    const key = asked({ key: 'tls.key', format: 'pem-private-key' });
    const request = { values: [...values, key] };
    const given = (entries: Record<string, string>) =>
      new Map(Object.entries(entries).map(([name, text]) => [name, { bytes: Buffer.from(text) }]));
    expect(mismatchIn(request, given({ 'tls.key': 'long' }), pem)).toBeUndefined();
    expect(mismatchIn(request, given({ 'tls.key': 'a', 'tls.crt': 'b' }), pem)).toBeUndefined();
    const found = mismatchIn(request, given({ 'tls.key': 'long', 'tls.crt': 'b' }), pem);
    expect([found?.key.key, found?.certificate.key]).toEqual(['tls.key', 'tls.crt']);
  });
});

test('a made-up value has the length and the characters of the request', () => {
  const names = Object.keys(alphabets) as (keyof typeof alphabets)[];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.integer({ min: 8, max: 64 }), (alphabet, length) => {
      const below = (limit: number) => Math.floor(Math.random() * limit);
      const text = makeUp(asked({ generate: length, alphabet }), below);
      expect(text).toHaveLength(length);
      for (const character of text) expect(alphabets[alphabet]).toContain(character);
      expect(problem({ min: length, max: length }, text)).toBeUndefined();
    }),
  );
});

test('every character of an alphabet can be chosen, and none twice', () => {
  for (const [alphabet, characters] of Object.entries(alphabets)) {
    expect(new Set(characters).size, alphabet).toBe(characters.length);
    let at = 0;
    const next = () => at++;
    const text = makeUp(
      asked({ generate: characters.length, alphabet: alphabet as keyof typeof alphabets }),
      next,
    );
    expect(text).toBe(characters);
  }
});

describe('the progress of a request', () => {
  const target = (file: string): Target => ({ file, namespace: 'hr', name: 'db' });
  const request = {
    title: 'T',
    targets: [target('a.yaml'), target('b.yaml')],
    values: [asked({ key: 'one' }), asked({ key: 'two' })],
  };
  const both = new Set(['one', 'two', 'three']);
  test.each([
    ['unfilled', [undefined, undefined], [2, 2]],
    ['unfilled', [new Set(['three']), undefined], [2, 2]],
    ['incomplete', [both, undefined], [0, 2]],
    ['incomplete', [both, new Set(['one'])], [0, 1]],
    ['filled', [both, both], [0, 0]],
  ] as const)('is %s', (state, present, lacking) => {
    const progress = progressOf(request, present);
    expect(progress.state).toBe(state);
    expect(progress.missing.map(({ values }) => values.length)).toEqual(lacking);
  });
});
