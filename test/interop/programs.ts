import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

function isThere(name: string): boolean {
  return spawnSync(name, ['--help'], { stdio: 'ignore' }).error === undefined;
}

/**
 * Skips the tests if a program is missing, because the checks before a merge must pass on a machine
 * that has only Node, npm, git and openssl. The title then says that they did not run.
 */
export function describeWith(name: string, tests: () => void): void {
  const there = isThere(name);
  describe.skipIf(!there)(there ? `with ${name}` : `NOT RUN: ${name} is missing`, tests);
}
