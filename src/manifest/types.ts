import { type ErrorCode, KsealError } from '../errors.ts';
import { printable } from '../text.ts';
import type { Position, YamlMap, YamlNode } from '../yaml/node.ts';

export type Field = 'data' | 'stringData';
export const fieldNames: readonly Field[] = ['data', 'stringData'];

/** One text, and the Secrets that its YAML or JSON documents hold. */
export interface Manifest {
  /** How the text is called in messages. */
  readonly path: string;
  readonly source: string;
  /** In source order, those within Lists too. Complete only where there are no problems. */
  readonly secrets: readonly SecretDocument[];
  readonly problems: readonly Problem[];
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

/** What the reader of a manifest can find; all decisions go by these, and none by a message. */
export type ProblemId =
  | 'unparsable'
  | 'duplicate-key'
  | 'unsupported'
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

/** What keeps a manifest from being sealed. Neither `message` nor `hint` ever quotes a value. */
export interface Problem {
  readonly id: ProblemId;
  readonly message: string;
  readonly hint: string | undefined;
  readonly position: Position;
  /** How the Secret is called (`secretLabel`), if the problem is within one. */
  readonly secret: string | undefined;
  /** The data key, if the problem is at one that is a legal data key. */
  readonly key: string | undefined;
}

export interface Names {
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  readonly namespace: string | undefined;
}

/** How a Secret is called in messages: `hr/db`, `db`, `generateName db-*` or `(no name)`. */
export function secretLabel({ name, generateName, namespace }: Names): string {
  const inNamespace = namespace === undefined ? '' : `${namespace}/`;
  if (name !== undefined) return inNamespace + name;
  if (generateName !== undefined) return `generateName ${inNamespace}${generateName}*`;
  return '(no name)';
}

/** The beginning of a message: `deploy/db.yaml:11:13: Secret hr/db, data key "password"`. */
export function where(path: string, position: Position, secret?: string, key?: string): string {
  const place = `${path}:${position.line}:${position.column}`;
  const inSecret = secret === undefined ? '' : `: Secret ${secret}`;
  return printable(`${place}${inSecret}${key === undefined ? '' : `, data key "${key}"`}`);
}

/** The error of `problem`, with code MANIFEST_INVALID unless another is given. */
export function problemError(
  path: string,
  problem: Problem,
  code: ErrorCode = 'MANIFEST_INVALID',
): KsealError {
  const place = where(path, problem.position, problem.secret, problem.key);
  return new KsealError(code, `${place}: ${problem.message}`, { hint: problem.hint });
}
