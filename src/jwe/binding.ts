import { KsealError } from '../errors.ts';
import { isDataKey, isNamespace, isSecretName } from '../kubernetes/secret.ts';

/** The scopes, from the narrowest to the widest. */
export const scopes = ['strict', 'namespace-wide', 'cluster-wide'] as const;

export type Scope = (typeof scopes)[number];

/** The widest scope that the webhook opens by default. */
export const DEFAULT_MAX_SCOPE: Scope = 'namespace-wide';

/** The place of a value: a manifest may omit the namespace, and under generateName it has no name. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly key: string;
}

/** The places where a sealed value can be opened: the member `kseal` of its protected header. */
export type Binding =
  | {
      readonly scope: 'strict';
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
    }
  | { readonly scope: 'namespace-wide'; readonly namespace: string }
  | { readonly scope: 'cluster-wide' };

/** The parts of a place, and the hints to correct them. */
const partRules = {
  namespace: {
    noun: 'namespace',
    isValid: isNamespace,
    ifMissing: 'pass the namespace: -n NAMESPACE',
    ifInvalid: 'use at most 63 lower-case letters, digits and "-"',
  },
  name: {
    noun: 'Secret name',
    isValid: isSecretName,
    ifMissing: 'set metadata.name, or seal with --scope namespace-wide',
    ifInvalid: 'use at most 253 lower-case letters, digits, "-" and "."',
  },
  key: {
    noun: 'data key',
    isValid: isDataKey,
    ifMissing: 'name the data key',
    ifInvalid: 'use at most 253 letters, digits, "-", "_" and "."',
  },
};

type Part = keyof typeof partRules;
type Parts = Readonly<Partial<Record<Part, string | undefined>>>;

/** The parts that each scope binds, in the order of the header's members. */
const boundParts: Readonly<Record<Scope, readonly Part[]>> = {
  strict: ['namespace', 'name', 'key'],
  'namespace-wide': ['namespace'],
  'cluster-wide': [],
};

/** Binds a value to `place`. Throws VALUE_REFUSED if a part that `scope` binds is missing or invalid. */
export function bindingTo(scope: Scope, place: Place): Binding {
  const part = unfitPart(scope, place);
  if (part === undefined) return bind(scope, place);
  const { noun, ifMissing, ifInvalid } = partRules[part];
  const text = place[part];
  if (text === undefined) {
    throw new KsealError('VALUE_REFUSED', `scope ${scope} needs a ${noun}`, { hint: ifMissing });
  }
  throw new KsealError('VALUE_REFUSED', `invalid ${noun} ${JSON.stringify(text)}`, {
    hint: ifInvalid,
  });
}

/** Parses a binding; undefined if a member is missing, extra or malformed. */
export function readBinding({
  scope: name,
  ...parts
}: Parts & { readonly scope: string | undefined }): Binding | undefined {
  const scope = scopes.find((known) => known === name);
  if (scope === undefined || unfitPart(scope, parts) !== undefined) return undefined;
  const given = Object.values(parts).filter((text) => text !== undefined);
  return given.length === boundParts[scope].length ? bind(scope, parts) : undefined;
}

/** The first part that `scope` binds and that is missing or invalid. */
function unfitPart(scope: Scope, parts: Parts): Part | undefined {
  return boundParts[scope].find((part) => !partRules[part].isValid(parts[part] ?? ''));
}

/** The members are in the order of the header. */
function bind(scope: Scope, { namespace = '', name = '', key = '' }: Parts): Binding {
  if (scope === 'strict') return { scope, namespace, name, key };
  return scope === 'namespace-wide' ? { scope, namespace } : { scope };
}

/** Whether a value bound to `binding` can be opened at `place`. */
export function admits(binding: Binding, place: Place): boolean {
  const parts: Readonly<Record<string, string>> = binding;
  return boundParts[binding.scope].every((part) => parts[part] === place[part]);
}

/**
 * Throws BINDING_MISMATCH if a value bound to `binding` cannot be opened at `place`, or if its
 * scope is wider than `maxScope`.
 */
export function checkBinding(
  binding: Binding,
  place: Place,
  maxScope: Scope = 'cluster-wide',
): void {
  if (!admits(binding, place)) {
    throw new KsealError(
      'BINDING_MISMATCH',
      `sealed for ${describeBinding(binding)}, found in ${describePlace(place)}`,
      { hint: mismatchHint(binding, place) },
    );
  }
  if (scopes.indexOf(binding.scope) > scopes.indexOf(maxScope)) {
    throw new KsealError('BINDING_MISMATCH', `scope ${binding.scope} is wider than ${maxScope}`, {
      hint: 'seal the value again with --scope strict',
    });
  }
}

function mismatchHint(binding: Binding, place: Place): string {
  if (binding.scope === 'strict' && place.key === '') {
    return `add --name ${binding.name} -n ${binding.namespace} --data-key ${binding.key}`;
  }
  if (binding.scope === 'strict' && place.name === undefined) {
    return 'set metadata.name: a value with scope strict does not open under generateName';
  }
  if (binding.scope !== 'cluster-wide' && place.namespace === undefined) {
    return `add -n ${binding.namespace}`;
  }
  return 'move the value back, or seal the plaintext again for the new place';
}

/** Describes where a value can be opened: `hr/db, data key "password"` for scope strict. */
export function describeBinding(binding: Binding): string {
  if (binding.scope === 'strict') return describePlace(binding);
  if (binding.scope === 'namespace-wide') return `any Secret in namespace ${binding.namespace}`;
  return 'any Secret in the cluster';
}

/** Describes a place: `hr/db, data key "password"`. */
export function describePlace({ namespace, name, key }: Place): string {
  return `${namespace ?? '(no namespace)'}/${name ?? '(no name)'}, data key "${key}"`;
}
