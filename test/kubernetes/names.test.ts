import { describe, expect, test } from 'vitest';
import { isDataKey, isLabelKey, isNamespace, isSecretName } from '../../src/kubernetes/secret.ts';

// The limits of k8s.io/apimachinery: IsDNS1123Label, IsDNS1123Subdomain, IsConfigMapKey and
// IsQualifiedName.
const a = (length: number) => 'a'.repeat(length);

const names = {
  namespace: {
    is: isNamespace,
    valid: ['a', '0', 'hr', 'kube-system', 'a--b', a(63)],
    invalid: ['', '-', '-a', 'a-', 'A', 'a.b', 'a_b', 'a b', 'a\n', 'é', 'a/b', a(64)],
  },
  'Secret name': {
    is: isSecretName,
    valid: ['a', '0', 'db', 'db-credentials', 'a.b', '1.2.3', 'sh.helm.release.v1.x', a(253)],
    invalid: ['', '.', 'a.', '.a', 'a..b', 'a.-b', 'a-.b', 'A', 'a_b', 'a\n', 'a/b', 'é', a(254)],
  },
  'data key': {
    is: isDataKey,
    valid: ['a', 'A', '0', '_', '-', 'a.b', '.hidden', '.dockerconfigjson', 'tls.crt', a(253)],
    invalid: ['', '.', '..', '..x', '...', '..data', 'a/b', 'a b', 'a\n', 'é', '~', 'a:b', a(254)],
  },
  'label key': {
    is: isLabelKey,
    valid: ['a', 'A1', 'app.kubernetes.io/name', 'a_b-c.d', 'x/A', a(63), `${a(253)}/${a(63)}`],
    invalid: ['', '/', 'a/', '/a', 'a/b/c', '-a', 'a-', '.a', 'a b', 'X/a', 'a\n', a(64)],
  },
};

describe.each(Object.entries(names))('%s', (_, { is, valid, invalid }) => {
  test.each(valid)('%j is valid', (text) => {
    expect(is(text)).toBe(true);
  });

  test.each(invalid)('%j is not valid', (text) => {
    expect(is(text)).toBe(false);
  });
});

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
  '%s is a valid data key',
  (text) => {
    expect(isDataKey(text)).toBe(true);
  },
);
