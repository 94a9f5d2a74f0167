import { KsealError } from '../errors.ts';
import { isDataKey, isNamespace, isSecretName } from '../kubernetes/names.ts';

/** From narrow to wide: how far from the place it was sealed for a value may be opened. */
export const scopes = ['strict', 'namespace-wide', 'cluster-wide'] as const;

export type Scope = (typeof scopes)[number];

/** Where a value stands: a manifest may lack a namespace, and has no name under generateName. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly key: string;
}

/** The place a sealed value may be opened in: the member `kseal` of its protected header. */
export type Binding =
  | {
      readonly scope: 'strict';
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
    }
  | { readonly scope: 'namespace-wide'; readonly namespace: string }
  | { readonly scope: 'cluster-wide' };

/** What each scope binds, in the order of the header's members. */
const bound = {
  strict: ['namespace', 'name', 'key'],
  'namespace-wide': ['namespace'],
  'cluster-wide': [],
} as const;

const valid = { namespace: isNamespace, name: isSecretName, key: isDataKey };

type Part = 'namespace' | 'name' | 'key';
const parts: readonly Part[] = ['namespace', 'name', 'key'];

/** The first part of `place` that `scope` binds and that is missing or illegal. */
function unfitPart(scope: Scope, place: Place): Part | undefined {
  return bound[scope].find((part) => {
    const text = place[part];
    return text === undefined || !valid[part](text);
  });
}

function pick(scope: Scope, place: Place): Binding {
  const parts = bound[scope].map((part) => [part, place[part]]);
  return Object.fromEntries([['scope', scope], ...parts]);
}

/** Binds a value to `place`. Throws VALUE_REFUSED when the place lacks what the scope binds. */
export function bindingTo(scope: Scope, place: Place): Binding {
  const part = unfitPart(scope, place);
  if (part === undefined) return pick(scope, place);
  const given = place[part];
  if (given !== undefined) {
    throw new KsealError('VALUE_REFUSED', `Kubernetes allows no ${part} ${JSON.stringify(given)}`, {
      hint: allowedHints[part],
    });
  }
  throw new KsealError('VALUE_REFUSED', `scope ${scope} binds the ${part}, and there is none`, {
    hint: missingHints[part],
  });
}

const allowedHints: Record<Part, string> = {
  namespace: 'use at most 63 lower-case letters, digits and "-"',
  name: 'use at most 253 lower-case letters, digits, "-" and "."',
  key: 'use at most 253 letters, digits, "-", "_" and "."',
};

const missingHints: Record<Part, string> = {
  namespace: 'say where the manifest is applied: -n NAMESPACE',
  name: 'give the Secret a metadata.name, or bind less: --scope namespace-wide',
  key: 'name the data key',
};

/** The members of a binding as texts, whatever they hold. */
export type BindingText = Readonly<Record<'scope' | Part, string | undefined>>;

/** Reads the members of a binding; undefined unless they are those of its scope, and may be held. */
export function readBinding(text: BindingText): Binding | undefined {
  const scope = scopes.find((known) => known === text.scope);
  if (scope === undefined || parts.some((part) => !mayHold(scope, part, text[part])))
    return undefined;
  const { namespace, name, key } = text as Record<Part, string>;
  if (scope === 'strict') return { scope, namespace, name, key };
  return scope === 'namespace-wide' ? { scope, namespace } : { scope };
}

function mayHold(scope: Scope, part: Part, text: string | undefined): boolean {
  const binds = bound[scope].some((one) => one === part);
  return text === undefined ? !binds : binds && valid[part](text);
}

/** Whether a value bound to `binding` may be opened at `place`. Nothing else widens a scope. */
export function admits(binding: Binding, place: Place): boolean {
  const sealed: Readonly<Record<string, string | undefined>> = { ...binding };
  return bound[binding.scope].every((part) => sealed[part] === place[part]);
}

/**
 * Throws BINDING_MISMATCH, naming both places, unless a value bound to `binding` may be opened
 * at `place` and its scope is no wider than `maxScope`.
 */
export function checkBinding(
  binding: Binding,
  place: Place,
  maxScope: Scope = 'cluster-wide',
): void {
  if (!admits(binding, place)) {
    throw new KsealError(
      'BINDING_MISMATCH',
      `sealed for ${describeBinding(binding)}, but stands in ${describePlace(place)}`,
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
    return `for a bare JWE say where it stood: --name ${binding.name} -n ${binding.namespace} --data-key ${binding.key}`;
  }
  if (binding.scope === 'strict' && place.name === undefined) {
    return 'give the Secret a metadata.name: under generateName nothing opens that is sealed strict';
  }
  if (binding.scope !== 'cluster-wide' && place.namespace === undefined) {
    return `say where the manifest is applied: -n ${binding.namespace}`;
  }
  return 'put it back, or seal the plaintext again for the new place';
}

/** The place of a binding in words: `hr/db, data key "password"`. */
export function describeBinding(binding: Binding): string {
  if (binding.scope === 'strict') return describePlace(binding);
  if (binding.scope === 'namespace-wide') return `any Secret in namespace ${binding.namespace}`;
  return 'any Secret in the cluster';
}

/** A place in words: `hr/db, data key "password"`. */
export function describePlace({ namespace, name, key }: Place): string {
  return `${namespace ?? '(no namespace)'}/${name ?? '(no name)'}, data key "${key}"`;
}
