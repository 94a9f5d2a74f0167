import { FlattenedEncrypt, GeneralEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { compactText, looksFlattened, readJwe, readSealedValue } from '../../src/jwe/detect.ts';
import { AskedKey, makePair } from './pairs.ts';
import { thrownBy } from './thrown.ts';

const pair = await makePair();
const header = { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' } as const;
const flat = await new FlattenedEncrypt(Buffer.from('P'))
  .setProtectedHeader(header)
  .encrypt(pair.key);
const general = await new GeneralEncrypt(Buffer.from('P'))
  .setProtectedHeader({ enc: header.enc })
  .addRecipient(pair.key)
  .setUnprotectedHeader({ alg: header.alg })
  .encrypt();
const { protected: head, encrypted_key, iv, ciphertext, tag } = flat;
const compact = [head, encrypted_key, iv, ciphertext, tag].join('.');

const resealing = { file: 'db.jwe', command: 'kseal seal db' };
const convert = (text: string) => compactText(Buffer.from(text, 'latin1'), resealing);

describe('the flattened form', () => {
  test('from jose becomes a compact JWE that opens', async () => {
    expect(convert(JSON.stringify(flat))).toBe(compact);
    const { plaintext: opened } = await decryptCompact(readCompact(Buffer.from(compact)), [
      new AskedKey(pair),
    ]);
    expect(Buffer.from(opened).toString()).toBe('P');
  });

  test.each([
    ['white space and line ends', JSON.stringify(flat, null, '\t').replaceAll('\n', '\r\n')],
    ['a newline at both ends', `\n${JSON.stringify(flat)}\n`],
    [
      'members in another order',
      JSON.stringify({ tag, ciphertext, iv, encrypted_key, protected: head }),
    ],
    [
      'escaped names and values',
      JSON.stringify(flat).replace('"tag"', '"\\u0074ag"').replace('"ey', '"\\u0065y'),
    ],
  ])('may have %s', (_, text) => {
    expect(convert(text)).toBe(compact);
  });

  const { tag: _, ...tagless } = flat;
  test.each([
    ['a missing member', tagless],
    ['an unprotected header', { ...flat, unprotected: { kid: 'x' } }],
    ['a header', { ...flat, header: { kid: 'x' } }],
    ['an aad', { ...flat, aad: 'YQ' }],
    ['recipients', { ...flat, recipients: [] }],
    ['an unknown member', { ...flat, x: 1 }],
    ['a member with an empty name', { ...flat, '': '' }],
    ['a tag that is not a string', { ...flat, tag: 1 }],
    ['a tag that is null', { ...flat, tag: null }],
    ['a header that is an object', { ...flat, protected: header }],
    ['no members', {}],
  ])('is refused with %s', (_, object) => {
    expect(thrownBy(() => convert(JSON.stringify(object)))).toMatchObject({
      code: 'JWE_REFUSED',
      message:
        'JWE in JSON must have exactly the members protected, encrypted_key, iv, ciphertext, tag',
    });
  });

  const json = JSON.stringify(flat);
  test.each([
    [
      'a duplicate member',
      json.replace('{', `{"tag":"${tag}",`),
      'JWE in JSON has a duplicate member',
    ],
    [
      'a duplicate member with an escaped name',
      json.replace('{', `{"t\\u0061g":"x",`),
      'JWE in JSON has a duplicate member',
    ],
    ['__proto__', json.replace('{', '{"__proto__":{"aad":"x"},'), undefined],
    ['text after it', `${json}x`, 'JWE in JSON is not JSON'],
    ['an array around it', `[${json}]`, 'JWE does not have five segments'],
    ['a byte order mark', `\ufeff${json}`, 'JWE does not have five segments'],
    ['its second half missing', json.slice(0, 100), 'JWE in JSON is not JSON'],
    [
      'a dot in a segment',
      json.replace(`"${iv}"`, `"${iv}.${iv}"`),
      'JWE does not have five segments',
    ],
    [
      'padding',
      json.replace(`"${iv}"`, `"${iv}=="`),
      'JWE initialization vector is not canonical base64url',
    ],
    [
      'an empty iv',
      json.replace(`"${iv}"`, '""'),
      'JWE initialization vector has the wrong length',
    ],
    [
      'a short tag',
      json.replace(`"${tag}"`, '"AAAA"'),
      'JWE authentication tag has the wrong length',
    ],
    [
      'characters above 255',
      json.replace(`"${iv}"`, '"\u0141"'),
      'JWE initialization vector is not canonical base64url',
    ],
  ])('is malformed or refused with %s', (_, text, message) => {
    const error = thrownBy(() => convert(text));
    expect(error.code).toBe(message === undefined ? 'JWE_REFUSED' : 'JWE_MALFORMED');
    if (message !== undefined) expect(error.message).toBe(message);
    expect(error.message).not.toContain(ciphertext.slice(0, 8));
  });

  test('is refused with another algorithm', async () => {
    const weak = await new FlattenedEncrypt(Buffer.from('P'))
      .setProtectedHeader({ alg: 'RSA-OAEP', enc: 'A128CBC-HS256' })
      .encrypt(pair.key);
    expect(thrownBy(() => convert(JSON.stringify(weak))).code).toBe('JWE_REFUSED');
  });
});

describe('a file from another tool', () => {
  test.each([
    ['the flattened form', JSON.stringify(flat)],
    ['the flattened form, indented', ` \n${JSON.stringify(flat, null, 2)}\n`],
    ['the compact form', compact],
    ['the compact form and a newline', `${compact}\n`],
    ['the compact form and a Windows line end', `${compact}\r\n`],
  ])('may contain %s', (_, text) => {
    expect(convert(text)).toBe(compact);
  });

  test.each([
    ['two newlines', `${compact}\n\n`],
    ['two values', `${compact}\n${compact}\n`],
    ['a leading space', ` ${compact}`],
    ['nothing', ''],
    ['UTF-16', Buffer.from(compact, 'utf16le').toString('latin1')],
  ])('with %s is malformed', (_, text) => {
    expect(thrownBy(() => convert(text)).code).toBe('JWE_MALFORMED');
  });
});

/** `compact` with another text of its header; the tag does not matter here. */
const withHeader = (text: string) =>
  [Buffer.from(text).toString('base64url'), encrypted_key, iv, ciphertext, tag].join('.');

const unrecognised = [
  '{ "alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  '\n{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  '{"alg": "RSA-OAEP-256","enc":"A128CBC-HS256"}',
  '{"kid":"x","alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
  '{"\\u0061lg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
];

describe.each(unrecognised)('a JWE with the header %j', (text) => {
  const jwe = withHeader(text);

  test('is refused by compactText, with the pipe that seals it again', () => {
    const error = {
      code: 'JWE_REFUSED',
      message:
        'the webhook would not recognise this JWE: its protected header does not begin with {"alg":"RSA or {"enc":"A',
    };
    const pipe = '-k OLD --accept-unbound | kseal seal db';
    expect(thrownBy(() => convert(jwe))).toEqual({
      ...error,
      hint: `kseal decrypt --raw db.jwe ${pipe}`,
    });
    const [protectedHeader] = jwe.split('.');
    expect(
      thrownBy(() => convert(JSON.stringify({ ...flat, protected: protectedHeader }))),
    ).toEqual({
      ...error,
      hint: `jq -r '[.protected,.encrypted_key,.iv,.ciphertext,.tag] | join(".")' db.jwe | kseal decrypt --raw - ${pipe}`,
    });
  });

  test('is parsed by readJwe, but is plaintext to readSealedValue', () => {
    expect(readJwe(Buffer.from(jwe), 'db.jwe').iv).toHaveLength(16);
    expect(readSealedValue(Buffer.from(jwe))).toBeUndefined();
  });
});

describe('readJwe', () => {
  const inJson = { code: 'JWE_REFUSED', hint: "kseal seal --from-jwe 'it'\\''s.json'" };
  const manifest = { code: 'JWE_MALFORMED', hint: 'for a manifest, omit --raw' };
  test.each<[string, string, object]>([
    ['a JWE in JSON form', JSON.stringify(flat), inJson],
    ['one with several recipients', JSON.stringify(general), inJson],
    ['one with another header', `{"ciphertext":"","protected":"e30"}`, inJson],
    ['a manifest', 'kind: Secret\ndata: {a: eA==}\n', manifest],
    ['a manifest in JSON', '{"kind":"Secret","data":{"a":"eA=="}}', manifest],
    ['nothing', '', manifest],
    ['a JWS', `${head}.e30.AA`, { code: 'JWE_MALFORMED' }],
    [
      'an extra layer of base64',
      Buffer.from(compact).toString('base64'),
      { code: 'JWE_MALFORMED' },
    ],
    [
      'another alg',
      withHeader('{ "alg":"RSA-OAEP","enc":"A128CBC-HS256"}'),
      { code: 'JWE_REFUSED' },
    ],
    ['another enc', withHeader('{ "alg":"RSA-OAEP-256","enc":"A256GCM"}'), { code: 'JWE_REFUSED' }],
    [
      'zip',
      withHeader('{"zip":"DEF","alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}'),
      { code: 'JWE_REFUSED' },
    ],
    [
      'a binding with white space',
      withHeader('{ "alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"cluster-wide"}}'),
      { code: 'JWE_MALFORMED' },
    ],
    [
      'a duplicate member',
      withHeader('{ "alg":"RSA-OAEP-256","enc":"A128CBC-HS256","x":1,"x":1}'),
      { code: 'JWE_MALFORMED' },
    ],
    ['a newline', `${compact}\n`, { code: 'JWE_MALFORMED' }],
  ])('refuses %s', (_, text, error) => {
    expect(thrownBy(() => readJwe(Buffer.from(text), "it's.json"))).toMatchObject(error);
  });
});

describe('looksFlattened', () => {
  test.each([
    ['in one line', JSON.stringify(flat)],
    ['indented', JSON.stringify(flat, null, 4)],
    ['after a line break', `\r\n${JSON.stringify(flat)}`],
    ['whose alg is unprotected', JSON.stringify(general)],
  ])('is true for a sealed value %s', (_, text) => {
    expect(looksFlattened(Buffer.from(text))).toBe(true);
  });

  test.each([
    ['the compact form', compact],
    ['a JWS in JSON', '{"payload":"e30","protected":"eyJhbGciOiJSUzI1NiJ9","signature":"AA"}'],
    ['other JSON', '{"ciphertext":"x","protected":"yes"}'],
    ['other JSON with a boolean member protected', '{"ciphertext":"x","protected":true}'],
    ['an array', `[${JSON.stringify(flat)}]`],
    ['a protected header alone', `{"protected":"${head}"}`],
    ['more than 3 MiB', JSON.stringify({ ...flat, x: 'y'.repeat(3 * 1024 * 1024) })],
    ['nothing', ''],
  ])('is false for %s', (_, text) => {
    expect(looksFlattened(Buffer.from(text))).toBe(false);
  });
});
