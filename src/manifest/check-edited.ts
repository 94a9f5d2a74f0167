import type { YamlNode } from '../yaml/node.ts';
import type { State } from './edit-state.ts';
import { entryNamed } from './literal.ts';
import { fieldNames, type Manifest, type SecretDocument } from './manifest.ts';
import { readManifest } from './read.ts';

/** Throws, as for a bug, unless `text` holds what was meant, and all else that `before` holds. */
export function checkEdited(before: Manifest, states: readonly State[], text: string): void {
  const after = readManifest(text, before.path);
  const sound =
    after.problems.length === 0 &&
    JSON.stringify(after.secrets.map(contentOf)) === JSON.stringify(states.map(wantedOf)) &&
    JSON.stringify(outline(after)) === JSON.stringify(outline(before));
  if (!sound)
    throw new Error('the edited manifest does not hold what was meant; nothing was written');
}

type Content = readonly unknown[];

function contentOf({ entries, annotations }: SecretDocument): Content {
  const sorted = entries
    .map(({ field, key, octets }) => [field, key, base64(octets)].join(':'))
    .sort();
  return [...sorted, [...annotations]];
}

function wantedOf({ values, annotations }: State): Content {
  const entries = fieldNames.flatMap((field) => {
    return [...values[field]].map(([key, octets]) => [field, key, base64(octets)].join(':'));
  });
  return [...entries.sort(), [...annotations]];
}

const base64 = (octets: Uint8Array) => Buffer.from(octets).toString('base64');

/** All documents as plain values, but for what `contentOf` covers. */
function outline({ roots, secrets }: Manifest): Content {
  const covered = new Set<YamlNode>();
  for (const { node } of secrets) {
    const metadata = entryNamed(node, 'metadata')?.value;
    const fields = [entryNamed(node, 'data'), entryNamed(node, 'stringData')];
    if (metadata?.kind === 'map') fields.push(entryNamed(metadata, 'annotations'));
    for (const field of fields) if (field !== undefined) covered.add(field.key);
  }
  return roots.map((root) => outlineOf(root, covered));
}

function outlineOf(node: YamlNode, covered: ReadonlySet<YamlNode>): unknown {
  const { kind, anchor, tag } = node;
  if (kind === 'alias') return { kind, target: node.target.anchor };
  if (kind === 'seq')
    return { kind, anchor, tag, items: node.items.map((item) => outlineOf(item, covered)) };
  if (kind === 'scalar') return { text: node.text, plain: node.style === 'plain', anchor, tag };
  const entries = node.entries.filter(({ key }) => !covered.has(key));
  const outlined = entries.map(({ key, value }) => [
    outlineOf(key, covered),
    outlineOf(value, covered),
  ]);
  return { kind, anchor, tag, entries: outlined };
}
