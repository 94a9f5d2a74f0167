import { type Form, formsOf, KID, type Row, unboundHeader, withHeader } from './malformed.ts';

export const row = (name: string, header: string | Buffer, ...marks: Row[2][]): Row => [
  name,
  withHeader(header),
  ...marks.filter((mark) => mark !== undefined),
];

const alg = (value: string) => `{"alg":${value},"enc":"A128CBC-HS256","kid":"${KID}"}`;
const enc = (value: string) => `{"alg":"RSA-OAEP-256","enc":${value},"kid":"${KID}"}`;

/** Sound, but not allowed. */
const refused: Row[] = [
  row('zip', unboundHeader(',"zip":"DEF"'), 'refused'),
  row('zip: null', unboundHeader(',"zip":null'), 'refused'),
  row('crit', unboundHeader(',"crit":["exp"],"exp":1'), 'refused'),
  row('an empty crit', unboundHeader(',"crit":[]'), 'refused'),
  row('b64: false', unboundHeader(',"b64":false'), 'refused'),
  row('b64: true', unboundHeader(',"b64":true'), 'refused'),
  row('an escaped name for zip', unboundHeader(',"\\u007aip":"DEF"'), 'refused'),
  row('alg RSA-OAEP', alg('"RSA-OAEP"'), 'refused'),
  row('alg RSA-OAEP-384', alg('"RSA-OAEP-384"'), 'refused'),
  row('alg RSA-OAEP-512', alg('"RSA-OAEP-512"'), 'refused'),
  row('alg RSA1_5', alg('"RSA1_5"'), 'refused'),
  row('alg RSA-OAEP-256 with a trailing space', alg('"RSA-OAEP-256 "'), 'refused'),
  ...['dir', 'none', 'PBES2-HS256+A128KW', 'A128KW', 'ECDH-ES', 'rsa-oaep-256', ''].map((name) =>
    row(`alg ${name}`, alg(`"${name}"`), 'refused', 'unlike sealed'),
  ),
  row('alg in an array', alg('["RSA-OAEP-256"]'), 'refused', 'unlike sealed'),
  row('alg null', alg('null'), 'refused', 'unlike sealed'),
  row('no alg', '{"enc":"A128CBC-HS256"}', 'refused'),
  row(
    'alg in a member __proto__',
    '{"enc":"A128CBC-HS256","__proto__":{"alg":"RSA-OAEP-256"}}',
    'refused',
  ),
  ...['A256GCM', 'A128GCM', 'A192CBC-HS384', 'A256CBC-HS512', 'a128cbc-hs256', ''].map((name) =>
    row(`enc ${name}`, enc(`"${name}"`), 'refused'),
  ),
  row('enc in an array', enc('["A128CBC-HS256"]'), 'refused'),
  row('enc null', enc('null'), 'refused'),
  row('no enc', '{"alg":"RSA-OAEP-256"}', 'refused'),
  row(
    'enc in a member __proto__',
    '{"alg":"RSA-OAEP-256","__proto__":{"enc":"A128CBC-HS256"}}',
    'refused',
  ),
];

