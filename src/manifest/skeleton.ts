import { type Addition, blockLines, flowMap } from './edit-style.ts';

export interface NewSecret {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** JSON in place of YAML, indented by two spaces. */
  readonly json: boolean;
}

/** The text of a Secret without values, into which `editManifest` puts them. */
export function newManifest(secret: NewSecret): string {
  const style = { eol: '\n', json: secret.json, unit: '  ', colon: ': ', comma: ', ' };
  const metadata = [
    ...optional('name', secret.name),
    ...optional('namespace', secret.namespace),
    ...mapping('labels', secret.labels),
    ...mapping('annotations', secret.annotations),
  ];
  const entries = [
    ...optional('apiVersion', 'v1'),
    ...optional('kind', 'Secret'),
    { key: 'metadata', value: metadata },
    ...optional('type', secret.type),
  ];
  const text = secret.json
    ? flowMap(entries, '', style)
    : blockLines(entries, '', style).join('\n');
  return `${text}\n`;
}

function optional(key: string, value: string | undefined): readonly Addition[] {
  return value === undefined ? [] : [{ key, value }];
}

function mapping(key: string, texts: ReadonlyMap<string, string>): readonly Addition[] {
  const value = [...texts].map(([name, text]) => ({ key: name, value: text }));
  return value.length === 0 ? [] : [{ key, value }];
}
