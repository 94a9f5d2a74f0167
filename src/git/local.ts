import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { withoutCredentials } from './failure.ts';
import type { Env } from './run.ts';

/**
 * What tells the repository around `folder` from others: the address of its remote `origin`,
 * which all its clones share, and where there is none the folder itself.
 */
export function repositoryOf(folder: string, env: Env): string {
  const theirs = Object.entries(env).filter(([name]) => !name.startsWith('GIT_'));
  try {
    const url = execFileSync('git', ['-C', folder, 'config', '--get', 'remote.origin.url'], {
      env: Object.fromEntries(theirs),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return withoutCredentials(url.toString('utf8').trim());
  } catch {
    return realpathSync(folder);
  }
}
