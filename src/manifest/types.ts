import type { Diagnostic, Position } from '../diagnostic.ts';
import type { YamlMap, YamlNode, YamlScalar } from '../yaml/node.ts';

export type Field = 'data' | 'stringData';
export const fieldNames: readonly Field[] = ['data', 'stringData'];

/** A text that nodes were read from. */
export interface Source {
  readonly text: string;
  /** Returns the position of an offset. */
  readonly position: (offset: number) => Position;
}

/** One text, and the Secrets that its YAML or JSON documents hold. */
export interface Manifest extends Nesting {
  /** The name of the text in messages. */
  readonly path: string;
  readonly source: string;
  /** In source order, including those in Lists. Incomplete if there are problems. */
  readonly secrets: readonly SecretDocument[];
  readonly problems: readonly Diagnostic<ReaderCode>[];
  /** All documents, for `editManifest`. */
  readonly roots: readonly YamlNode[];
  /** The Secret of a new manifest that has only names; `editManifest` prints it. */
  readonly fresh?: NewSecret;
}

/** A Secret to write into a new manifest. */
export interface NewSecret {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Whether to write JSON, indented by two spaces, instead of YAML. */
  readonly json: boolean;
}

export interface SecretDocument {
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly immutable: boolean;
  readonly annotations: readonly Annotation[];
  /** The fields that the source has, even if they are empty or null. */
  readonly fields: ReadonlySet<Field>;
  /** In source order. */
  readonly entries: readonly Entry[];
  /** Data keys without a value. A kustomize patch deletes them. */
  readonly nulls: readonly Omit<Entry, 'bytes' | 'isCut'>[];
  /** Metadata that the API server sets, which does no harm to sealed values. */
  readonly serverMetadata: Diagnostic<'server-metadata'> | undefined;
  readonly position: Position;
  /** The mapping in the source, for `editManifest`. */
  readonly node: YamlMap;
}

/** The Secrets inside other objects: kubectl does not read them, but another tool applies them. */
export interface Nesting {
  /** All of them, including those in `strings`. */
  readonly nested: readonly NestedSecret[];
  readonly strings: readonly NestedString[];
}

/** A Secret inside another object, such as an OpenShift Template. kseal never edits it. */
export interface NestedSecret {
  /** Its node has aliases and merge keys written out, so only scalars have their own offsets. */
  readonly secret: SecretDocument;
  /** The problems of its fields and values. */
  readonly problems: readonly Diagnostic<ReaderCode>[];
  /** The text with the Secret: the manifest, or a string in it. */
  readonly source: Source;
  /** The object around the Secret, such as `Template app`. */
  readonly outer: string;
  readonly root: YamlNode;
}

/** A string, such as an inline patch, that is a manifest with Secrets, or that may be one. */
export interface NestedString extends Nesting {
  readonly node: YamlScalar;
  readonly source: Source;
  /** Its documents; empty if it cannot be parsed. */
  readonly roots: readonly YamlNode[];
  /** Whether it is a literal block scalar, so that its offsets have exact positions. */
  readonly literal: boolean;
  readonly outer: string;
  readonly root: YamlNode;
}

export interface Annotation {
  readonly name: string;
  readonly text: string;
  /** The position of the name. */
  readonly position: Position;
}

export interface Entry {
  readonly field: Field;
  readonly key: string;
  /** The value, decoded from base64 (`data`) or encoded as UTF-8 (`stringData`). */
  readonly bytes: Uint8Array;
  /** A comment follows that may be the rest of the value: `hunter2 #4711`. */
  readonly isCut: boolean;
  /** The position of the value; of the key if there is none. */
  readonly position: Position;
}

/** The codes of the problems that the manifest reader reports. */
export type ReaderCode =
  | 'unparsable'
  | 'merge-conflict'
  | 'duplicate-key'
  | 'unsupported-yaml'
  | 'misspelt-kind'
  | 'missing-version'
  | 'unrendered-kind'
  | 'wrong-type'
  | 'null-value'
  | 'not-a-scalar'
  | 'ambiguous-scalar'
  | 'not-base64'
  | 'raw-jwe-in-data'
  | 'invalid-data-key'
  | 'duplicate-data-key'
  | 'unknown-field';
