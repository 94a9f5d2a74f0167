// Runs the emulator in its own process, for scripts that cannot serve it themselves:
//   node test/kms-emulator/start.mjs '{"keys": {"projects/…/cryptoKeys/hr": [{}, {"id": 10}]}}'
// The argument is an EmulatorOptions. The first line of stdout is the endpoint; all keys exist by
// then. Each line of stdin is a JSON array that calls a function of the emulator, for example
// ["setState", NAME, "DISABLED"]; ["calls"] lists the calls so far. Each is answered by one line of
// JSON. The process ends when stdin does.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileFunction } from 'node:vm';
import { build, stop } from 'esbuild';

/** Loads emulator.ts without writing a file, which a killed process would leave. */
async function load() {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'emulator.ts')],
    bundle: true,
    write: false,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
  });
  await stop();
  const module = { exports: {} };
  const run = compileFunction(outputFiles[0].text, ['require', 'module']);
  run(createRequire(import.meta.url), module);
  return module.exports;
}

function answer(emulator, [name, ...args]) {
  if (name !== 'calls') return emulator[name](...args) ?? null;
  return emulator.calls.map((call) => ({ ...call, ciphertext: call.ciphertext?.toString('hex') }));
}

const { startKmsEmulator } = await load();
const emulator = await startKmsEmulator(JSON.parse(process.argv[2]));
// The callers' time limits allow for an answer, not for the generation of a key.
emulator.makeKeys();
process.stdout.write(`${emulator.endpoint}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(emulator, JSON.parse(line)))}\n`);
}
emulator.stop();
