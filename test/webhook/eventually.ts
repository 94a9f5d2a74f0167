import { vi } from 'vitest';

// A busy machine may take long: only a test that never gets there should fail.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Waits until `assertion` holds. */
export function eventually<T>(assertion: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(assertion, { timeout: 60_000, interval: 5 });
}

/** A promise, and the function that fulfils it. */
export function gate() {
  let open = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
