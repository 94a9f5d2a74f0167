import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWithKeys } from '../helpers/folder.ts';
import { startWebhookProcess } from '../helpers/webhook-process.ts';
import { valueIn } from './common.ts';
import { creation, sealed } from './reviews.ts';
import { keepingAgent, post } from './server/https.ts';

test('2,000 reviews leave nothing behind in a small heap', async () => {
  const cwd = folderWithKeys();
  const env = { NODE_OPTIONS: '--max-old-space-size=48' };
  const served = await startWebhookProcess(['-k', 'small.pem'], { cwd, env });
  const agent = keepingAgent(8);
  const password = sealed('CANARY-memory', readFileSync(join(cwd, 'small.pub')), 'password');
  // Large enough to stand out from what V8 has not collected yet.
  const body = creation({ password, plain: Buffer.alloc(24 * 1024).toString('base64') });
  const reviews = async (count: number) => {
    const one = () => post(served, body, { agent });
    for (let left = count; left > 0; left -= 8) {
      const answers = await Promise.all(Array.from({ length: 8 }, one));
      expect(answers.every(({ text }) => text.includes('"patch"'))).toBe(true);
    }
    const [, metrics] = await served.page('/metrics');
    return valueIn(metrics, 'process_resident_memory_bytes') / 1e6;
  };
  const before = await reviews(400);
  // The bodies alone add up to 54 MB.
  expect((await reviews(1_600)) - before).toBeLessThan(40);
});
