import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { type ErrorCode, KsealError } from '../../src/errors.ts';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import type { ServeOptions } from '../../src/webhook/serve.ts';
import { AskedKey } from '../jwe/pairs.ts';
import type { CaseOptions, Keys } from './admission-case.ts';
import { keySizes } from './global-setup.ts';
import { type TestIO, testIO } from './io.ts';
import { kidOfPem } from './jwe.ts';
import { startWebhook, type Webhook } from './webhook.ts';

/** The keys that both doors open with; `big` is the one that nobody knows. */
export const openers = ['k', 'other', 'small'] as const;

const read = (file: string) => readFileSync(join(inject('keys'), file), 'utf8');

export const keys: Keys = {
  publicPem: (name) => read(`${name}.pub`),
  kid: (name) => kidOfPem(read(`${name}.pub`)),
};

export const privatePem = (name: string) => read(`${name}.pem`);

/** `kseal decrypt --review` on a review, with the keys in files. */
export async function askCommand(
  review: Buffer,
  { acceptUnbound, maxScope, states = {} }: CaseOptions,
): Promise<{ readonly exit: number; readonly io: TestIO }> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-review-')));
  const configured = Object.entries(states).map(
    ([name, state]) => `  ${name}: { kid: ${keys.kid(name)}, state: ${state} }\n`,
  );
  if (configured.length > 0)
    writeFileSync(join(folder, '.kseal.yaml'), `version: 1\nkeys:\n${configured.join('')}`);
  const io = testIO({ cwd: folder, stdin: review });
  const given = openers.flatMap((name) => ['-k', join(inject('keys'), `${name}.pem`)]);
  const scope = maxScope === undefined ? [] : ['--max-scope', maxScope];
  const unbound = acceptUnbound === undefined ? [] : ['--accept-unbound'];
  const exit = await main(['decrypt', '--review', ...given, ...scope, ...unbound], io);
  rmSync(folder, { recursive: true });
  return { exit, io };
}

/** A webhook, and how often its keys have been asked. */
export interface CountingWebhook extends Webhook {
  readonly calls: () => number;
}

const running = new Map<string, Promise<CountingWebhook>>();

afterAll(async () => {
  for (const webhook of running.values()) await (await webhook).stop();
  running.clear();
});

/** The webhook with these options: one for all cases of a file that have the same. */
export function webhookFor(options: CaseOptions): Promise<CountingWebhook> {
  const id = JSON.stringify(options);
  const webhook = running.get(id) ?? start(options);
  running.set(id, webhook);
  return webhook;
}

async function start({ states = {}, server = {}, ...options }: CaseOptions) {
  const asked = openers.map((name) => {
    const privateKey = createPrivateKey(privatePem(name));
    return new AskedKey({ privateKey, kid: keys.kid(name), bits: keySizes[name] });
  });
  const kids = Object.entries(states).map(([name, state]) => [keys.kid(name), state] as const);
  const failing = asked.map((key) => failingKey(key, server.failing));
  const more: Partial<ServeOptions> = {
    ...options,
    states: new Map(kids),
    references: server.pending ? ['keys', 'unread'] : ['keys'],
  };
  const webhook = await startWebhook(async (reference) => {
    if (reference === 'keys') return failing;
    throw new KsealError('KEY_UNAVAILABLE', 'projects/CANARY-project cannot be reached');
  }, more);
  return { ...webhook, calls: () => asked.reduce((sum, key) => sum + key.asked.length, 0) };
}

/** `code once` is the failure of the first question alone. */
function failingKey(key: AskedKey, failure = ''): OpeningKey {
  const [code, once] = failure.split(' ');
  const { kid, modulusOctets, state } = key;
  return {
    kid,
    modulusOctets,
    state,
    decryptKey: async (encryptedKey) => {
      const cek = await key.decryptKey(encryptedKey);
      if (!code || (once && key.asked[0] !== encryptedKey)) return cek;
      throw new KsealError(
        code as ErrorCode,
        'projects/CANARY-project/locations/l/keyRings/r: webhook@CANARY-account may not',
        { hint: 'gcloud kms keys add-iam-policy-binding CANARY-account' },
      );
    },
  };
}
