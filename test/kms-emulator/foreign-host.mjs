// Loaded before a program (`node --import`), or by a test: gives this machine one more name, as an
// entry in its hosts file would. kseal cannot know whose it is, so to it kseal speaks TLS and shows
// its credentials, as to Google. (An IP address is no TLS server name: RFC 6066 §3.)
import dns from 'node:dns';

export const FOREIGN_HOST = 'kms.kseal.test';

const { lookup } = dns.promises;
dns.promises.lookup = (host, ...options) =>
  lookup(host === FOREIGN_HOST ? '127.0.0.1' : host, ...options);
