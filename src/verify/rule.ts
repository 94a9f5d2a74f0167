import type { Diagnostic, Location, Position, Words } from '../diagnostic.ts';
import type { KsealError } from '../errors.ts';
import type { Binding, Scope } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { isNamespace, isSecretName } from '../kubernetes/secret.ts';
import { rawCommands } from '../manifest/nested.ts';
import type { Annotation, Field, NestedSecret, ReaderCode } from '../manifest/types.ts';
import type { Progress } from '../request/answer.ts';
import { shellWord } from '../text.ts';
import type { YamlNode } from '../yaml/node.ts';
import type { BadSuppression } from './suppressions.ts';
import type { TemplateDocument } from './templates.ts';

/**
 * A rule of `kseal verify`. Each has a file with its checks, texts and examples, and only that file
 * reports its id.
 */
export interface Rule {
  readonly id: string;
  readonly severity: Severity;
  /** One line for lists and SARIF. */
  readonly summary: string;
  /** For `--explain`: why it matters, and a wrong and a right example. */
  readonly why: string;
  readonly wrong: string;
  readonly right: string;
  /** Neither the configuration nor a comment can suppress it. */
  readonly always?: true;
  /**
   * The text that a suppression on a protected branch covers: the entry or object at the position
   * of the finding (default), only its line, or the whole text.
   */
  readonly covers?: 'line' | 'text';
  /** Also applies to templates, because rendering cannot undo a violation. */
  readonly inTemplates?: true;
  readonly checkText?: (text: JudgedText, policy: Policy) => readonly Violation[];
  /** Returns the violation for a problem of the reader; undefined if another rule reports it. */
  readonly checkProblem?: (
    problem: ReaderProblem,
    text: JudgedText,
    policy: Policy,
  ) => Violation | undefined;
  /** For secret requests, which are not manifests. */
  readonly checkRequest?: (request: JudgedRequest) => readonly Violation[];
  readonly checkSecret?: (secret: JudgedSecret, policy: Policy) => readonly Violation[];
  readonly checkValue?: (
    value: JudgedValue,
    secret: JudgedSecret,
    policy: Policy,
  ) => readonly Violation[];
}

export type Severity = 'error' | 'warning';

/** A violation of a rule; `verify` adds the id of the rule, and the Secret if there is one. */
export interface Violation extends Location, Words {
  /** Set only if it differs from the severity of the rule. */
  readonly severity?: Severity | undefined;
}

/** The result of most checks. */
export const none: readonly Violation[] = [];

/** A violation of the rule `code` in a file. */
export interface Finding extends Diagnostic {
  readonly severity: Severity;
  /** As the user typed it, with `/`. */
  readonly path: string;
}

/** A finding that a comment `# kseal-ignore RULE: reason` suppresses. */
export interface SuppressedFinding extends Finding {
  readonly reason: string;
}

/** A text as the rules see it, as far as it can be read. */
export interface JudgedText {
  /** The path for a command line. */
  readonly path: string;
  /** Whether it is a key file and not a manifest. */
  readonly isKeyFile: boolean;
  readonly source: string;
  /** The error if the text cannot be read or decoded; everything else is empty then. */
  readonly unreadable?: KsealError;
  readonly roots: readonly YamlNode[];
  readonly problems: readonly ReaderProblem[];
  readonly secrets: readonly JudgedSecret[];
  readonly templates: readonly TemplateDocument[];
  readonly badSuppressions: readonly BadSuppression[];
  /** Set if the text is a secret request. */
  readonly request?: JudgedRequest | undefined;
}

/** A secret request as the rules see it. */
export interface JudgedRequest {
  /** The path for a command line. */
  readonly path: string;
  readonly position: Position;
  readonly problems: readonly (Words & Location)[];
  /** The values that the targets lack; undefined for a malformed request. */
  readonly progress: Progress | undefined;
  /** One for each target, in the order of the request. */
  readonly targets: readonly {
    readonly position: Position;
    readonly error: KsealError | undefined;
  }[];
}

/** A problem that the manifest reader reports. */
export interface ReaderProblem extends Diagnostic<ReaderCode> {
  /** Whether the text at the position is a placeholder, looks sealed, or is something else. */
  readonly holds: 'placeholder' | 'sealed' | 'text';
  /** The tool that replaces the placeholder. */
  readonly tool?: string | undefined;
  /** Another tool makes the data key, and the problem is about the value under it. */
  readonly madeKey: boolean;
  readonly inTemplate: boolean;
  /** The Secret inside another object that the problem is about. */
  readonly nested: NestedSecret | undefined;
}

/** A value of a Secret. At most one of `jwe`, `defect` and `placeholder` is set. */
export interface JudgedValue {
  readonly field: Field;
  readonly key: string;
  readonly position: Position;
  readonly bytes: Uint8Array;
  readonly jwe: CompactJwe | undefined;
  /** The kid, if it is a thumbprint. Other tools put any text there, so it is never shown. */
  readonly kid: string | undefined;
  /** Why a value that looks sealed, or was meant to be sealed, cannot be opened. */
  readonly defect: Defect | undefined;
  /** The tool that replaces it: it consists of `{{ … }}`, `${…}` or other placeholders. */
  readonly placeholder: string | undefined;
}

export interface Defect {
  readonly kind: 'flattened' | 'refused' | 'damaged' | 'prefixed' | 'foreign';
  /** The error of the strict reader, for the first three kinds. */
  readonly error: KsealError | undefined;
}

