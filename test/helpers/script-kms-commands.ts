import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { status } from '@grpc/grpc-js';
import { defaultLimits } from '../../src/keys/gcpkms/call.ts';
import {
  type Call,
  type Fault,
  type KeySpecs,
  type KmsEmulator,
  type Method,
  startKmsEmulator,
} from '../kms-emulator/emulator.ts';
import { faultWords, methods } from '../kms-emulator/faults.ts';
import { jwesIn } from './jwe.ts';
import type { Script } from './script.ts';
import type { ScriptCommand } from './script-commands.ts';

/** Commands on the Cloud KMS of a script. Key versions have full names. */
export const kmsCommands: Record<string, ScriptCommand> = {
  kms: {
    usage: 'kms FILE: starts it with the keys of a JSON file, and sets KSEAL_KMS_ENDPOINT',
    run: (script, [file]) => start(script, file),
  },
  'kms-state': {
    usage: 'kms-state VERSION STATE',
    run: ({ kms }, [name = '', state = '']) => running(kms).setState(name, state),
  },
  'kms-fault': {
    usage:
      'kms-fault METHOD FAULT [TIMES]: a word, a gRPC status or JSON (faults.ts), for all calls or the next TIMES; `kms-fault` alone: removes all faults',
    run: ({ kms }, [method, fault = '', times]) => {
      if (method === undefined) return running(kms).clearFaults();
      const count = times === undefined ? undefined : Number(times);
      running(kms).fault(methodNamed(method), faultFrom(fault), count);
    },
  },
  'kms-limits': {
    usage: 'kms-limits CALL TOTAL: the time for a call and for a command, in milliseconds',
    run: (_, [call, total]) => {
      Object.assign(defaultLimits, { call: Number(call), total: Number(total) });
    },
  },
  'kms-calls': {
    usage: 'kms-calls METHOD=COUNT…: the calls since the last kms-calls; alone: no calls',
    run: ({ kms }, wanted) => {
      const { calls } = running(kms);
      const made = countsOf(calls);
      if (made.join(' ') !== [...wanted].sort().join(' '))
        throw new Error(`the calls were: ${made.join(' ') || 'none'}`);
      calls.length = 0;
    },
  },
  'kms-forget': {
    usage: 'kms-forget: ignores all calls so far',
    run: ({ kms }) => {
      running(kms).calls.length = 0;
    },
  },
  'kms-decrypted': {
    usage:
      'kms-decrypted VERSION FILE…: since the last kms-calls, VERSION got the encrypted key of each JWE in these files, once and with its checksum, and no call sent anything else',
    run: ({ kms, cwd }, [version, ...files]) => {
      const texts = files.map((file) => readFileSync(resolve(cwd, file), 'latin1'));
      const keys = texts.flatMap(jwesIn).map((jwe) => jwe.split('.')[1]);
      checkSent(running(kms).calls, version, keys);
    },
  },
};

function running(kms: Script['kms']): KmsEmulator {
  if (kms === undefined) throw new Error('start the kms first');
  return kms;
}

async function start(script: Script, file = ''): Promise<void> {
  const keys: KeySpecs = JSON.parse(readFileSync(resolve(script.cwd, file), 'utf8'));
  const kms = await startKmsEmulator({ keys });
  const limits = { ...defaultLimits };
  script.kms = kms;
  script.env.KSEAL_KMS_ENDPOINT = kms.endpoint;
  // No script waits between attempts.
  Object.assign(defaultLimits, { pause: 1 });
  script.atEnd.push(() => {
    Object.assign(defaultLimits, limits);
    kms.stop();
  });
  for (const [cryptoKey, versions] of Object.entries(keys)) {
    for (const [index, { id = index + 1 }] of versions.entries()) {
      const { privateKey } = kms.version(`${cryptoKey}/cryptoKeyVersions/${id}`) ?? {};
      const isRsa = privateKey?.asymmetricKeyType === 'rsa';
      if (isRsa) script.pems.push(`${privateKey.export({ type: 'pkcs8', format: 'pem' })}`);
    }
  }
}

/** Throws for an unknown name, because its fault would have no effect. */
function methodNamed(name: string): Method {
  const method = methods.find((known) => known === name);
  if (method === undefined) throw new Error(`unknown method of the kms: ${name}`);
  return method;
}

function faultFrom(text: string): Fault {
  if (text.startsWith('{')) return JSON.parse(text);
  if (Object.hasOwn(status, text)) return { status: text as keyof typeof status };
  const word = faultWords.find((known) => known === text);
  if (word === undefined) throw new Error(`unknown fault of the kms: ${text}`);
  return word;
}

function countsOf(calls: readonly Call[]): string[] {
  const counts = new Map<string, number>();
  for (const { method } of calls) counts.set(method, (counts.get(method) ?? 0) + 1);
  return [...counts].map(([method, count]) => `${method}=${count}`).sort();
}

function checkSent(
  calls: readonly Call[],
  version: string | undefined,
  keys: readonly (string | undefined)[],
): void {
  const asked = calls.filter(
    ({ method, name }) => method === 'AsymmetricDecrypt' && name === version,
  );
  const sent = asked.map(({ ciphertext }) => ciphertext?.toString('base64url'));
  if (sent.sort().join() !== [...keys].sort().join()) {
    throw new Error(`expected ${keys.length} encrypted keys, not these ${sent.length}`);
  }
  for (const { method, ciphertext, checksumSent, authorization } of calls) {
    const opens = method === 'AsymmetricDecrypt';
    if (checksumSent !== opens || (ciphertext !== undefined) !== opens)
      throw new Error(`${method} sent ${opens ? 'less' : 'more'} than it should`);
    if (authorization !== undefined) throw new Error(`${method} sent credentials`);
  }
}
