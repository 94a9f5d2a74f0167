import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { FlattenedEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../src/cli/main.ts';
import { readReview } from '../../src/webhook/admission-review.ts';
import { review } from '../../src/webhook/review.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { type AdmissionCase, makeCase } from './admission-case.ts';
import { creation } from './reviews.ts';
import { askCommand, webhookWith } from './two-doors.ts';

/** A case for a Secret hr/db that is created with this data. */
const caseOf = (
  data: object,
  values: AdmissionCase['values'] = {},
  request: object = {},
): AdmissionCase => {
  const made = JSON.parse(creation({}));
  return {
    title: '',
    values,
    review: { ...made, request: { ...made.request, object: { data }, ...request } },
    response: { allowed: true },
    calls: 0,
  };
};

/** The answer of the server, which the command must give too. */
async function answerTo(one: AdmissionCase) {
  const webhook = await webhookWith();
  const before = webhook.calls();
  const { review } = makeCase(one);
  const { text } = await webhook.post(review);
  const calls = webhook.calls() - before;
  expect((await askCommand(review, {})).io.stdout.text).toBe(text);
  return { response: JSON.parse(text).response, calls };
}

const unmarked = { isUnchanged: false, isBeingDeleted: false, isImmutable: false };

/** The placeholder of the value `value` in a case. */
const VALUE = `\${value}`;

describe('many values', () => {
  const wide = { value: { text: 'CANARY-many', scope: 'namespace-wide', to: 'small' } } as const;

  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`key-${n}`, VALUE]));

  test('256 sealed values are opened in one patch', async () => {
    const { response, calls } = await answerTo(caseOf({ plain: '', ...many(256) }, wide));
    expect([response.allowed, calls]).toEqual([true, 256]);
    const operations = JSON.parse(Buffer.from(response.patch, 'base64').toString());
    const value = Buffer.from('CANARY-many').toString('base64');
    expect(operations).toEqual(
      Object.keys(many(256)).map((key) => ({ op: 'replace', path: `/data/${key}`, value })),
    );
  });

  test('257 sealed values are refused without a key request', async () => {
    const { response, calls } = await answerTo(caseOf(many(257), wide));
    expect(calls).toBe(0);
    expect(response).toEqual({
      uid: 'u1',
      allowed: false,
      status: {
        code: 400,
        reason: 'BadRequest',
        message:
          'Secret hr/db, data key "key-256": more than 256 sealed values in one Secret; hint: split the Secret',
      },
    });
  });

  test('if the KMS fails, it is not asked for the other values of the Secret', async () => {
    const webhook = await webhookWith({ server: { failing: 'KEY_UNAVAILABLE' } });
    const { review } = makeCase(caseOf(many(256), wide));
    const { text } = await webhook.post(review);
    expect(JSON.parse(text).response.status.code).toBe(503);
    // The most that are opened at once.
    expect(webhook.calls()).toBeLessThanOrEqual(16);
  });

  test('100,000 values that are not base64: only the first 256 are looked at', async () => {
    const entries = Array.from({ length: 100_000 }, (_, n) => [`key-${n}`, 'x'] as const);
    const secret = { data: new Map(entries), before: new Map(), ...unmarked };
    const { response, errors } = await review(
      { uid: 'u', operation: 'CREATE', namespace: 'hr', name: 'db', dryRun: false, secret },
      {
        keyring: [],
        isKeyringComplete: true,
        acceptsUnbound: () => false,
        maxScope: 'namespace-wide',
      },
    );
    expect(errors.size).toBe(256);
    expect(response.status?.message).toContain('and 251 more');
  });
});

