import { KsealError } from '../errors.ts';
import { isDataKey } from '../kubernetes/secret.ts';
import { decodeUtf8 } from '../text.ts';

/**
 * Parses `KEY=VALUE` lines as `kubectl create secret --from-env-file` does: skips blank lines and
 * comments, and takes the rest of each line as the value, without quoting or expansion. Throws
 * VALUE_REFUSED with the line number, never the line.
 */
export function readEnvFile(bytes: Uint8Array, path: string): readonly [string, string][] {
  const text = decodeUtf8(bytes);
  if (text === undefined || text.includes('\0')) {
    throw new KsealError('VALUE_REFUSED', 'not UTF-8 text', {
      thing: path,
      hint: 'in PowerShell, write it with: Set-Content -Encoding utf8',
    });
  }
  const pairs: [string, string][] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, key, value] = /^\s*([^=\s]+)=(.*)$/s.exec(line) ?? [];
    if (key === undefined || value === undefined || !isDataKey(key)) {
      throw new KsealError('VALUE_REFUSED', 'not a KEY=VALUE line', {
        thing: `${path}:${index + 1}`,
        hint: 'put a value of several lines into its own file: --from-file KEY=PATH',
      });
    }
    pairs.push([key, value]);
  }
  return pairs;
}
