// Reads Secrets and their values for the rules, without any key.

import type { Position } from '../diagnostic.ts';
import { expected, type KsealError } from '../errors.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { looksFlattened, looksSealed, readSealedValue, sealedLook } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';
import { secretLabel } from '../kubernetes/secret.ts';
import { plaintextAnnotations } from '../manifest/copies.ts';
import { entryNamed, isNull, nameOf } from '../manifest/nodes.ts';
import { isSops, isSopsText, placeholderTool, templateEngine } from '../manifest/other-tools.ts';
import { fieldsOfSecret, isPatchDirective } from '../manifest/read-secret.ts';
import {
  type Entry,
  fieldNames,
  type Manifest,
  type NestedSecret,
  type SecretDocument,
} from '../manifest/types.ts';
import { positionsIn, rangesAt, type YamlMap, type YamlNode } from '../yaml/node.ts';
import type { Defect, JudgedSecret, JudgedValue } from './rule.ts';
import type { Actions } from './templates.ts';

/** The context of a text that its Secrets are read in. */
interface SecretContext {
  /** The namespace of the rule for the path. */
  readonly namespace: string | undefined;
  readonly inTemplate: (position: Position) => boolean;
  readonly actions: Actions;
}

/** Reads the Secrets of a manifest for the rules. */
export function judgeSecrets(
  { path, source, roots, secrets }: Manifest,
  context: SecretContext,
): readonly JudgedSecret[] {
  const position = positionsIn(source);
  // The metadata of SOPS is at the root of a document, also for the items of a List.
  const sopsAt = rangesAt(roots.filter(isSops));
  const judged: JudgedSecret[] = [];
  for (const secret of secrets) {
    const sops = sopsAt(secret.node.start) !== undefined;
    judged.push(judgeSecret(path, secret, { ...context, position, sops }));
  }
  return judged;
}

/** Reads a Secret inside another object. The rule for the path says nothing about its namespace. */
export function judgeNested(
  path: string,
  nested: NestedSecret,
  context: Omit<SecretContext, 'namespace'>,
): JudgedSecret {
  const own = {
    namespace: undefined,
    position: nested.source.position,
    sops: isSops(nested.root),
  };
  return judgeSecret(path, nested.secret, { ...context, ...own }, nested);
}

type PositionOf = (offset: number) => Position;

function judgeSecret(
  path: string,
  secret: SecretDocument,
  context: SecretContext & { position: PositionOf; sops: boolean },
  nested?: NestedSecret,
): JudgedSecret {
  const { namespace, inTemplate, actions, position, sops } = context;
  const { node, name, generateName, type, immutable } = secret;
  const metadata = entryNamed(node, 'metadata')?.value;
  return {
    path,
    label: secretLabel(secret),
    position: secret.position,
    name,
    generateName,
    namespace: secret.namespace ?? namespace,
    lacksName: lacks(metadata, 'name') && lacks(metadata, 'generateName'),
    lacksNamespace: lacks(metadata, 'namespace') && namespace === undefined,
    type,
    immutable,
    positionOf: (field) => positionOfField(node, field, position),
    serverMetadata: secret.serverMetadata,
    plaintextAnnotations: plaintextAnnotations(secret).filter(({ text }) => !isSopsText(text)),
    dataKeys: dataKeysOf(node),
    values: valuesOf(secret, sops, actions),
    inTemplate: inTemplate(secret.position),
    nested,
    sops,
  };
}

/** Whether a field is absent or empty. The manifest reader reports a field that it cannot read. */
function lacks(map: YamlNode | undefined, name: string): boolean {
  if (map === undefined || isNull(map)) return true;
  if (map.kind !== 'map') return false;
  const value = entryNamed(map, name)?.value;
  return value === undefined || isNull(value) || nameOf(value) === '';
}

function positionOfField(node: YamlMap, field: string, position: PositionOf): Position | undefined {
  const name = field.replace(/^metadata\./, '');
  const map = name === field ? node : entryNamed(node, 'metadata')?.value;
  const entry = map?.kind === 'map' ? entryNamed(map, name) : undefined;
  return entry && position(entry.key.start);
}

function dataKeysOf(node: YamlMap): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const field of fieldNames)
    for (const { value } of fieldsOfSecret(node, field))
      if (value.kind === 'map')
        for (const entry of value.entries)
          if (!isNull(entry.value) && !isPatchDirective(entry)) keys.add(nameOf(entry.key) ?? '');
  keys.delete('');
  return keys;
}

