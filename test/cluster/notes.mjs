import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Arguments of bash that run the commands of a numbered step in the notes at the top of the
 * kustomize base: what an administrator reads. Commands begin with kubectl; words about them
 * follow in a line that begins with a capital letter.
 */
export function commandOf(folder, step) {
  const text = readFileSync(join(folder, 'base/kustomization.yaml'), 'utf8');
  const notes = text.replace(/^# ?/gm, '');
  const [, body] = notes.split(new RegExp(`^(?:${step}|${step + 1})\\. `, 'm'));
  const lines = body.split('\n');
  const rest = lines.slice(lines.findIndex((line) => /^ +kubectl /.test(line)));
  const end = rest.findIndex((line) => /^ *([A-Z]|$)/.test(line));
  // Where its stdin is a socket, as it is under Node, bash would read what is for terminals.
  return ['--norc', '-euo', 'pipefail', '-c', rest.slice(0, end).join('\n')];
}
