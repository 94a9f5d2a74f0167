import type { Binding } from '../jwe/binding.ts';
import { isNamespace, isSecretName } from '../kubernetes/names.ts';
import type { Allowance, JudgedSecret, JudgedValue } from './rule.ts';

/**
 * The first part of its binding that a value does not stand in. A part that the Secret lacks or
 * has wrong is one fault of the Secret, and none of each of its values: it matches anything.
 */
export function misplacedPart(
  { key, jwe }: JudgedValue,
  secret: JudgedSecret,
  allowed: Allowance,
): 'namespace' | 'name' | 'data key' | undefined {
  const binding = jwe?.header.binding;
  if (binding === undefined || binding.scope === 'cluster-wide') return undefined;
  if (!standsInNamespace(binding.namespace, secret, allowed)) return 'namespace';
  if (binding.scope === 'namespace-wide') return undefined;
  if (!hasName(binding, secret)) return 'name';
  return binding.key === key ? undefined : 'data key';
}

function standsInNamespace(bound: string, { namespace }: JudgedSecret, allowed: Allowance) {
  if (bound === namespace || bound === allowed.namespace) return true;
  return namespace === undefined || !isNamespace(namespace);
}

function hasName(bound: Binding & { scope: 'strict' }, { name, generateName }: JudgedSecret) {
  if (name === undefined) return generateName === undefined;
  return bound.name === name || !isSecretName(name);
}
