import { expect, test } from 'vitest';
import { review } from '../../src/webhook/review.ts';
import { answerPosted } from '../../src/webhook/server/handler.ts';
import { createLog } from '../../src/webhook/server/log.ts';
import { createMetrics } from '../../src/webhook/server/metrics.ts';
import { leaksOf } from '../helpers/canary.ts';
import { Capture } from '../helpers/io.ts';
import { type AdmissionCase, makeCase } from './admission-case.ts';
import { askCommand, keys, webhookWith } from './two-doors.ts';

const kind = { group: '', version: 'v1', kind: 'Secret' };

/** A case of the data alone, for a Secret that is created as hr/db. */
const caseOf = (
  data: object,
  values: AdmissionCase['values'] = {},
  more: object = {},
): AdmissionCase => ({
  title: '',
  values,
  review: {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u',
      kind,
      operation: 'CREATE',
      namespace: 'hr',
      name: 'db',
      object: { data },
      ...more,
    },
  } as AdmissionCase['review'],
  response: { allowed: true },
  calls: 0,
});

/** What both doors answer, which is the same. */
async function answerTo(one: AdmissionCase) {
  const webhook = await webhookWith();
  const before = webhook.calls();
  const { review } = makeCase(one, keys);
  const { text } = await webhook.post(review);
  const calls = webhook.calls() - before;
  expect((await askCommand(review, {})).io.stdout.text).toBe(text);
  return { response: JSON.parse(text).response, calls };
}

const wide = { value: { text: 'CANARY-many', scope: 'namespace-wide', to: 'small' } } as const;

/** How a case writes the value of that name. */
const VALUE = `\${value}`;

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

test('one more is refused at once, and no key is asked', async () => {
  const { response, calls } = await answerTo(caseOf(many(257), wide));
  expect(calls).toBe(0);
  expect(response).toEqual({
    uid: 'u',
    allowed: false,
    status: {
      code: 400,
      reason: 'BadRequest',
      message:
        'Secret hr/db, data key "key-256": more than 256 sealed values in one Secret; hint: split the Secret',
    },
  });
});

test('a data key and a name of a mebibyte leave the reason readable', async () => {
  const name = 'n'.repeat(1024 * 1024);
  const { response } = await answerTo(
    caseOf({ [name]: VALUE }, { value: { text: 'x' } }, { name }),
  );
  expect(response.status.message).toMatch(
    /^Secret hr\/n{252}…, data key "n{252}…": sealed for hr\/db, data key "value", found in hr\/n+…; hint: move the value back/,
  );
});

test('a bug refuses the Secret, and neither its user nor the log reads its message', async () => {
  const stream = new Capture();
  const log = createLog(stream, 'debug');
  const bug = {
    kid: keys.kid('k'),
    modulusBytes: 384,
    state: 'active' as const,
    decryptKey: () => Promise.reject(new TypeError('CANARY-bug is not a function')),
  };
  const { review } = makeCase(caseOf({ value: VALUE }, { value: { text: 'x' } }), keys);
  const text = await answerPosted(
    { body: review, timeout: '10s', begun: performance.now() },
    {
      contextFor: () => ({
        keyring: [bug],
        isKeyringComplete: true,
        acceptsUnbound: () => false,
        maxScope: 'strict',
      }),
      log,
      metrics: createMetrics(),
    },
  );
  expect(JSON.parse(text).response).toEqual({
    uid: 'u',
    allowed: false,
    status: { code: 500, reason: 'InternalError', message: 'unexpected failure: a bug in kseal' },
  });
  expect(stream.text).toMatch(
    /"level":"error".*"msg":"a bug in kseal: TypeError at .*review\.test\.ts/,
  );
  expect(leaksOf(Buffer.from('CANARY-bug'), Buffer.from(text + stream.text))).toEqual([]);
});

test('of a hundred thousand values that are no base64 only so many are looked at', async () => {
  const entries = Array.from({ length: 100_000 }, (_, n) => [`key-${n}`, 'x'] as const);
  const secret = { data: new Map(entries), before: new Map(), isBeingDeleted: false };
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