export interface JudgedSecret {
  readonly path: string;
  readonly label: string;
  readonly position: Position;
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  /** The namespace of the manifest, else of the rule for the path. */
  readonly namespace: string | undefined;
  /** It has neither name nor generateName. An unreadable name is not a missing one. */
  readonly lacksName: boolean;
  readonly lacksNamespace: boolean;
  readonly type: string | undefined;
  readonly immutable: boolean;
  /** Returns the position of a field such as `type` or `metadata.namespace`. */
  readonly positionOf: (field: string) => Position | undefined;
  readonly serverMetadata: Violation | undefined;
  readonly plaintextAnnotations: readonly Annotation[];
  /** All data keys with a value, even if it cannot be read. */
  readonly dataKeys: ReadonlySet<string>;
  readonly values: readonly JudgedValue[];
  readonly inTemplate: boolean;
  /** Set if it is inside another object. Its names may be parameters, so rules about them do not apply. */
  readonly nested: NestedSecret | undefined;
  /** The bytes that its annotations total after a client-side `kubectl apply`; 0 if they are few. */
  readonly appliedBytes: number;
  /** Whether SOPS encrypts it. If so, `values` has only those that SOPS left in plaintext. */
  readonly sops: boolean;
}

/** The policy for the path of a manifest, from the configuration and the command line. */
export interface Policy {
  /** The known keys, by kid; undefined if no key is known, so kids cannot be judged. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** The kid of the key that the rule for the path names. */
  readonly wantedKid: string | undefined;
  /** The namespace and field of the rule for the path. */
  readonly namespace: string | undefined;
  readonly field: Field | undefined;
  readonly maxScope: Scope;
  /** The kids of `--fail-if-kid`. */
  readonly refusedKids: ReadonlySet<string>;
  /** The key for hints to seal; undefined if the configuration has one. */
  readonly sealKey?: string | undefined;
}

export interface AllowedKey {
  readonly name: string | undefined;
  readonly state: KeyState;
  readonly bits: number | undefined;
}

/** Returns the command that seals the plaintext values of a file. */
export function sealCommand(path: string, { sealKey }: Policy): string {
  const key = sealKey === undefined ? '' : ` -k ${shellWord(sealKey)}`;
  return path === '-' ? `kseal seal -f -${key}` : `kseal seal -f ${shellWord(path)} -i${key}`;
}

/**
 * Returns the command that moves the values of a file to the key for its path, or if no rule names
 * one, to the only active key.
 */
export function rekeyCommand(path: string, { keys, wantedKid, refusedKids }: Policy): string {
  const active = [...(keys ?? [])].filter(
    ([kid, { state, name }]) => state === 'active' && name !== undefined && !refusedKids.has(kid),
  );
  const [only, other] = active.filter(([kid]) => kid === (wantedKid ?? kid));
  const name = other === undefined ? only?.[1].name : undefined;
  return `kseal rekey ${path === '-' ? 'FILE' : shellWord(path)} --to ${shellWord(name ?? 'NEW')}`;
}

/** How to judge a template. */
export const renderFirst =
  'render it first, and verify the result: helm template . | kseal verify -';

/** How to seal a value in a template. */
export const sealInTemplate =
  'run kseal seal NAME -n NAMESPACE --prompt KEY --raw, put the output into values.yaml, and refer to it here: {{ .Values.… }}';

/** How to seal a value of a Secret that kseal does not edit, because it is inside another object. */
export function sealNested(nested: NestedSecret, key: string | undefined, field?: Field): string {
  const { seal } = rawCommands(nested, key);
  if (field === 'stringData') return `run ${seal}, and replace the value with the output`;
  return `run ${seal}, and put the output under stringData instead`;
}

/**
 * Returns the first part of its binding that the place of a value contradicts. A missing or invalid
 * name or namespace matches any binding, because it is reported once for the Secret.
 */
export function misplacedPart(
  { key, jwe }: JudgedValue,
  secret: JudgedSecret,
  policy: Policy,
): 'namespace' | 'name' | 'data key' | undefined {
  const binding = jwe?.header.binding;
  if (binding === undefined || binding.scope === 'cluster-wide') return undefined;
  if (!isInNamespace(binding.namespace, secret, policy)) return 'namespace';
  if (binding.scope === 'namespace-wide') return undefined;
  if (!hasName(binding, secret)) return 'name';
  return binding.key === key ? undefined : 'data key';
}

function isInNamespace(bound: string, { namespace }: JudgedSecret, policy: Policy): boolean {
  if (bound === namespace || bound === policy.namespace) return true;
  return namespace === undefined || !isNamespace(namespace);
}

function hasName(bound: Binding & { scope: 'strict' }, { name, generateName }: JudgedSecret) {
  if (name === undefined) return generateName === undefined;
  return bound.name === name || !isSecretName(name);
}

/** Reports a value whose key is in the given state. */
export function keyInState(
  { position, key, kid }: JudgedValue,
  { keys }: Policy,
  state: KeyState,
  hintFor: () => string,
): readonly Violation[] {
  const known = kid === undefined ? undefined : keys?.get(kid);
  if (known?.state !== state) return none;
  const name = known.name === undefined ? kid : `${known.name} (${kid})`;
  return [{ position, key, message: `sealed to ${state} key ${name}`, hint: hintFor() }];
}
