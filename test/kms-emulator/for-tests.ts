import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type KmsEmulator, startKmsEmulator } from './emulator.ts';
import { HR } from './harness.ts';

/**
 * An emulator with one version of HR for all tests of a file, which each begins without faults and
 * without calls. It is there once the first test begins.
 */
export function emulatorForTests(): () => KmsEmulator {
  let emulator: KmsEmulator | undefined;
  const running = () => {
    if (emulator === undefined) throw new Error('no test has begun');
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
