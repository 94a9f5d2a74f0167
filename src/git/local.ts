import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { withoutCredentials } from './failure.ts';
import type { Env } from './run.ts';

/**
 * What tells the repository around `folder` from others: the address of its remote `origin`,
 * which all its clones share, and where there is none the folder itself.
 */
export function repositoryOf(folder: string, env: Env): string {
  const origin = originOf(folder, env);
  // A path that starts from the repository would be the same in another one.
  const isAddress = isAbsolute(origin) || /^[^/]+:/.test(origin);
  const name = isAddress ? withoutCredentials(origin) : realpathSync(folder);
  return name.replace(/\p{Cc}/gu, encodeURIComponent);
}

function originOf(folder: string, env: Env): string {
  const theirs = Object.entries(env).filter(([name]) => !name.startsWith('GIT_'));
  try {
    const url = execFileSync('git', ['-C', folder, 'config', '--get', 'remote.origin.url'], {
      env: Object.fromEntries(theirs),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return url.toString('utf8').trim();
  } catch {
    return '';
  }
}
