import type { Binding, Scope } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { isNamespace, isSecretName } from '../kubernetes/names.ts';
import type { Field } from '../manifest/types.ts';
import { shellWord } from '../text.ts';
import type { Position } from '../yaml/node.ts';

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

/** A finding that a comment `# kseal-ignore RULE: reason` silences. */
export interface SuppressedFinding extends Finding {
  /** As it stands in the comment. */
  readonly reason: string;
}

/** What a rule says about a place; the runner adds the path, the Secret and the rule. */
export interface Remark {
  readonly position: Position;
  readonly key?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Where it is not that of the rule. */
  readonly severity?: Severity | undefined;
}

/** What the reader of the text found, with the rule that it breaks. */
export interface Fault extends Remark {
  readonly rule: string;
  readonly secret?: string | undefined;
}

/** A value of a Secret, read as far as that needs no key. At most one of jwe, fault and placeholder is there. */
export interface JudgedValue {
  readonly field: Field;
  readonly key: string;
  readonly position: Position;
  readonly bytes: Uint8Array;
  readonly jwe: CompactJwe | undefined;
  /** As kseal writes it: a thumbprint. What other tools call a kid may be any text, and is never shown. */
  readonly kid: string | undefined;
  /** Why what looks sealed, or was meant to, is not read, and the rule that this breaks. */
  readonly fault:
    | { readonly rule: string; readonly message: string; readonly hint: string | undefined }
    | undefined;
  /** Nothing but `{{ … }}` or `${…}`, which another tool replaces. */
  readonly placeholder: boolean;
}

/** A Secret of a manifest. */
export interface JudgedSecret {
  readonly path: string;
  readonly label: string;
  readonly position: Position;
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  /** That of the manifest, else that of the path's rule. */
  readonly namespace: string | undefined;
  /** Neither a name nor a generateName stands there; one that cannot be read is no lack. */
  readonly lacksName: boolean;
  readonly lacksNamespace: boolean;
  readonly type: string | undefined;
  readonly immutable: boolean;
  /** Where a field stands, such as `type` or `metadata.namespace`; undefined if it is not there. */
  readonly placeOf: (field: string) => Position | undefined;
  /** Fields that no Secret has, but for those that the reader reports. */
  readonly unknownFields: readonly UnknownField[];
  /** The last-applied annotations that hold a value in plaintext, or cannot be read. */
  readonly plaintextAnnotations: readonly { name: string; position: Position }[];
  /** As written, also those whose values cannot be read. */
  readonly dataKeys: ReadonlySet<string>;
  readonly values: readonly JudgedValue[];
  /** It is to be rendered before it is known what it says. */
  readonly template: boolean;
  /** SOPS encrypts it: what SOPS left alone is all that is to be judged. */
  readonly sops: boolean;
}

export interface UnknownField {
  /** Never shown: with an indentation gone wrong, it may be anything. */
  readonly name: string;
  readonly parent: 'a Secret' | 'metadata';
  readonly position: Position;
}

/** What is allowed at the path of a manifest: from the configuration and the command line. */
export interface Policy {
  /** The keys that are known, by kid; undefined when none is, so that kids cannot be judged. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** The kid that the path's rule names. */
  readonly wantedKid: string | undefined;
  /** The namespace and the field that the path's rule names. */
  readonly namespace: string | undefined;
  readonly field: Field | undefined;
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

/**
 * A rule of `kseal verify`: one file, plain data first. A rule without a check is broken by what
 * the reader of the text finds (`src/judged/`), before there is a Secret to check.
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
  /** No configuration and no comment silences it. */
  readonly always?: true;
  /**
   * What a suppression of it on a protected branch covers: the entry or the object at its place
   * (the default), its line, where it says nothing of values, or the whole text, where it may say
   * something of any.
   */
  readonly covers?: 'line' | 'text';
  /** It is true of a template too, whatever that is rendered to. */
  readonly inTemplates?: true;
  readonly checkValue?: (
    value: JudgedValue,
    secret: JudgedSecret,
    allowed: Policy,
  ) => readonly Remark[];
  readonly checkSecret?: (secret: JudgedSecret, allowed: Policy) => readonly Remark[];
}

/** Most checks end with it. */
export const none: readonly Remark[] = [];

/**
 * The first part of its binding that a value does not stand in. A part that the Secret lacks or
 * has wrong is one fault of the Secret, and none of each of its values: it matches anything.
 */
export function misplacedPart(
  { key, jwe }: JudgedValue,
  secret: JudgedSecret,
  allowed: Policy,
): 'namespace' | 'name' | 'data key' | undefined {
  const binding = jwe?.header.binding;
  if (binding === undefined || binding.scope === 'cluster-wide') return undefined;
  if (!standsInNamespace(binding.namespace, secret, allowed)) return 'namespace';
  if (binding.scope === 'namespace-wide') return undefined;
  if (!hasName(binding, secret)) return 'name';
  return binding.key === key ? undefined : 'data key';
}

function standsInNamespace(bound: string, { namespace }: JudgedSecret, allowed: Policy) {
  if (bound === namespace || bound === allowed.namespace) return true;
  return namespace === undefined || !isNamespace(namespace);
}

function hasName(bound: Binding & { scope: 'strict' }, { name, generateName }: JudgedSecret) {
  if (name === undefined) return generateName === undefined;
  return bound.name === name || !isSecretName(name);
}

/** What is said of a value whose key is in the given state. */
export function remarkOnState(
  value: JudgedValue,
  { keys }: Policy,
  state: KeyState,
  hint: string,
): readonly Remark[] {
  const { kid } = value;
  const known = kid === undefined ? undefined : keys?.get(kid);
  if (known?.state !== state) return none;
  const name = known.name === undefined ? kid : `${known.name} (${kid})`;
  const message = `sealed to key ${name}, which is ${state}`;
  return [{ position: value.position, key: value.key, message, hint }];
}

/** Why a value is not read, if that is what `rule` is about. */
export function faultOf({ position, key, fault }: JudgedValue, rule: string): readonly Remark[] {
  if (fault?.rule !== rule) return none;
  return [{ position, key, message: fault.message, hint: fault.hint }];
}

/** What to do with a value that stands in a template. */
export const sealInTemplate =
  'put what kseal seal NAME -n NAMESPACE --prompt KEY --raw prints into values.yaml, and {{ .Values.… }} here';

/** The command that seals what is in plaintext in a file. */
export function sealCommand(path: string): string {
  return path === '-' ? 'kseal seal -f -' : `kseal seal -f ${shellWord(path)} -i`;
}
