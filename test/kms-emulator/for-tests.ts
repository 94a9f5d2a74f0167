import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type KmsEmulator, startKmsEmulator } from './emulator.ts';
import { HR } from './harness.ts';

/**
 * Starts one emulator, with one version of HR, for all tests of a file. Each test starts without
 * faults or recorded calls. The returned function throws until the first test starts.
 */
export function emulatorForTests(): () => KmsEmulator {
  let emulator: KmsEmulator | undefined;
  const running = () => {
    if (emulator === undefined) throw new Error('the emulator starts with the first test');
    return emulator;
  };
  beforeAll(async () => {
    emulator = await startKmsEmulator({ keys: { [HR]: [{ id: 1 }] } });
  }, 30_000);
  beforeEach(() => {
    running().clearFaults();
    running().calls.length = 0;
  });
  afterAll(() => running().stop());
  return running;
}
