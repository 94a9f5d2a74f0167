import { entryNamed, nameOf } from '../manifest/nodes.ts';
import type { YamlMap, YamlNode } from '../yaml/node.ts';

/** A tool of which a document is known not to be a Secret in plaintext. */
export type ForeignTool = 'SealedSecret' | 'ExternalSecret' | 'SOPS';

const foreignKinds: readonly { kind: string; group: string; tool: ForeignTool }[] = [
  { kind: 'SealedSecret', group: 'bitnami.com/', tool: 'SealedSecret' },
  { kind: 'ExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
  { kind: 'ClusterExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
];

/** The tool that sealed a document or fills it in, if it is not kseal. */
export function foreignTool(root: YamlNode): ForeignTool | undefined {
  if (root.kind !== 'map') return undefined;
  if (isSops(root)) return 'SOPS';
  const kind = textOf(root, 'kind');
  const known = foreignKinds.find((foreign) => foreign.kind === kind);
  return known && textOf(root, 'apiVersion')?.startsWith(known.group) ? known.tool : undefined;
}

/** What SOPS leaves in a file that it encrypts: a MAC over all of it, itself encrypted. */
export function isSops(root: YamlMap): boolean {
  const sops = entryNamed(root, 'sops')?.value;
  return sops?.kind === 'map' && isSopsText(textOf(sops, 'mac') ?? '');
}

/** A value as SOPS encrypts it. */
export function isSopsText(text: string): boolean {
  return /^ENC\[AES256_GCM,data:[^\s,]*,iv:[^\s,]+,tag:[^\s,]+,type:\w+\]\s*$/.test(text);
}

/**
 * The key of the field `kind` of an object that was meant to be a Secret, and that neither
 * kubectl nor kseal takes for one: `Kind: Secret`, `kind: secret`.
 */
function misspeltKind(root: YamlNode): YamlNode | undefined {
  if (root.kind !== 'map') return undefined;
  const named = (name: string) =>
    root.entries.find(({ key }) => nameOf(key)?.toLowerCase() === name);
  const kind = named('kind');
  const text = kind && nameOf(kind.value);
  if (kind === undefined || !/^\s*secrets?\s*$/i.test(text ?? '')) return undefined;
  if (nameOf(kind.key) === 'kind' && text === 'Secret') return undefined;
  const version = named('apiversion');
  const isCore = version !== undefined && nameOf(version.value)?.toLowerCase() === 'v1';
  const holdsValues = named('data') !== undefined || named('stringdata') !== undefined;
  return isCore || (version === undefined && holdsValues) ? kind.key : undefined;
}

/**
 * The same for all objects of a document that are not `known` for Secrets: itself, and at any depth
 * what stands under `items`, which kubectl applies one by one.
 */
export function misspeltKinds(root: YamlNode, known: ReadonlySet<YamlNode>): readonly YamlNode[] {
  if (root.kind !== 'map' || known.has(root)) return [];
  const found = misspeltKind(root);
  if (found !== undefined) return [found];
  const items = entryNamed(root, 'items')?.value;
  return items?.kind === 'seq' ? items.items.flatMap((item) => misspeltKinds(item, known)) : [];
}

function textOf(map: YamlMap, name: string): string | undefined {
  const node = entryNamed(map, name)?.value;
  return node && nameOf(node);
}
