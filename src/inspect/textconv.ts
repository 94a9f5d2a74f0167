import { createHash } from 'node:crypto';
import { describeBinding } from '../jwe/binding.ts';
import { nameOf } from '../manifest/nodes.ts';
import { applySplices, type Splice } from '../manifest/splice.ts';
import type { Entry, Manifest } from '../manifest/types.ts';
import type { YamlEntry, YamlMap, YamlNode } from '../yaml/node.ts';
import { inspectValue } from './inspect.ts';

const UNREAD = 'NOT SEALED (not shown)';

/**
 * Returns a manifest for `git diff`, in which a summary replaces each value of a Secret: everything
 * that is known without a key, and a short hash of the sealed text that shows every change. Text
 * that may hold a Secret but cannot be parsed is not shown, because its values cannot be found.
 */
export function textconv({ source, roots, secrets, problems }: Manifest): string {
  if (roots.length === 0 && maybeSecret(source)) {
    const [{ message, position } = { message: 'is empty', position: undefined }] = problems;
    return notShown(position ? `line ${position.line}: ${message}` : message);
  }
  const entries = new Map(secrets.map(({ node, entries: own }) => [node, own]));
  const maps = new Set([...entries.keys(), ...roots.flatMap(secretsIn)]);
  return applySplices(
    source,
    [...maps].flatMap((map) => splicesOf(map, entries.get(map) ?? [], source)),
  );
}

/** The replacement for a text that may hold plaintext but cannot be read. */
export function notShown(reason: string): string {
  return `not shown because it may hold plaintext: ${reason}\nto see it anyway: git diff --no-textconv\n`;
}

/** Whether a text that cannot be read may be a Secret. JSON can escape any letter of a word. */
function maybeSecret(text: string): boolean {
  return (
    /\\[xuU]/.test(text) ||
    (text.includes('kind') && /Secret|kind["']?[ \t]*:[^\n]*\{\{/.test(text))
  );
}

/** The mappings that are or may be meant as Secrets: the kind is misspelt, or a template makes it. */
function secretsIn(node: YamlNode): readonly YamlMap[] {
  if (node.kind === 'seq') return node.items.flatMap(secretsIn);
  if (node.kind !== 'map') return [];
  const isSecret = node.entries.some(
    ({ key, value }) =>
      /^kind$/i.test(nameOf(key) ?? '') && /^\s*secrets?\s*$/i.test(nameOf(value) ?? 'Secret'),
  );
  return isSecret ? [node] : node.entries.flatMap(({ value }) => secretsIn(value));
}

/** The names of fields with values, even if they are misspelt or misplaced. */
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

/** Masks values misplaced in metadata, and the annotation in which kubectl keeps what it applied. */
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

/** A plaintext gets no hash, because anyone who guesses it could confirm the guess. */
function summaryOf({ bytes }: Entry): string {
  const { state, binding, kid, reason } = inspectValue(bytes);
  if (state === 'plaintext') return UNREAD;
  if (state === 'damaged') return `DAMAGED: ${reason}`;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  if (state === 'foreign') return `${reason} ${hash}`;
  const place = binding ? `for ${describeBinding(binding)}` : 'not bound to a Secret';
  return `sealed ${hash}, ${place}, ${kid === undefined ? 'no kid' : `key ${kid}`}`;
}
