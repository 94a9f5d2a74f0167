// The project's KMS emulator, in a process of its own: kseal and kubectl are waited for here.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './services.mjs';

/** Starts it with one crypto key of one version. */
export async function startKms(cryptoKey) {
  const script = join(import.meta.dirname, '../kms-emulator/start.mjs');
  const args = [script, JSON.stringify({ keys: { [cryptoKey]: [{}] } })];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // It ends when its stdin does: when this process ends as well.
  atEnd(() => child.stdin.end());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const endpoint = (await lines.next()).value;
  const ask = async (...call) => {
    child.stdin.write(`${JSON.stringify(call)}\n`);
    return JSON.parse((await lines.next()).value);
  };
  return {
    endpoint,
    /** How often it has been asked to decrypt. */
    decryptions: async () =>
      (await ask('calls')).filter(({ method }) => method === 'AsymmetricDecrypt').length,
    fail: () => ask('fault', 'AsymmetricDecrypt', { status: 'UNAVAILABLE' }),
    recover: () => ask('clearFaults'),
  };
}
