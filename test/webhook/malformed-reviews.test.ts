import { describe, expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { askCommand, webhookFor } from '../helpers/two-doors.ts';
import type { Sending } from '../helpers/webhook.ts';

// W13: what is no review, at both doors. The server lives on, and answers the next one.

const canary = 'CANARY-malformed';

const request = {
  uid: 'u',
  kind: { group: '', version: 'v1', kind: 'Secret' },
  operation: 'CREATE',
  namespace: 'hr',
  name: 'db',
  object: { data: { password: Buffer.from(canary).toString('base64') } },
};

const reviewWith = (changed: object, review: object = {}) =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { ...request, ...changed },
    ...review,
  });

const sound = reviewWith({});
const allowed =
  '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true}}\n';

const post = async (body: string | Buffer, sending?: Sending) =>
  (await webhookFor({})).post(body, sending);

async function expectAlive() {
  expect(await post(sound)).toMatchObject({ status: 200, text: allowed });
}

describe('what is no review is a 400 there, and REVIEW_INVALID here', () => {
  test.each([
    ['an empty body', '', 'not JSON'],
    ['no JSON', `{"${canary}`, 'not JSON'],
    ['no UTF-8', Buffer.from([0xff]), 'not UTF-8'],
    [
      'v1beta1',
      reviewWith({}, { apiVersion: 'admission.k8s.io/v1beta1' }),
      'not an AdmissionReview of admission.k8s.io/v1',
    ],
    [
      'another kind',
      reviewWith({}, { kind: canary }),
      'not an AdmissionReview of admission.k8s.io/v1',
    ],
    ['no request', reviewWith({}, { request: undefined }), 'request is no object'],
    ['no uid', reviewWith({ uid: undefined }), 'request.uid is missing'],
    [
      'a value that is no text',
      reviewWith({ object: { data: { [canary]: 1 } } }),
      'a value under data is no text',
    ],
  ])('%s', async (_, body, why) => {
    const webhook = await webhookFor({});
    const logged = webhook.log().length;
    const message = `cannot read the AdmissionReview: ${why}`;
    const answer = await webhook.post(body);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { error: message }]);
    const line = JSON.parse(webhook.log().slice(logged));
    expect(line).toMatchObject({ level: 'warn', msg: message, result: 'invalid' });
    const { exit, io } = await askCommand(Buffer.from(body), {});
    expect([exit, io.stdout.text]).toEqual([2, '']);
    expect(io.thrown).toMatchObject({ code: 'REVIEW_INVALID', message: `stdin: ${message}` });
    for (const said of [answer.text, webhook.log(), io.stderr.text])
      expect(leaksOf(Buffer.from(canary), Buffer.from(said))).toEqual([]);
    await expectAlive();
  });
});

describe('what is sent otherwise is refused', () => {
  const type = (name: string) => ({ 'content-type': name });
  test.each<[string, number, Sending]>([
    ['text/plain', 415, { headers: type('text/plain') }],
    ['no content type', 415, { headers: {} }],
    ['a form', 415, { headers: type('application/x-www-form-urlencoded') }],
    ['application/jsonp', 415, { headers: type('application/jsonp') }],
    ['GET', 404, { method: 'GET' }],
    ['PUT', 404, { method: 'PUT' }],
    ['another path', 404, { path: '/' }],
    ['a path below', 404, { path: '/mutate/x' }],
    ['a slash behind', 404, { path: '/mutate/' }],
    ['capitals', 404, { path: '/Mutate' }],
    ['the metrics', 404, { method: 'GET', path: '/metrics' }],
    ['a path that cannot be decoded', 400, { path: '/%zz' }],
  ])('%s: %i', async (_, status, sending) => {
    // GET has no body.
    const answer = await post(sending.method === 'GET' ? '' : sound, sending);
    expect(answer.status).toBe(status);
    expect(leaksOf(Buffer.from(canary), Buffer.from(answer.text))).toEqual([]);
    expect(Object.keys(JSON.parse(answer.text))).toEqual(['error']);
    await expectAlive();
  });
});

test.each([
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=UTF-8',
  'Application/JSON',
])('%s is read', async (type) => {
  expect(await post(sound, { headers: { 'content-type': type } })).toMatchObject({
    status: 200,
    text: allowed,
  });
});

test('a timeout that is twice there is no bug', async () => {
  const answer = await post(sound, { path: '/mutate?timeout=5s&timeout=x' });
  expect([answer.status, answer.text]).toEqual([200, allowed]);
});
