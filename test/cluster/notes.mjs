import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Finds the first kubectl command that matches `pattern` in the notes at the top of a kustomize base. Returns the arguments of bash that run it.
 */
export function commandOf(folder, pattern, base = 'base') {
  const text = readFileSync(join(folder, base, 'kustomization.yaml'), 'utf8');
  const lines = text.replace(/^# ?/gm, '').split('\n');
  for (const start of lines.keys()) {
    if (!/^ *kubectl /.test(lines[start])) continue;
    const commands = lines.slice(start).map((_, i) => lines.slice(start, start + i + 1).join('\n'));
    const command = commands.find(isComplete);
    // Bash reads .bashrc if its stdin is a socket, as it is under Node.
    if (pattern.test(command)) return ['--norc', '-euo', 'pipefail', '-c', command];
  }
  throw new Error(`${base}/kustomization.yaml: no command matches ${pattern}`);
}

/** Reports whether bash needs no further line. */
function isComplete(command) {
  return !command.endsWith('\\') && spawnSync('bash', ['-n', '-c', command]).status === 0;
}
