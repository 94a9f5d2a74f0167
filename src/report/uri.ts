/** A path, as the user named it, as a URI reference (RFC 3986): relative unless the path is not. */
export function uriOf(path: string): string {
  const encoded = path
    .replace(/^(?:\.\/+)+/, '')
    .replace(/\p{Cs}/gu, '\uFFFD')
    .split('/')
    .map(encodeURIComponent)
    .join('/');
  if (path.startsWith('/')) return `file://${encoded}`;
  return /^[A-Za-z]:\//.test(path) ? `file:///${encoded.replace('%3A', ':')}` : encoded;
}
