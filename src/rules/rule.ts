import type { Scope } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import type { Field } from '../manifest/manifest.ts';
import type { Problem } from '../manifest/problem.ts';
import type { Position } from '../yaml-node.ts';

export type Severity = 'error' | 'warning';

/** One thing that is wrong at one place. `message` and `hint` never quote a value. */
export interface Finding {
  readonly rule: string;
  readonly severity: Severity;
  /** As the user named it, with `/`. */
  readonly path: string;
  readonly position: Position;
  /** How the Secret is called: `hr/db`. */
  readonly secret: string | undefined;
  readonly key: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A value of a Secret, read as far as that needs no key. */
export interface JudgedValue {
  readonly field: Field;
  readonly key: string;
  readonly position: Position;
  readonly octets: Uint8Array;
  /** The sealed value, `undefined` for what does not look sealed, or why it cannot be read. */
  readonly jwe: CompactJwe | undefined;
  readonly fault:
    | { readonly code: string; readonly message: string; readonly hint: string | undefined }
    | undefined;
}

/** A Secret of a manifest. */
export interface JudgedSecret {
  readonly label: string;
  readonly position: Position;
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  /** That of the manifest, else that of the path's rule. */
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly immutable: boolean;
  readonly annotations: ReadonlyMap<string, string>;
  readonly values: readonly JudgedValue[];
}

/** What is allowed at the path of a manifest: from the configuration and the command line. */
export interface Allowance {
  /** The keys that are known, by kid; undefined when none is, so that kids cannot be judged. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** The kid that the path's rule names. */
  readonly wantedKid: string | undefined;
  readonly maxScope: Scope;
  /** Kids that `--fail-if-kid` names. */
  readonly refusedKids: ReadonlySet<string>;
}

export interface AllowedKey {
  /** Its configured name, if it has one. */
  readonly name: string | undefined;
  readonly state: KeyState;
  readonly bits: number | undefined;
}

/** What a rule says about a place; the runner adds the path, the rule and its severity. */
export interface Remark {
  readonly position: Position;
  readonly key?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

/**
 * A rule of `kseal verify`: one file, plain data first. It has one of the checks: of a Secret, of
 * one value of it, or of what the reader could not make sense of.
 */
export interface Rule {
  readonly id: string;
  readonly severity: Severity;
  /** One line for lists and SARIF. */
  readonly summary: string;
  /** For `--explain`: why it matters, and an example of wrong and of right. */
  readonly why: string;
  readonly wrong: string;
  readonly right: string;
  readonly checkValue?: (
    value: JudgedValue,
    secret: JudgedSecret,
    allowed: Allowance,
  ) => readonly Remark[];
  readonly checkSecret?: (secret: JudgedSecret, allowed: Allowance) => readonly Remark[];
  readonly checkProblem?: (problem: Problem, source: string) => readonly Remark[];
}
