import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MAX_REVIEW_BYTES } from '../../src/webhook/admission-review.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { startWebhookProcess, type WebhookProcess } from '../helpers/webhook-process.ts';
import { valueIn } from './common.ts';
import { creation } from './reviews.ts';
import { readToEnd, tlsConnection } from './server/https.ts';

const [before = '', after = ''] = creation({}).split('"data":{}');

/** The largest review of a Secret with as many copies of `part`, of ASCII, as fit. */
function filled(open: string, part: (index: number) => string, close: string): Buffer {
  let text = before + open;
  const most = MAX_REVIEW_BYTES - close.length - after.length;
  for (let index = 0; text.length + part(index).length <= most; index++) text += part(index);
  return Buffer.from(text.replace(/,$/, '') + close + after);
}

const half = MAX_REVIEW_BYTES / 2 - before.length;

/** Each with a part of its answer. */
const cases: Readonly<Record<string, readonly [Buffer, string]>> = {
  'empty values': [filled('"data":{', (i) => `"k${i}":"",`, '}'), '"allowed":true'],
  'short plain values': [filled('"data":{', (i) => `"k${i}":"eA==",`, '}'), '"allowed":true'],
  'broken sealed values': [
    filled('"data":{', (i) => `"k${i}":"ZXlKaGJHY2lPaUpTVTBF",`, '}'),
    'does not have five segments; and 252 more',
  ],
  'values that are not base64': [
    filled('"data":{', (i) => `"k${i}":"x",`, '}'),
    'is not canonical base64; and 251 more',
  ],
  'one value': [filled('"data":{"a":"', () => 'AAAA', '"}'), '"allowed":true'],
  'unfinished lists': [filled('"a":', () => '[', ''), 'nested too deeply'],
  'nested lists': [
    Buffer.from(`${before}"a":${'['.repeat(half)}${']'.repeat(half)}${after}`),
    'nested too deeply',
  ],
  'short lists': [filled('"a":[', () => '[],', ']'), '"allowed":true'],
  'lists nested as deeply as allowed': [
    filled('"a":[', () => `${'['.repeat(9_000)}${']'.repeat(9_000)},`, ']'),
    '"allowed":true',
  ],
  numbers: [filled('"a":[', () => '0,', ']'), '"allowed":true'],
  labels: [filled('"metadata":{"labels":{', (i) => `"k${i}":"",`, '}}'), '"allowed":true'],
  'managed fields': [
    filled('"metadata":{"managedFields":[{"fieldsV1":{', (i) => `"f:k${i}":{},`, '}}]}'),
    '"allowed":true',
  ],
};

/** Sends a review on a connection of its own, as the server may refuse it before it has read it. */
async function send(served: WebhookProcess, body: Buffer): Promise<string> {
  const socket = await tlsConnection(served);
  const answer = readToEnd(socket);
  const head = `POST /mutate?timeout=30s HTTP/1.1\r\nhost: kseal\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  socket.write(head);
  socket.write(body);
  return answer;
}

/** The longest time for which nothing else ran since the last call, in milliseconds. */
async function longestBlock(served: WebhookProcess): Promise<number> {
  const [, metrics] = await served.page('/metrics');
  return valueIn(metrics, 'nodejs_eventloop_lag_max_seconds') * 1000;
}

/** The most memory that a process had, in MiB; Linux only. */
function peakMemory({ child: { pid } }: WebhookProcess): number {
  const [, kilobytes] =
    /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

test.each(Object.entries(cases))(
  'one and twenty large reviews with %s neither block the webhook nor fill its memory',
  async (_, [body, expected]) => {
    expect(body.length).toBeGreaterThan(MAX_REVIEW_BYTES - 20_000);
    expect(body.length).toBeLessThanOrEqual(MAX_REVIEW_BYTES);
    const served = await startWebhookProcess(['-k', 'small.pem'], { cwd: folderWithKeys() });
    const blocks: number[] = [];
    // A busy machine may block the webhook once, but not every time.
    for (let round = 0; round < 3; round++) {
      await longestBlock(served);
      expect(await send(served, body)).toContain(expected);
      const answers = await Promise.all(Array.from({ length: 20 }, () => send(served, body)));
      blocks.push(await longestBlock(served));
      const answered = answers.filter((text) => text.includes(expected));
      expect(answered.length).toBeGreaterThanOrEqual(8);
      // The webhook refuses reviews that its memory has no room for; the client may see a reset.
      const refused = answers.filter((text) => text === '' || text.startsWith('HTTP/1.1 503'));
      expect(answered.length + refused.length).toBe(20);
    }
    expect(Math.min(...blocks)).toBeLessThan(200);
    expect(peakMemory(served)).toBeLessThan(400);
  },
);
