import { type ErrorCode, KsealError } from './errors.ts';
import { printable } from './text.ts';

/** A place in a text. Both count from 1; `column` counts UTF-16 code units, without a BOM. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A place in a manifest: the value of a data key, a Secret, or any other position. */
export interface Location {
  readonly position: Position;
  /** The name of the Secret for people: `hr/db`. */
  readonly secret?: string | undefined;
  readonly key?: string | undefined;
}

/** A problem, and what the reader can do about it. Neither text ever quotes a value. */
export interface Words {
  readonly message: string;
  readonly hint?: string | undefined;
}

/**
 * One problem in a manifest, on its whole way from the reader to the report. Decisions depend only
 * on `code`; the words are for people.
 */
export interface Diagnostic<Code extends string = string> extends Location, Words {
  readonly code: Code;
}

/** Returns where a problem is: `deploy/db.yaml:11:13: Secret hr/db, data key "password"`. */
export function locationOf(path: string, { position, secret, key }: Location): string {
  // A manifest that is about to be created has no path, and its line numbers mean nothing to the user.
  const place = path === '' ? [] : [`${path}:${position.line}:${position.column}`];
  const value = [...(secret === undefined ? [] : [`Secret ${secret}`])];
  if (key !== undefined) value.push(`data key "${key}"`);
  return printable([...place, value.join(', ')].filter(Boolean).join(': '));
}

/** Returns the error for a diagnostic that ends a command; MANIFEST_INVALID unless given. */
export function errorFor(
  path: string,
  diagnostic: Location & Words,
  code: ErrorCode = 'MANIFEST_INVALID',
): KsealError {
  const { message, hint } = diagnostic;
  return new KsealError(code, message, { hint, thing: locationOf(path, diagnostic) });
}

export function byPosition({ position: a }: Location, { position: b }: Location): number {
  return a.line - b.line || a.column - b.column;
}

/** The order of a report, the same in every locale. */
export function inOrder(a: Diagnostic, b: Diagnostic): number {
  return byPosition(a, b) || compareText(a.code, b.code);
}

/** Compares UTF-16 code units, so that the order does not depend on the locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