function valuesOf(
  { entries, annotations }: SecretDocument,
  sops: boolean,
  actions: Actions,
): readonly JudgedValue[] {
  const values: JudgedValue[] = [];
  for (const entry of entries) {
    const text = () => Buffer.from(entry.bytes).toString('utf8');
    // SOPS does not encrypt an empty string.
    if (sops && (entry.bytes.length === 0 || isSopsText(text()))) continue;
    values.push(judgeValue(entry, annotations, actions));
  }
  return values;
}

function judgeValue(
  entry: Entry,
  annotations: SecretDocument['annotations'],
  actions: Actions,
): JudgedValue {
  const { bytes } = entry;
  try {
    const jwe = readSealedValue(bytes);
    if (jwe !== undefined) return judged(entry, jwe, undefined, undefined);
  } catch (error) {
    return judged(entry, undefined, defectOf(expected(error), bytes), undefined);
  }
  const defect = nearMiss(bytes);
  if (defect !== undefined) return judged(entry, undefined, defect, undefined);
  const text = Buffer.from(bytes).toString('utf8');
  // Decoded base64 may contain any characters, but no action makes them.
  const isAction = entry.field === 'stringData' && actions.isReplaced(text);
  const tool = isAction ? templateEngine : placeholderTool(text, annotations);
  return judged(entry, undefined, undefined, tool);
}

// Lists the members, because object spread is many times slower.
function judged(
  { field, key, bytes, position }: Entry,
  jwe: CompactJwe | undefined,
  defect: Defect | undefined,
  placeholder: string | undefined,
): JudgedValue {
  return { field, key, bytes, position, jwe, kid: jwe && thumbprint(jwe), defect, placeholder };
}

function thumbprint({ header: { kid } }: CompactJwe): string | undefined {
  return kid !== undefined && /^[A-Za-z0-9_-]{43}$/.test(kid) ? kid : undefined;
}

function defectOf(error: KsealError, bytes: Uint8Array): Defect {
  if (sealedLook(bytes) === 'no' && looksFlattened(bytes)) return { kind: 'flattened', error };
  return { kind: error.code === 'JWE_REFUSED' ? 'refused' : 'damaged', error };
}

/** Finds a JWE that the webhook would not recognise: the program would get it as its password. */
function nearMiss(bytes: Uint8Array): Defect | undefined {
  const start = bufferOf(bytes).subarray(0, 64);
  const text = start.toString('latin1').replace(/^(?:\u00EF\u00BB\u00BF|[\s"'])+/, '');
  if (text.length < start.length && looksSealed(Buffer.from(text, 'latin1')))
    return { kind: 'prefixed', error: undefined };
  if (!text.startsWith('eyJ') || !isForeignJwe(bytes)) return undefined;
  return { kind: 'foreign', error: undefined };
}

/** Whether a text has five segments and a header with `alg` and `enc`, unlike any JWS. */
function isForeignJwe(bytes: Uint8Array): boolean {
  const text = bufferOf(bytes).toString('latin1');
  const [header = '', ...rest] = text.trim().split('.', 6);
  if (rest.length !== 4 || header.length > 8192) return false;
  const members = Buffer.from(header, 'base64url').toString('latin1');
  return /"alg"\s*:/.test(members) && /"enc"\s*:/.test(members);
}

/** Another tool that encrypts or replaces the values of a document. */
export type ForeignTool = 'SealedSecret' | 'ExternalSecret' | 'SOPS';

const foreignKinds: readonly { kind: string; group: string; tool: ForeignTool }[] = [
  { kind: 'SealedSecret', group: 'bitnami.com/', tool: 'SealedSecret' },
  { kind: 'ExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
  { kind: 'ClusterExternalSecret', group: 'external-secrets.io/', tool: 'ExternalSecret' },
];

/** Returns the tool that a document belongs to, if it is not kseal. */
export function foreignTool(root: YamlNode): ForeignTool | undefined {
  if (root.kind !== 'map') return undefined;
  if (isSops(root)) return 'SOPS';
  const kind = textOf(root, 'kind');
  const known = foreignKinds.find((foreign) => foreign.kind === kind);
  return known && textOf(root, 'apiVersion')?.startsWith(known.group) ? known.tool : undefined;
}

function textOf(map: YamlMap, name: string): string | undefined {
  const node = entryNamed(map, name)?.value;
  return node && nameOf(node);
}
