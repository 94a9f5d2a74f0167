import { expect, test } from 'vitest';
import { parseGitReference } from '../../src/keys/git.ts';

test.each([
  [
    'git+https://host/org/repo.git?ref=main#keys/prod.pub',
    { url: 'https://host/org/repo.git', ref: 'main', path: 'keys/prod.pub' },
  ],
  [
    'git+https://host/repo#prod.pub',
    { url: 'https://host/repo', ref: undefined, path: 'prod.pub' },
  ],
  ['GIT+HTTPS://Host/Repo#Prod.pub', { url: 'https://Host/Repo', path: 'Prod.pub' }],
  ['git+https://host:8443/repo?ref=v1.0#k', { url: 'https://host:8443/repo', ref: 'v1.0' }],
  ['git+https://[2001:db8::1]:8443/repo#k', { url: 'https://[2001:db8::1]:8443/repo' }],
  ['git+https://host/re%20po#k', { url: 'https://host/re%20po', shown: 'https://host/re%20po' }],
  [
    'git+ssh://git@host/~ann/repo#k',
    { url: 'ssh://git@host/~ann/repo', shown: 'ssh://git@host/~ann/repo' },
  ],
  ['git+ssh://host:22/repo#k', { url: 'ssh://host:22/repo' }],
  ['git+file:///srv/a@b/ü.git#k', { url: 'file:///srv/a@b/ü.git', protocols: ['file'] }],
  ['git+file:///C:/repo#k', { url: 'file:///C:/repo' }],
  // Decoded only once.
  ['git+https://host/r?ref=a%2Fb%2B+c#k%20%2525', { ref: 'a/b++c', path: 'k %25' }],
  ['git+https://host/r?ref=feature/%23123#a%23b', { ref: 'feature/#123', path: 'a#b' }],
  ['git+https://host/r#keys/what?.pub', { path: 'keys/what?.pub' }],
  ['git+https://host/r#-x/..pub/.k/:(top)k', { path: '-x/..pub/.k/:(top)k' }],
])('%s', (text, wanted) => {
  expect(parseGitReference(text)).toMatchObject(wanted);
});

test.each([
  'git+https://ann:sesame@host/repo#k',
  'git+https://sesame@host/repo#k',
  'git+https://ann:s%40sesame@host/repo#k',
])('%s is used unchanged, and shown without credentials', (text) => {
  const { url, shown } = parseGitReference(text);
  expect([`git+${url}#k`, shown]).toEqual([text, 'https://host/repo']);
});

const scheme = 'scheme must be git+https, git+ssh or git+file';
const place = 'missing or malformed host and path of the repository';
const absolute = 'missing or malformed absolute path of the repository';
const file = 'missing path of the key file, after a #';
const path = 'path must start at the root of the repository and have no . or .. parts';
const character = 'path contains a backslash or a control character';
const ref = 'malformed ref';
const parameter = 'only ref=NAME is allowed between ? and #';
const percent = 'malformed percent-encoding; write %25 for a %';

test.each([
  ['git+http://host/r#k', scheme],
  ['git+git://host/r#k', scheme],
  ['git+https:/host/r#k', scheme],
  ['https://host/r#k', scheme],
  ['git+https://host#k', place],
  ['git+https://host/#k', place],
  ['git+https:///r#k', place],
  ['git+https://ann:ses/ame@host/r#k', place],
  ['git+https://ann@bob@host/r#k', place],
  ['git+https://host:port/r#k', place],
  ['git+https://host/r r#k', place],
  ['git+https://host\\x/r#k', place],
  ['git+https://host/r%00#k', place],
  ['git+https://host/\u202er#k', place],
  ['git+ssh://ann:sesame@host/r#k', place],
  ['git+ssh://-ann@host/r#k', place],
  ['git+ssh://-host/r#k', place],
  ['git+ssh://host:org/repo.git#k', place],
  ['git+file://host/r#k', absolute],
  ['git+file://r#k', absolute],
  ['git+https://host/r', file],
  ['git+https://host/r#', file],
  ['git+https://host/r?ref=main', file],
  ['git+https://host/r#a#b', 'more than one #; write %23 for a # in a name'],
  ['git+https://host/r?#k', parameter],
  ['git+https://host/r?ref#k', parameter],
  ['git+https://host/r?REF=main#k', parameter],
  ['git+https://host/r?ref=a&ref=b#k', parameter],
  ['git+https://host/r?ref=a&depth=1#k', parameter],
  ['git+https://host/r?ref=a=b#k', parameter],
  ['git+https://host/r?ref=#k', ref],
  ...['-x', '@', 'a..b', '.a', 'a/.b', 'a.lock', 'a.lock/b', 'a.', '/a', 'a/', 'a//b', 'a@{1}'].map(
    (text) => [`git+https://host/r?ref=${text}#k`, ref] as const,
  ),
  ...['a b', 'a~1', 'a^', 'a:b', 'a%3Fb', 'a*', 'a[b', 'a\\b', 'a%0Ab', 'a%7F', 'a\u202eb'].map(
    (text) => [`git+https://host/r?ref=${text}#k`, ref] as const,
  ),
  ...['/k', 'k/', 'a//k', '.', './k', 'a/../k', '..', '%2e%2e/k', 'a%2F..%2Fk'].map(
    (text) => [`git+https://host/r#${text}`, path] as const,
  ),
  ...['a\\k', 'a%5Ck', 'k%00', 'k%0A', 'k\u0085'].map(
    (text) => [`git+https://host/r#${text}`, character] as const,
  ),
  ['git+https://host/r%#k', percent],
  ['git+https://host/r?ref=%zz#k', percent],
  ['git+https://host/r#k%ff', percent],
] as const)('%j is refused', (text, reason) => {
  expect(() => parseGitReference(text)).toThrow(
    expect.objectContaining({
      code: 'KEY_REFERENCE_INVALID',
      message: `git key reference: ${reason}`,
      hint: expect.stringContaining("'git+https://HOST/REPOSITORY.git?ref=BRANCH#FILE'"),
    }),
  );
});
