import { sealedLook } from '../jwe/detect.ts';
import { isDataKey } from '../kubernetes/names.ts';
import { isMergeKey, type YamlEntry, type YamlNode, type YamlScalar } from '../yaml/node.ts';
import {
  type Fault,
  indirectKeys,
  isNull,
  notAString,
  notEditable,
  type Report,
} from './literal.ts';
import type { Field } from './manifest.ts';

/** An entry as read, its place still an offset. */
export interface ReadEntry {
  readonly field: Field;
  readonly key: string;
  readonly octets: Uint8Array;
  /** Of the value. */
  readonly offset: number;
  readonly keyOffset: number;
}

/** Reads the value of the field `data` or `stringData`, and reports all that cannot be sealed. */
export function readEntries(
  field: Field,
  node: YamlNode,
  source: string,
  report: Report,
): readonly ReadEntry[] {
  report(notEditable(node, field));
  if (isNull(node)) return [];
  if (node.kind === 'scalar' || node.kind === 'seq') {
    const hint = 'write KEY: VALUE lines below it';
    report({ id: 'wrong-type', message: `${field} is not a mapping`, hint, offset: node.start });
  }
  if (node.kind !== 'map') return [];
  indirectKeys(node, field).forEach(report);
  const entries: ReadEntry[] = [];
  for (const entry of node.entries) {
    const read = isMergeKey(entry.key) ? undefined : readEntry(field, entry, source, report);
    if (read !== undefined) entries.push(read);
  }
  return entries;
}

function readEntry(
  field: Field,
  entry: YamlEntry,
  source: string,
  report: Report,
): ReadEntry | undefined {
  const { value } = entry;
  const key = readKey(entry.key, source, report);
  const fault = notEditable(value, 'a value') ?? notAString(value, source, 'the value');
  // What stands without a colon may be a value in the place of a key.
  const shown = entry.colon === undefined ? undefined : key;
  if (fault !== undefined) report({ ...fault, key: shown });
  if (fault !== undefined || value.kind !== 'scalar' || key === undefined) return undefined;
  const octets = field === 'data' ? fromBase64(value.text) : new TextEncoder().encode(value.text);
  if (octets === undefined) report({ ...notBase64(value), key });
  return octets && { field, key, octets, offset: value.start, keyOffset: entry.key.start };
}

/** The data key, if it is a legal one; only such a one is ever shown. */
function readKey(key: YamlNode, source: string, report: Report): string | undefined {
  const fault = notAString(key, source, 'the data key');
  if (key.kind === 'alias') return undefined; // Reported by indirectKeys.
  if (fault !== undefined) report({ ...fault, id: 'invalid-data-key', hint: 'quote it' });
  if (fault !== undefined || key.kind !== 'scalar') return undefined;
  if (isDataKey(key.text)) return key.text;
  const hint = 'use at most 253 of the characters A-Z a-z 0-9 - _ . and do not begin with ..';
  report({ id: 'invalid-data-key', message: 'not a legal data key', hint, offset: key.start });
  return undefined;
}

/** Standard base64 as Go decodes it, which passes over line breaks, and canonical besides. */
function fromBase64(text: string): Uint8Array | undefined {
  // Most texts are on one line, and to look for one character is quicker than to replace two.
  const broken = text.includes('\n') || text.includes('\r');
  const bare = broken ? text.replace(/[\r\n]/g, '') : text;
  const octets = Buffer.from(bare, 'base64');
  return octets.toString('base64') === bare ? octets : undefined;
}

function notBase64({ text, start }: YamlScalar): Fault {
  if (sealedLook(Buffer.from(text)) === 'compact' && text.includes('.')) {
    const hint = 'base64-encode the JWE once more, or move it to stringData';
    return {
      id: 'raw-jwe-in-data',
      message: 'a bare JWE, where data holds base64',
      hint,
      offset: start,
    };
  }
  const hint = 'move plain text to stringData, or encode it in standard, padded base64';
  return { id: 'not-base64', message: 'the value is not canonical base64', hint, offset: start };
}