test('a sealed value that cannot be opened is accepted only in data that are stored already', async () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const value = fc.constantFrom(
    ...['', base64('open'), base64('eyJhbGciOiJSU0E.damaged'), base64('eyJlbmMiOiJBdamaged')],
    base64(base64('eyJhbGciOiJSU0EtT0FFUC0yNTYi')),
  );
  const data = fc.dictionary(fc.constantFrom('a', 'b'), fc.option(value));
  const pair = fc.oneof(
    fc.tuple(data, data),
    data.map((one) => [one, one] as const),
  );
  const marks = fc.record({
    immutable: fc.boolean(),
    metadata: fc.constantFrom({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  });
  const context = {
    ...{ keyring: [], isKeyringComplete: true },
    ...{ acceptsUnbound: () => false, maxScope: 'namespace-wide' as const },
  };
  const seen = { open: 0, stored: 0, denied: 0 };
  await fc.assert(
    fc.asyncProperty(pair, marks, marks, async ([now, before], claimed, stored) => {
      const made = JSON.parse(creation({}));
      const objects = {
        object: { ...claimed, data: now },
        oldObject: { ...stored, data: before },
      };
      const request = { ...made.request, operation: 'UPDATE', ...objects };
      const read = await readReview(Buffer.from(JSON.stringify({ ...made, request })));
      const { response } = await review(read, context);
      const isOpen = Object.values(now).every((text) => !/^(?:ZXlK|WlhsS)/.test(text ?? ''));
      const isStored = JSON.stringify(now) === JSON.stringify(before);
      expect(response.allowed).toBe(isOpen || isStored);
      expect(response.patch).toBeUndefined();
      seen[isOpen ? 'open' : isStored ? 'stored' : 'denied']++;
    }),
    { numRuns: 500 },
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
});

test('a data key and a name of 1 MiB leave the reason readable', async () => {
  const name = 'n'.repeat(1024 * 1024);
  const { response } = await answerTo(
    caseOf({ [name]: VALUE }, { value: { text: 'x' } }, { name }),
  );
  expect(response.status.message).toMatch(
    /^Secret hr\/n{252}…, data key "n{252}…": sealed for hr\/db, data key "value", found in hr\/n+…; hint: move the value back/,
  );
});

const canary = 'CANARY-malformed';

test.each<[string, string | Buffer, string]>([
  ['invalid UTF-8', Buffer.from([0xff]), 'not UTF-8'],
  ['other text', `{"${canary}`, 'not JSON'],
  [
    'a value that is not a string',
    creation({ [canary]: 1 as unknown as string }),
    'data has a value that is not a string',
  ],
])('%s is refused by the server with 400, and by the command', async (_, body, why) => {
  const webhook = await webhookWith();
  const message = `invalid AdmissionReview: ${why}`;
  const answer = await webhook.post(body);
  expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { error: message }]);
  expect(webhook.log().at(-1)).toMatchObject({ level: 'warn', msg: message, result: 'invalid' });
  const { exit, io } = await askCommand(Buffer.from(body), {});
  expect([exit, io.stdout.text]).toEqual([2, '']);
  expect(io.thrown).toMatchObject({ code: 'REVIEW_INVALID', message: `stdin: ${message}` });
  for (const output of [answer.text, webhook.text(), io.stderr.text])
    expect(leaksOf(Buffer.from(canary), Buffer.from(output))).toEqual([]);
  expect((await webhook.post(creation({ a: 'eA==' }))).status).toBe(200);
});

describe('values of jose-util encrypt --alg RSA-OAEP-256 --enc A128CBC-HS256 --full', () => {
  const password = 'CANARY-P@ssword01';

  /** Go sorts the members of JSON objects, including those of the header. */
  async function joseUtil(cwd: string) {
    const jwe = await new FlattenedEncrypt(Buffer.from(password))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' })
      .encrypt(createPublicKey(readFileSync(join(cwd, 'k.pub'))));
    const { protected: head, encrypted_key, iv, ciphertext, tag } = jwe;
    return {
      full: JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag }),
      compact: [head, encrypted_key, iv, ciphertext, tag].join('.'),
    };
  }

  /** The response of the webhook to the creation of hr/db. */
  async function admit(data: Record<string, string>, acceptUnbound: readonly string[]) {
    const webhook = await webhookWith({ acceptUnbound });
    const { status, text } = await webhook.post(creation(data));
    expect(status).toBe(200);
    const { response } = JSON.parse(text);
    return response.patch
      ? { ...response, patch: JSON.parse(`${Buffer.from(response.patch, 'base64')}`) }
      : response;
  }

  const opened = {
    uid: 'u1',
    allowed: true,
    patchType: 'JSONPatch',
    patch: [
      { op: 'replace', path: '/data/password', value: Buffer.from(password).toString('base64') },
    ],
  };

  const refused = {
    uid: 'u1',
    allowed: false,
    status: {
      code: 400,
      reason: 'BadRequest',
      message:
        'Secret hr/db, data key "password": not bound to a Secret: sealed by another tool; hint: seal it again with kseal, or pass --accept-unbound',
    },
  };

  test('are put into a manifest by seal --from-jwe, and opened with --accept-unbound', async () => {
    const cwd = folderWithKeys();
    writeFileSync(join(cwd, 'db.json'), (await joseUtil(cwd)).full);
    const io = testIO({ cwd });
    const exit = await main(
      ['seal', 'db', '-n', 'hr', '--from-jwe', 'password=db.json', '-k', 'k.pub'],
      io,
    );
    expect([exit, io.thrown]).toEqual([0, undefined]);
    const { data } = parse(io.stdout.text);
    expect(await admit(data, ['hr'])).toEqual(opened);
    expect(await admit(data, [])).toEqual(refused);
    expect(await admit(data, ['ops'])).toEqual(refused);
  });

  test('are opened in compact form too', async () => {
    const { compact } = await joseUtil(folderWithKeys());
    const data = { password: Buffer.from(compact).toString('base64') };
    expect(await admit(data, ['hr'])).toEqual(opened);
    expect(await admit(data, [])).toEqual(refused);
  });

  test('are refused in JSON form, with a hint to rewrite them', async () => {
    const { full } = await joseUtil(folderWithKeys());
    const data = { password: Buffer.from(full).toString('base64') };
    const { allowed, status } = await admit(data, ['hr']);
    expect([allowed, status.message]).toEqual([
      false,
      expect.stringMatching(/hint: kseal seal --from-jwe FILE$/),
    ]);
  });
});
