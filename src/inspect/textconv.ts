import { createHash } from 'node:crypto';
import { KsealError } from '../errors.ts';
import { describeBinding } from '../jwe/binding.ts';
import { readSealedValue } from '../jwe/detect.ts';
import { nameOf } from '../manifest/nodes.ts';
import { applySplices, type Splice } from '../manifest/splice.ts';
import type { Entry, Manifest } from '../manifest/types.ts';
import type { YamlEntry, YamlMap, YamlNode } from '../yaml/node.ts';

/**
 * The text of a manifest for `git diff`: in place of each value of a Secret stands what can be
 * told of it without a key, with a short hash of the sealed text, so that a change shows. A
 * Secret that cannot be parsed is not shown at all: where its values are is not known.
 */
export function textconv({ source, roots, secrets, problems }: Manifest): string {
  if (roots.length === 0 && source.includes('Secret') && source.includes('kind')) {
    const [{ message, position } = { message: 'is empty', position: undefined }] = problems;
    return notShown(position ? `${message}, in line ${position.line}` : message);
  }
  const entries = new Map(secrets.map(({ node, entries: own }) => [node, own]));
  const maps = new Set([...entries.keys(), ...roots.flatMap(secretsIn)]);
  return applySplices(
    source,
    [...maps].flatMap((map) => splicesOf(map, entries.get(map) ?? [], source)),
  );
}

/** What git shows of a text that kseal cannot read, and that may hold plaintext. */
export function notShown(reason: string): string {
  return `not shown, for it may hold plaintext: ${reason}\nto see it all the same: git diff --no-textconv\n`;
}

/** Mappings that were meant to be Secrets, whatever else is wrong with them. */
function secretsIn(node: YamlNode): readonly YamlMap[] {
  if (node.kind === 'seq') return node.items.flatMap(secretsIn);
  if (node.kind !== 'map') return [];
  const isSecret = node.entries.some(
    ({ key, value }) =>
      /^kind$/i.test(nameOf(key) ?? '') && /^secrets?$/i.test(nameOf(value) ?? ''),
  );
  return isSecret ? [node] : node.entries.flatMap(({ value }) => secretsIn(value));
}

/** Fields of values, also where they are misspelt or stand in the wrong place. */
const valueField = /^(?:string)?data$/i;

function splicesOf(map: YamlMap, known: readonly Entry[], source: string): readonly Splice[] {
  const values = new Map(known.map((entry) => [`${entry.field}/${entry.key}`, entry]));
  return map.entries.flatMap(({ key, value }): readonly Splice[] => {
    const field = nameOf(key) ?? '';
    if (!valueField.test(field)) return metadataSplices(value, source);
    if (value.kind !== 'map') return [masked(value, UNREAD, source)];
    return value.entries.map((entry) => {
      const found = values.get(`${field}/${nameOf(entry.key)}`);
      return masked(entry.value, found === undefined ? UNREAD : summaryOf(found), source);
    });
  });
}

const UNREAD = 'NOT SEALED (not shown)';

/** Values that strayed into metadata, and the annotation in which kubectl keeps what it applied. */
function metadataSplices(node: YamlNode, source: string): readonly Splice[] {
  if (node.kind !== 'map') return [];
  const isHidden = ({ key }: YamlEntry) =>
    valueField.test(nameOf(key) ?? '') || nameOf(key)?.endsWith('last-applied-configuration');
  return node.entries.flatMap((entry) =>
    isHidden(entry) ? [masked(entry.value, UNREAD, source)] : metadataSplices(entry.value, source),
  );
}

function masked({ start, end }: YamlNode, text: string, source: string): Splice {
  return { start, end, text: source.slice(start, end).endsWith('\n') ? `${text}\n` : text };
}

/** A plaintext gets no hash: it could be guessed by hashing. */
function summaryOf({ bytes }: Entry): string {
  try {
    const jwe = readSealedValue(bytes);
    if (jwe === undefined) return UNREAD;
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    const { binding, kid = 'not named' } = jwe.header;
    const place = binding === undefined ? 'bound to no place' : `for ${describeBinding(binding)}`;
    return `sealed ${hash}, ${place}, key ${kid}`;
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return `DAMAGED: ${error.message}`;
  }
}
