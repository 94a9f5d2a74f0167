import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { cekOf } from '../helpers/jwe.ts';
import { type AdmissionCase, type MadeCase, makeCase } from './admission-case.ts';
import { privatePem } from './keys.ts';
import { askCommand, webhookWith } from './two-doors.ts';

// The server and `decrypt --review` give the same answer to each review of fixtures/admission/.

const folder = join(import.meta.dirname, '../../fixtures/admission');
const cases = readdirSync(folder).map((file): readonly [string, AdmissionCase] => [
  file.replace(/\.json$/, ''),
  JSON.parse(readFileSync(join(folder, file), 'utf8')),
]);

test('the titles of the cases are unique', () => {
  expect(cases.length).toBeGreaterThan(80);
  expect(new Set(cases.map(([, { title }]) => title)).size).toBe(cases.length);
});

/** The fields of a log line (src/webhook/server/log.ts). */
const fields =
  /^(?:level|time|msg|uid|namespace|name|operation|dryRun|user|opened|result|errors|milliseconds|reference|code|kids)$/;

describe.each(cases)('%s', (_, one) => {
  test(one.title, async () => {
    const { options = {}, calls } = one;
    const made = makeCase(one);
    const webhook = await webhookWith(options);
    const [callsBefore, logged] = [webhook.calls(), webhook.text().length];
    const answer = await webhook.post(made.review);
    const { 'content-type': type } = answer.headers;
    expect([answer.status, type]).toEqual([200, 'application/json; charset=utf-8']);
    expect(readable(answer.text, made)).toEqual(expected(made));
    expect(webhook.calls() - callsBefore).toBe(calls);
    if (one.again !== undefined) {
      expect((await webhook.post(made.review)).text).toBe(answer.text);
      expect(webhook.calls() - callsBefore - calls).toBe(one.again);
    }
    const log = webhook.text().slice(logged);
    const [, metrics] = await webhook.page('/metrics');
    expectLines(log, made);
    expectNoSecrets(made, {
      log,
      metrics,
      answer: withoutPatch(answer.text),
    });
    if (options.server === undefined) await expectSameAnswer(one, made, answer.text);
  });
});

async function expectSameAnswer({ options = {} }: AdmissionCase, made: MadeCase, answer: string) {
  // For the command, --accept-unbound has no namespace.
  const { namespace } = JSON.parse(`${made.review}`).request;
  const { acceptUnbound, ...rest } = options;
  const accepted = acceptUnbound?.includes(namespace) ? { acceptUnbound } : {};
  const { exit, io } = await askCommand(made.review, { ...rest, ...accepted });
  expect([exit, io.stderr.text, io.stdout.text]).toEqual([0, '', answer]);
}

/** The response in an answer, with a decoded patch, after checks that hold for every answer. */
function readable(text: string, { uid }: MadeCase) {
  const { response, ...rest } = JSON.parse(text);
  expect(rest).toEqual({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
  expect(response.uid).toBe(uid);
  if (!response.allowed) {
    expect(response.status.code).toBeGreaterThanOrEqual(400);
    expect(response.status.message).not.toBe('');
  }
  for (const warning of response.warnings ?? []) expect(warning.length).toBeLessThanOrEqual(120);
  const patch = response.patch && Buffer.from(response.patch, 'base64');
  expect(patch?.toString('base64')).toBe(response.patch);
  return patch ? { ...response, patch: JSON.parse(`${patch}`) } : response;
}

function expected({ uid, response }: MadeCase) {
  return { uid, ...response, ...(response.patch ? { patchType: 'JSONPatch' } : {}) };
}

function withoutPatch(text: string): string {
  const { response, ...rest } = JSON.parse(text);
  return JSON.stringify({ ...rest, response: { ...response, patch: undefined } });
}

/** Each log line is JSON with known fields, whatever names the review has. */
function expectLines(log: string, { uid }: MadeCase) {
  const lines = log.trimEnd().split('\n');
  const parsed = lines.map((line) => JSON.parse(line));
  expect(parsed.flatMap((line) => Object.keys(line).filter((name) => !fields.test(name)))).toEqual(
    [],
  );
  const reviews = parsed.filter(({ msg }) => msg === 'review');
  expect(reviews.length).toBeGreaterThan(0);
  if (/^[\w-]+$/.test(uid))
    expect(new Set(reviews.map((line) => line.uid))).toEqual(new Set([uid]));
  expect(log).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]/);
}

/** Only the patch may contain a plaintext, and nothing a CEK. */
function expectNoSecrets({ canaries, sealed }: MadeCase, outlets: Record<string, string>) {
  const ceks = sealed.flatMap(({ jwe, to }) => cekOf(jwe, privatePem(to)) ?? []);
  const secrets = [...canaries.map((text) => Buffer.from(text)), ...ceks];
  for (const [name, text] of Object.entries(outlets)) {
    const leaks = secrets.flatMap((secret) => leaksOf(secret, Buffer.from(text)));
    expect([name, leaks]).toEqual([name, []]);
  }
}
