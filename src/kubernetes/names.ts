// Names as the Kubernetes API server checks them. No name that a binding can hold has a character
// that JSON would escape.

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** A namespace: a DNS label (RFC 1123; k8s.io/apimachinery IsDNS1123Label). */
export function isNamespace(text: string): boolean {
  return text.length <= 63 && dnsLabel.test(text);
}

/** A Secret's name: a DNS subdomain (RFC 1123; k8s.io/apimachinery IsDNS1123Subdomain). */
export function isSecretName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => dnsLabel.test(label));
}

/** A Secret data key (k8s.io/apimachinery IsConfigMapKey); `__proto__` and `.hidden` are valid. */
export function isDataKey(text: string): boolean {
  return (
    text.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(text) && text !== '.' && !text.startsWith('..')
  );
}

/** The key of a label or an annotation (k8s.io/apimachinery IsQualifiedName). */
export function isLabelKey(text: string): boolean {
  const [name = '', prefix, ...more] = text.split('/').reverse();
  return (
    more.length === 0 &&
    (prefix === undefined || isSecretName(prefix)) &&
    name.length <= 63 &&
    /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)
  );
}
