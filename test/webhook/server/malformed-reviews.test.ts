import type { RequestOptions } from 'node:https';
import { describe, expect, test } from 'vitest';
import { leaksOf } from '../../helpers/canary.ts';
import { askCommand, type CountingWebhook, webhookWith } from '../two-doors.ts';

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

async function expectAlive(webhook: CountingWebhook) {
  expect(await webhook.post(sound)).toMatchObject({ status: 200, text: allowed });
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
    const webhook = await webhookWith();
    const message = `cannot read the AdmissionReview: ${why}`;
    const answer = await webhook.post(body);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { error: message }]);
    expect(webhook.log().at(-1)).toMatchObject({ level: 'warn', msg: message, result: 'invalid' });
    const { exit, io } = await askCommand(Buffer.from(body), {});
    expect([exit, io.stdout.text]).toEqual([2, '']);
    expect(io.thrown).toMatchObject({ code: 'REVIEW_INVALID', message: `stdin: ${message}` });
    for (const said of [answer.text, webhook.text(), io.stderr.text])
      expect(leaksOf(Buffer.from(canary), Buffer.from(said))).toEqual([]);
    await expectAlive(webhook);
  });
});

describe('what is sent otherwise is refused', () => {
  const type = (name: string) => ({ 'content-type': name });
  test.each<[string, number, RequestOptions]>([
    ['text/plain', 415, { headers: type('text/plain') }],
    ['no content type', 415, { headers: type('') }],
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
    const webhook = await webhookWith();
    // GET has no body.
    const answer = await webhook.post(sending.method === 'GET' ? '' : sound, sending);
    expect(answer.status).toBe(status);
    expect(leaksOf(Buffer.from(canary), Buffer.from(answer.text))).toEqual([]);
    expect(Object.keys(JSON.parse(answer.text))).toEqual(['error']);
    await expectAlive(webhook);
  });
});

test.each([
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=UTF-8',
  'Application/JSON',
])('%s is read', async (type) => {
  const webhook = await webhookWith();
  expect(await webhook.post(sound, { headers: { 'content-type': type } })).toMatchObject({
    status: 200,
    text: allowed,
  });
});

test('a timeout that is twice there is no bug', async () => {
  const webhook = await webhookWith();
  const answer = await webhook.post(sound, { path: '/mutate?timeout=5s&timeout=x' });
  expect([answer.status, answer.text]).toEqual([200, allowed]);
});
