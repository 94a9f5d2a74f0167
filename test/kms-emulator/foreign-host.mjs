// Resolves one more name to this machine, like an entry in the hosts file. Imported by a test, or
// with `node --import`. kseal treats the name like a host of Google: it uses TLS and sends
// credentials. An IP address would not do, because it is not a TLS server name (RFC 6066 §3).
import dns from 'node:dns';

export const FOREIGN_HOST = 'kms.kseal.test';

const { lookup } = dns.promises;
dns.promises.lookup = (host, ...options) =>
  lookup(host === FOREIGN_HOST ? '127.0.0.1' : host, ...options);
