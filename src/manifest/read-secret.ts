import type { YamlEntry, YamlMap, YamlNode } from '../yaml/node.ts';
import { fieldsOfSecret } from './branches.ts';
import {
  entryNamed,
  type Fault,
  indirection,
  isNull,
  nameOf,
  notAString,
  notEditable,
  oddKeys,
  type Report,
} from './literal.ts';
import { type Field, fieldNames, type SecretDocument } from './manifest.ts';
import { misplaced } from './misplaced.ts';
import { secretLabel } from './problem.ts';
import { type ReadEntry, readEntries } from './read-entries.ts';
import { isPlainTrue } from './scalar-text.ts';

/** A Secret as read, its places still offsets, and what is wrong with it. */
export interface ReadSecret {
  readonly secret: Omit<SecretDocument, 'entries' | 'position'>;
  readonly entries: readonly ReadEntry[];
  readonly label: string;
  readonly faults: readonly Fault[];
}

/**
 * Reads the mapping `node`, which is a Secret, out of the text `source`.
 *
 * @param known what is wrong with how it says that it is a Secret
 */
export function readSecret(node: YamlMap, source: string, known: readonly Fault[]): ReadSecret {
  const faults = [...known];
  const report = (fault: Fault | undefined) => fault !== undefined && faults.push(fault);
  const metadata = readMap(node, 'metadata', report);
  const names = readNames(metadata, source, report);
  const fields = new Set<Field>();
  const entries: ReadEntry[] = [];
  for (const field of fieldNames) {
    for (const entry of fieldsOfSecret(node, field)) {
      fields.add(field);
      report(withoutColon(entry));
      for (const read of readEntries(field, entry.value, source, report)) entries.push(read);
    }
  }
  entries.sort((a, b) => a.offset - b.offset);
  oddKeys(node, 'a Secret').forEach(report);
  misplaced(node, metadata).forEach(report);
  twice(entries).forEach(report);
  const secret = {
    ...names,
    type: readText(node, 'type', source, report),
    immutable: isTrue(entryNamed(node, 'immutable')?.value),
    annotations: readAnnotations(metadata, report),
    fields,
    node,
  };
  return { secret, entries, label: secretLabel(names), faults };
}

/** `? data` alone is a field without a value, which leaves no place to put one. */
function withoutColon({ key, colon }: YamlEntry): Fault | undefined {
  if (colon !== undefined) return undefined;
  const message = `${nameOf(key)} stands without a colon`;
  return { id: 'unsupported', message, hint: `write ${nameOf(key)}:`, offset: key.start };
}

function readNames(metadata: YamlMap | undefined, source: string, report: Report) {
  if (metadata === undefined)
    return { name: undefined, generateName: undefined, namespace: undefined };
  return {
    name: readText(metadata, 'name', source, report),
    generateName: readText(metadata, 'generateName', source, report),
    namespace: readText(metadata, 'namespace', source, report),
  };
}

/** A mapping that kseal may edit; null and absence are the same to Kubernetes. */
function readMap(parent: YamlMap, name: string, report: Report): YamlMap | undefined {
  const node = entryNamed(parent, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(notEditable(node, name));
  if (node.kind === 'map') oddKeys(node, name).forEach(report);
  if (node.kind === 'map') return node;
  if (node.kind !== 'alias') {
    report({ id: 'wrong-type', message: `${name} is not a mapping`, offset: node.start });
  }
  return undefined;
}

/** A string field; null, absence and an empty string are the same to Kubernetes. */
function readText(map: YamlMap, name: string, source: string, report: Report): string | undefined {
  const node = entryNamed(map, name)?.value;
  if (node === undefined || isNull(node)) return undefined;
  report(indirection(node, name) ?? notAString(node, source, name));
  return nameOf(node) || undefined;
}

function isTrue(node: YamlNode | undefined): boolean {
  return node?.kind === 'scalar' && node.style === 'plain' && isPlainTrue(node.text);
}

function readAnnotations(
  metadata: YamlMap | undefined,
  report: Report,
): ReadonlyMap<string, string> {
  const node = metadata && readMap(metadata, 'annotations', report);
  const texts = new Map<string, string>();
  for (const { key, value } of node?.entries ?? []) {
    if (value.anchor !== undefined) report(notEditable(value, 'an annotation'));
    const [name, text] = [nameOf(key), nameOf(value.kind === 'alias' ? value.target : value)];
    if (name !== undefined && text !== undefined) texts.set(name, text);
  }
  return texts;
}

/** The API server would let stringData win; kseal lets neither. */
function twice(entries: readonly ReadEntry[]): readonly Fault[] {
  const seen = new Set<string>();
  const faults: Fault[] = [];
  for (const { key, keyOffset: offset } of entries) {
    if (seen.size < seen.add(key).size) continue;
    const message = 'the data key is there twice';
    faults.push({ id: 'duplicate-data-key', message, hint: 'remove one of them', offset, key });
  }
  return faults;
}
