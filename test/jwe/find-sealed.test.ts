import { describe, expect, test } from 'vitest';
import { findSealed } from '../../src/jwe/detect.ts';

const header = (members: object) => Buffer.from(JSON.stringify(members)).toString('base64url');
const kid = '0'.repeat(43);
const jwe = `${header({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256', kid })}.a-_.b.cDE.f`;
const again = Buffer.from(jwe).toString('base64');
const folded = again.match(/.{1,76}/g) ?? [];

describe('a sealed value is found', () => {
  test.each([
    ['alone', jwe],
    ['in quotes', `a: "${jwe}"`],
    ['within a sentence', `see ${jwe}, and more`],
    ['with enc first', `x: ${header({ enc: 'A128CBC-HS256', alg: 'RSA-OAEP-256', kid })}.a.b.c.d`],
    ['in base64', `data:\n  a: ${again}\n  b: c`],
    ['in folded base64', `a: |\n  ${folded.join('\n  ')}\nb: c`],
    ['in folded base64 with Windows line ends', `a: |\r\n  ${folded.join('\r\n  ')}\r\nb: c\r\n`],
    ['in base64 folded within a JSON text', `{"a":"${folded.join('\\n')}\\n","b":"c"}`],
  ])('%s', (_, text) => {
    const [found, ...rest] = findSealed(text);
    expect(rest).toEqual([]);
    expect(found).toMatchObject({ kid, offset: text.search(/eyJ|ZXlK/) });
    expect(found?.jwe.split('.')).toHaveLength(5);
  });
});

test('several sealed values are found in order', () => {
  expect(findSealed(`a: ${jwe}\nb: ${again}\nc: ${jwe}`).map(({ jwe: found }) => found)).toEqual([
    jwe,
    jwe,
    jwe,
  ]);
});

// The tag of a real one has 16 bytes.
const sound = `${jwe.slice(0, -1)}${'f'.repeat(22)}`;

describe('base64 ends with the value, although the next line could be more of it', () => {
  test.each(['\nuser=\n', '\n  user\n', '\nZ', '\n==', '\n=======\n', '\\nuser'])('%j', (after) => {
    // Without padding, with padding, and with a line break at the end.
    for (const [value, more] of ['', 'A', 'AA', '\n', 'A\n', 'AA\n'].map((part) => [
      sound.replace('.cDE.', `.cDE${part.trim()}.`),
      part.endsWith('\n') ? '\n' : '',
    ])) {
      for (const width of [20, 64, 76, 2000]) {
        const lines = Buffer.from(`${value}${more}`)
          .toString('base64')
          .match(new RegExp(`.{1,${width}}`, 'g'));
        const text = (lines ?? []).join('\n');
        expect(findSealed(`a: |\n${text}${after}`)).toEqual([{ offset: 5, text, jwe: value, kid }]);
      }
    }
  });
});

test('the kid is undefined if the header cannot be parsed', () => {
  const damaged = jwe.replace('.', 'AAAA.');
  expect(findSealed(damaged)).toMatchObject([{ kid: undefined }]);
  expect(findSealed(jwe.replace(/^[^.]*/, header({ alg: 'RSA1_5', kid: 1 })))).toMatchObject([
    { kid: undefined },
  ]);
});

test.each(['', 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln', 'eyJhbGciOiJSU0E', `${jwe.split('.')[0]}.a.b`])(
  'nothing is found in %j',
  (text) => {
    expect(findSealed(text)).toEqual([]);
  },
);

test('a long run of unfinished beginnings takes linear time', () => {
  expect(findSealed('eyJhbGciOiJSU0E'.repeat(200_000))).toEqual([]);
  expect(findSealed(`"a\\n${jwe}\\n${jwe}"`)).toHaveLength(2);
});
