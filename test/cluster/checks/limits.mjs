import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { accepted, denied, refused } from '../checklist.mjs';
import { confidential, many, plaintext, secret } from '../secrets.mjs';

const MIB = 2 ** 20;

/** The base64 of the four beginnings of a sealed value. */
const sealedStarts = [
  'ZXlKaGJHY2lPaUpTVTBF',
  'ZXlKbGJtTWlPaUpC',
  'WlhsS2FHSkhZMmxQYVVwVFZU',
  'WlhsS2JHSnRUV2xQYVVw',
];

/** Unusual values, and large Secrets: the API server limits the cost of CEL expressions. */
export async function limits({ seal, verify, apply, create, get, kubectl, values }, check) {
  const holds = (namespace, name) => async (expected) =>
    assert.deepEqual(await values(namespace, name), expected);
  const sizeFindings = async (manifest) =>
    (await verify(manifest)).filter(({ rule }) => rule === 'too-large');

  await check('null values, no data and empty values are accepted', async () => {
    const odd = secret('hr', 'odd', {});
    const variants = [undefined, null, {}, { a: null }, { a: '', b: null }];
    // A client-side apply would omit null values.
    for (const data of variants) accepted(await create({ ...odd, data }, '--dry-run=server'));
    for (const data of variants) accepted(await apply({ ...odd, data }, '--server-side'));
    const add = ['--type=json', '-p', '[{"op":"add","path":"/data/c","value":null}]'];
    accepted(await kubectl('patch', 'secret', 'odd', '-n', 'hr', ...add));
  });

  await check('a sealed value next to a null value is opened', async () => {
    const sealed = await seal(confidential('hr', 'beside', { password: 'beside' }));
    accepted(await create({ ...sealed, data: { ...sealed.data, nothing: null } }));
    await holds('hr', 'beside')({ password: plaintext('beside'), nothing: '' });
  });

  await check('1 MiB in one data key is accepted', async () => {
    accepted(await create(secret('hr', 'large', { a: randomBytes(MIB) })));
  });

  await check('1 MiB and 1,000 of the longest data keys stay below the cost limit', async () => {
    const names = Array.from({ length: 1000 }, (_, n) => `${n}`.padStart(253, '0'));
    const long = Object.fromEntries(names.map((name) => [name, '']));
    const all = secret('hr', 'largest', { a: randomBytes(MIB), ...long });
    accepted(await create(all, '--dry-run=server'));
  });

  await check('a sealed value of 1 MiB is opened', async () => {
    const values = { big: plaintext('x'.repeat(MIB - 100)) };
    accepted(await create(await seal(secret('hr', 'big', values))));
    await holds('hr', 'big')(values);
  });

  await check('200 short values, sealed and opened, need a server-side apply', async () => {
    const plain = confidential('hr', 'short', many(200, 'short'));
    const short = await seal(plain, '-k', 'prod.pub');
    const [finding] = await sizeFindings(short);
    assert.match(finding.message, /too large for a client-side kubectl apply/);
    refused(await apply(short), 'Too long');
    accepted(await apply(short, '--server-side'));
    await holds('hr', 'short')(many(200, plaintext('short')));
  });

  await check('verify and the API server agree to the byte on what kubectl can apply', async () => {
    const sealed = await seal(confidential('hr', 'exact', { password: 'exact' }));
    const filled = (length) => {
      const metadata = { ...sealed.metadata, annotations: { 'kseal.test/note': '<ä & "ö">' } };
      return { ...sealed, metadata, stringData: { filler: 'x'.repeat(length) } };
    };
    accepted(await apply(filled(1)));
    const { annotations } = (await get('secret', 'hr', 'exact')).metadata;
    const used = Buffer.byteLength(Object.entries(annotations).flat().join(''));
    const most = MIB / 4 - used + 1;
    assert.deepEqual(await sizeFindings(filled(most)), []);
    accepted(await apply(filled(most)));
    assert.equal((await sizeFindings(filled(most + 1))).length, 1);
    refused(await apply(filled(most + 1)), 'Too long');
  });

  await check('1,000 data keys are accepted, and the one sealed value is opened', async () => {
    const sealed = await seal(confidential('hr', 'thousand', { sealed: 'one of them' }));
    const plain = secret('hr', 'thousand', many(999, randomBytes(64).toString('base64')));
    accepted(await create({ ...sealed, data: { ...plain.data, ...sealed.data } }));
    assert.equal((await values('hr', 'thousand')).sealed, plaintext('one of them'));
  });

  await check('more than 256 sealed values are refused', async () => {
    const sealed = await seal(confidential('hr', 'too-many', many(256, 'one of them')));
    const last = await seal(confidential('hr', 'too-many', { last: 'of them' }));
    const data = { ...sealed.data, ...last.data };
    denied(await create({ ...sealed, data }), 'BadRequest', 'hr/too-many', '256');
  });

  await check('a Helm release is accepted', async () => {
    const release = Buffer.from(randomBytes(300_000)).toString('base64');
    const type = 'helm.sh/release.v1';
    accepted(await create(secret('hr', 'sh.helm.release.v1.app.v1', { release }, { type })));
  });

  await check('40,000 data keys are accepted', async () => {
    accepted(await create(secret('hr', 'wide', many(40_000, 'a')), '--dry-run=server'));
  });

  // By the cost limit, which fails closed, or where CEL costs less, as on 1.30, by their size.
  await check('values of 2 MiB are refused', async () => {
    const all = secret('hr', 'too-large', { a: randomBytes(2 * MIB) });
    const result = await create(all, '--dry-run=server');
    const byCost = result.stderr.includes('cost limit exceeded');
    refused(result, byCost ? 'cost limit exceeded' : 'data: Too long');
  });

  await check('only a value that begins like a sealed one reaches the webhook', async () => {
    for (const start of sealedStarts) {
      const bytes = Buffer.from(start, 'base64');
      const { data, ...rest } = secret('hr', 'starts', { a: 'a', b: bytes, c: 'c' });
      denied(await create({ ...rest, data: { ...data, n: null } }), 'BadRequest', '"b"');
      const plain = { [start]: 'a', a: `a":"${start}`, b: bytes.subarray(0, -1), c: `.${bytes}` };
      accepted(await create(secret('hr', 'starts', plain), '--dry-run=server'));
    }
  });
}
