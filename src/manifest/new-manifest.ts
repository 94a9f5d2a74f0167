import { readManifest } from './read.ts';
import { type Addition, additionsOf, blockLines, flowMap } from './style.ts';
import type { Manifest, NewSecret, SecretDocument } from './types.ts';

/**
 * Returns the manifest of a Secret without values, for `editManifest` to add them. The manifest of a
 * Secret that has only names is parsed when its nodes are used, so that to seal one value does not
 * load the YAML parser.
 */
export function newManifest(secret: NewSecret): Manifest {
  const source = newText(secret, []);
  const { name, namespace, type, labels, annotations } = secret;
  if (type !== undefined || labels.size + annotations.size > 0) return readManifest(source, '');
  let read: Manifest | undefined;
  const parsed = () => {
    read ??= readManifest(source, '');
    return read;
  };
  const document = {
    name,
    generateName: undefined,
    namespace,
    type,
    immutable: false,
    annotations: [],
    fields: new Set<never>(),
    entries: [],
    nulls: [],
    serverMetadata: undefined,
    position: { line: 1, column: 1 },
    get node() {
      const [only] = parsed().secrets;
      if (only === undefined) throw new Error('a new manifest without its Secret');
      return only.node;
    },
  } satisfies SecretDocument;
  return {
    path: '',
    source,
    secrets: [document],
    problems: [],
    nested: [],
    strings: [],
    get roots() {
      return parsed().roots;
    },
    fresh: secret,
  };
}

/** The text of the manifest of a new Secret with `fields`. */
export function newText(secret: NewSecret, fields: readonly Addition[]): string {
  const { name, namespace, type, labels, annotations, json } = secret;
  const style = { source: '', eol: '\n', json, unit: '  ', colon: ': ', comma: ', ' };
  const metadata = [
    ...optional('name', name),
    ...optional('namespace', namespace),
    ...optional('labels', additionsOf(labels)),
    ...optional('annotations', additionsOf(annotations)),
  ];
  const entries = [
    ...optional('apiVersion', 'v1'),
    ...optional('kind', 'Secret'),
    ...optional('metadata', metadata),
    ...optional('type', type),
    ...fields,
  ];
  const text = json ? flowMap(entries, '', style) : blockLines(entries, '', style).join('\n');
  return `${text}\n`;
}

function optional(key: string, value: Addition['value'] | undefined): readonly Addition[] {
  const isEmpty = typeof value === 'object' && value.length === 0;
  return value === undefined || isEmpty ? [] : [{ key, value }];
}
