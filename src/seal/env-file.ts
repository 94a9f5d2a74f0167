import { KsealError } from '../errors.ts';
import { isDataKey } from '../kubernetes/names.ts';
import { decodeUtf8 } from '../text.ts';

/**
 * Reads `KEY=VALUE` lines as `kubectl create secret --from-env-file` does: blank lines and lines
 * that begin with `#` are skipped, and nothing is quoted or expanded: the value is the rest of the
 * line. Throws VALUE_REFUSED with the line number, never the line.
 */
export function readEnvFile(bytes: Uint8Array, path: string): readonly [string, string][] {
  const text = decodeUtf8(bytes);
  if (text === undefined || text.includes('\0')) {
    throw new KsealError('VALUE_REFUSED', `${path}: is not UTF-8 text`, {
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
      throw new KsealError('VALUE_REFUSED', `${path}:${index + 1}: is not a KEY=VALUE line`, {
        hint: 'a value of several lines belongs in a file of its own: --from-file KEY=PATH',
      });
    }
    pairs.push([key, value]);
  }
  return pairs;
}
