// The KMS emulator, in its own process.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './services.mjs';

/** Starts the emulator with one crypto key, which has one version. */
export async function startKms(cryptoKey) {
  const script = join(import.meta.dirname, '../kms-emulator/start.mjs');
  const args = [script, JSON.stringify({ keys: { [cryptoKey]: [{}] } })];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // The emulator exits when its stdin ends, so it cannot outlive this process.
  atEnd(() => child.stdin.end());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const endpoint = (await lines.next()).value;
  const ask = async (...call) => {
    child.stdin.write(`${JSON.stringify(call)}\n`);
    return JSON.parse((await lines.next()).value);
  };
  return {
    endpoint,
    /** The number of AsymmetricDecrypt calls so far. */
    decryptions: async () =>
      (await ask('calls')).filter(({ method }) => method === 'AsymmetricDecrypt').length,
    fail: () => ask('fault', 'AsymmetricDecrypt', { status: 'UNAVAILABLE' }),
    hang: () => ask('fault', 'AsymmetricDecrypt', 'hang'),
    recover: () => ask('clearFaults'),
  };
}
