import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { type ErrorCode, KsealError } from '../../src/errors.ts';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import { makeAuthority, writeServingPair } from '../helpers/certificates.ts';
import { type TestIO, testIO } from '../helpers/io.ts';
import type { AskedKey } from '../jwe/pairs.ts';
import type { CaseOptions } from './admission-case.ts';
import { askedKey, keys } from './keys.ts';
import { type Answer, post } from './server/https.ts';
import { type Served, startServed } from './server/served.ts';

/** The keys that the server and the command have; nobody has `big`. */
const openers = ['k', 'other', 'small'] as const;

/** Runs `kseal decrypt --review` with key files. */
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

/** A webhook that counts its key requests. */
interface CountingWebhook extends Served {
  readonly calls: () => number;
  readonly post: (body: string | Buffer) => Promise<Answer>;
}

const running = new Map<string, Promise<CountingWebhook>>();
const folder = mkdtempSync(join(tmpdir(), 'kseal-webhook-'));
const ends: (() => Promise<void>)[] = [];
const agent = new Agent({ keepAlive: true });

afterAll(async () => {
  agent.destroy();
  for (const end of ends) await end();
  rmSync(folder, { recursive: true });
});

/** A webhook in this process; tests of a file with the same options share it. */
export function webhookWith(options: CaseOptions = {}): Promise<CountingWebhook> {
  const id = JSON.stringify(options);
  const webhook = running.get(id) ?? start(options);
  running.set(id, webhook);
  return webhook;
}

const authority = makeAuthority().then(async (made) => {
  await writeServingPair(made, folder);
  return made;
});

async function start(options: CaseOptions): Promise<CountingWebhook> {
  const { states = {}, server = {}, ...more } = options;
  const asked = openers.map(askedKey);
  const kids = Object.entries(states).map(([name, state]) => [keys.kid(name), state] as const);
  const failing = asked.map((key) => failingKey(key, server.failing));
  const served = await startServed({
    ...more,
    folder,
    authority: await authority,
    atEnd: (end) => ends.push(end),
    states: new Map(kids),
    references: server.pending ? ['keys', 'unread'] : ['keys'],
    loadKeys: async (reference) => {
      if (reference === 'keys') return failing;
      throw new KsealError('KEY_UNAVAILABLE', 'projects/CANARY-project cannot be reached');
    },
  });
  return {
    ...served,
    calls: () => asked.reduce((sum, key) => sum + key.asked.length, 0),
    post: (body) => post(served, body, { agent }),
  };
}

/** Fails with `failure`, a code; with `CODE once` only on the first request. */
function failingKey(key: AskedKey, failure = ''): OpeningKey {
  const [code, once] = failure.split(' ');
  const { kid, modulusBytes, state } = key;
  return {
    kid,
    modulusBytes,
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
