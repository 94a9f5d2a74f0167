import type { Diagnostic, Position } from '../diagnostic.ts';
import type { YamlMap, YamlNode } from '../yaml/node.ts';

export type Field = 'data' | 'stringData';
export const fieldNames: readonly Field[] = ['data', 'stringData'];

/** One text, and the Secrets that its YAML or JSON documents hold. */
export interface Manifest {
  /** How the text is called in messages. */
  readonly path: string;
  readonly source: string;
  /** In source order, those within Lists too. Complete only where there are no problems. */
  readonly secrets: readonly SecretDocument[];
  readonly problems: readonly Diagnostic<ReaderCode>[];
  /** All documents, for `editManifest`. */
  readonly roots: readonly YamlNode[];
}

export interface SecretDocument {
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly immutable: boolean;
  readonly annotations: ReadonlyMap<string, string>;
  /** Which of the two fields stand in the source, empty ones and null ones too. */
  readonly fields: ReadonlySet<Field>;
  /** In source order. */
  readonly entries: readonly Entry[];
  readonly position: Position;
  /** The source of it all, for `editManifest`. */
  readonly node: YamlMap;
}

export interface Entry {
  readonly field: Field;
  readonly key: string;
  /** The value itself: decoded from base64 (`data`), or as UTF-8 (`stringData`). */
  readonly bytes: Uint8Array;
  /** Of the value. */
  readonly position: Position;
}

/** What the reader of a manifest can report. */
export type ReaderCode =
  | 'unparsable'
  | 'duplicate-key'
  | 'unsupported-yaml'
  | 'wrong-type'
  | 'wrong-version'
  | 'null-value'
  | 'not-a-scalar'
  | 'ambiguous-scalar'
  | 'not-base64'
  | 'raw-jwe-in-data'
  | 'invalid-data-key'
  | 'duplicate-data-key'
  | 'unknown-field';