const duplicates: Row[] = [
  row('a duplicate alg', '{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}'),
  row(
    'a duplicate alg, the second one allowed',
    '{"alg":"RSA1_5","alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  ),
  row('a duplicate alg with an escaped name', unboundHeader(',"\\u0061lg":"RSA-OAEP-256"')),
  row('a duplicate enc', unboundHeader(',"enc":"A128CBC-HS256"')),
  row('a duplicate kid', unboundHeader(`,"kid":"${KID}"`)),
  row('a duplicate unknown member', unboundHeader(',"x":1,"x":1')),
  row('a duplicate empty name', unboundHeader(',"":1,"":1')),
  row('a duplicate __proto__', unboundHeader(',"__proto__":1,"__proto__":2')),
  row('a duplicate constructor', unboundHeader(',"constructor":1,"constructor":2')),
  row('a duplicate member in an object', unboundHeader(',"jwk":{"n":"a","n":"b"}')),
  row('a duplicate member in an object, escaped', unboundHeader(',"jwk":{"n":"a","\\u006E":"b"}')),
  row('a duplicate member deep in arrays', unboundHeader(',"x":[{"y":[[{"z":1},{"z":1,"z":2}]]}]')),
  row('a duplicate member after a nested object', unboundHeader(',"x":{"a":{"b":1},"a":2}')),
  row(
    'a duplicate member with white space around its name',
    unboundHeader(',"x":{"a" :1,\n"a"\t:2}'),
  ),
  row('a duplicate member with a quote in its name', unboundHeader(',"x":{"\\"":1,"\\"":2}')),
  row(
    'a duplicate member with a backslash in its name',
    unboundHeader(',"x":{"a\\\\":1,"a\\\\":2}'),
  ),
  row(
    'a duplicate member among odd strings',
    unboundHeader(',"x":{"{,:":"\\":{","y":"a","{,:":1}'),
  ),
];

/** The header with `bytes` within a string. */
const holding = (bytes: number[]) => {
  const [before = '', after = ''] = unboundHeader(',"x":"@"').split('@');
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
};

const encoding: Row[] = [
  row('a byte that is not UTF-8', holding([0xff])),
  row('overlong UTF-8', holding([0xc1, 0x81])),
  row('truncated UTF-8', holding([0xe2, 0x82])),
  row('a surrogate in UTF-8', holding([0xed, 0xa0, 0x80])),
  row('a character above U+10FFFF', holding([0xf4, 0x90, 0x80, 0x80])),
  row('a NUL in a string', holding([0])),
  row('a line break in a string', holding([10])),
  row('UTF-16', Buffer.from(unboundHeader(), 'utf16le'), 'unlike sealed'),
  row('a byte order mark', `\ufeff${unboundHeader()}`, 'unlike sealed'),
];

const json: Row[] = [
  row('an empty header', '', 'unlike sealed'),
  row('an array', `[${unboundHeader()}]`, 'unlike sealed'),
  row('null', 'null', 'unlike sealed'),
  row('a string', '"alg"', 'unlike sealed'),
  row('a number', '1', 'unlike sealed'),
  row('a missing closing brace', unboundHeader().slice(0, -1)),
  row('text after the object', `${unboundHeader()}x`),
  row('two objects', unboundHeader() + unboundHeader()),
  row('a trailing comma', unboundHeader().replace(/\}$/, ',}')),
  row('a comment', unboundHeader().replace(/\}$/, '/**/}')),
  row('single quotes', unboundHeader(",'x':1")),
  row('a name without quotes', unboundHeader(',x:1')),
  row('NaN', unboundHeader(',"x":NaN')),
  row('more than 4 KiB', unboundHeader(`,"x":"${'y'.repeat(4096)}"`)),
  row('one byte more than 4 KiB', headerOfBytes(4097)),
  row(
    'arrays nested a hundred thousand deep',
    `${unboundHeader().slice(0, -1)},"x":${'['.repeat(100_000)}`,
  ),
  row('arrays that are never closed', `${unboundHeader().slice(0, -1)},"x":${'['.repeat(3000)}`),
  ...['null', '1', '{}', '["a"]', 'true'].map((kid) =>
    row(`kid ${kid}`, `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kid":${kid}}`),
  ),
];

/** A sound header of exactly `bytes` bytes. */
export function headerOfBytes(bytes: number): string {
  const filler = 'y'.repeat(bytes - unboundHeader(',"x":""').length);
  return unboundHeader(`,"x":"${filler}"`);
}

/** Headers that are not allowed, and headers that cannot be parsed. */
export const malformedHeaders: readonly Form[] = formsOf([
  ...refused,
  ...duplicates,
  ...encoding,
  ...json,
]);
