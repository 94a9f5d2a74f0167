// The emulator as a process of its own, for scripts that wait for kseal and so cannot serve it:
//   node test/kms-emulator/start.mjs '{"keys": {"projects/…/cryptoKeys/hr": [{}, {"id": 10}]}}'
// The argument is an EmulatorOptions. The first line of stdout is the endpoint. A line of JSON on
// stdin, ["setState", NAME, "DISABLED"], calls that function of the emulator; ["calls"] lists the
// calls so far. Each is answered with a line of JSON. It ends when stdin does.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');
// Beside the packages that it imports, which are found by their place.
const compiled = join(root, `node_modules/.cache/kseal-kms-emulator-${process.pid}.mjs`);

async function load() {
  mkdirSync(join(compiled, '..'), { recursive: true });
  try {
    await build({
      entryPoints: [join(import.meta.dirname, 'emulator.ts')],
      outfile: compiled,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
    });
    return await import(pathToFileURL(compiled).href);
  } finally {
    rmSync(compiled, { force: true });
  }
}

function answer(emulator, [name, ...args]) {
  if (name === 'calls') {
    return emulator.calls.map((call) => ({
      ...call,
      ciphertext: call.ciphertext?.toString('hex'),
    }));
  }
  return emulator[name](...args) ?? null;
}

const { startKmsEmulator } = await load();
const emulator = await startKmsEmulator(JSON.parse(process.argv[2] ?? '{"keys": {}}'));
process.stdout.write(`${emulator.endpoint}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(emulator, JSON.parse(line)))}\n`);
}
emulator.stop();
