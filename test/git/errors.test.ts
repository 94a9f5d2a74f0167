import { expect, test } from 'vitest';
import { failure, withoutCredentials } from '../../src/git/errors.ts';

const shown = 'https://host/keys.git';

/** The end of every failure over ssh. */
const foot = `fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.`;

const rights = 'missing or rejected credentials';
const gone = 'no such repository, or no permission to see it';
const host = 'host not found';
const hostKey = 'unknown or changed SSH host key';
const certificate = 'the certificate of the server is not trusted';

/** Output of git 2.30 to 2.50, curl and OpenSSH, with GitHub, GitLab, Bitbucket and plain servers. */
test.each([
  [
    "fatal: could not read Username for 'https://host': terminal prompts disabled",
    'KEY_DENIED',
    rights,
  ],
  [
    "fatal: could not read Username for 'https://host': No such device or address",
    'KEY_DENIED',
    rights,
  ],
  ["fatal: could not read Password for 'https://ann@host': No such device", 'KEY_DENIED', rights],
  [
    "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://host/keys.git/'",
    'KEY_DENIED',
    rights,
  ],
  [`git@host: Permission denied (publickey).\n${foot}`, 'KEY_DENIED', rights],
  [
    `Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n${foot}`,
    'KEY_DENIED',
    rights,
  ],
  [`ERROR: Permission to org/keys.git denied to ann.\n${foot}`, 'KEY_DENIED', rights],
  [`Host key verification failed.\n${foot}`, 'KEY_DENIED', hostKey],
  [
    `@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n${foot}`,
    'KEY_DENIED',
    hostKey,
  ],
  [
    `fatal: detected dubious ownership in repository at '/srv/keys.git'\n${foot}`,
    'KEY_DENIED',
    'owned by another user, so git does not trust it',
  ],
  [
    "remote: Repository not found.\nfatal: repository 'https://host/keys.git/' not found",
    'KEY_NOT_FOUND',
    gone,
  ],
  [`ERROR: Repository not found.\n${foot}`, 'KEY_NOT_FOUND', gone],
  [
    `remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.\n${foot}`,
    'KEY_NOT_FOUND',
    gone,
  ],
  [`fatal: '/srv/keys.git' does not appear to be a git repository\n${foot}`, 'KEY_NOT_FOUND', gone],
  [
    'fatal: remote error: upload-pack: not our ref 0123',
    'KEY_NOT_FOUND',
    'no such commit, or the server does not provide it',
  ],
  [
    'error: Server does not allow request for unadvertised object 0123',
    'KEY_NOT_FOUND',
    'no such commit, or the server does not provide it',
  ],
  [
    "fatal: unable to access 'https://host/keys.git/': Could not resolve host: host",
    'KEY_UNAVAILABLE',
    host,
  ],
  [
    "fatal: unable to access 'https://host/keys.git/': Could not resolve proxy: proxy",
    'KEY_UNAVAILABLE',
    host,
  ],
  [
    `ssh: Could not resolve hostname host: Name or service not known\n${foot}`,
    'KEY_UNAVAILABLE',
    host,
  ],
  [
    `ssh: Could not resolve hostname host: nodename nor servname provided\n${foot}`,
    'KEY_UNAVAILABLE',
    host,
  ],
  [
    "fatal: unable to access 'https://host/': SSL certificate problem: self-signed certificate",
    'KEY_UNAVAILABLE',
    certificate,
  ],
  [
    "fatal: unable to access 'https://host/': server certificate verification failed. CAfile: none CRLfile: none",
    'KEY_UNAVAILABLE',
    certificate,
  ],
  [
    "fatal: unable to access 'https://host/': Failed to connect to host port 443 after 130 ms: Connection refused",
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
  [
    "fatal: unable to access 'https://host/': OpenSSL SSL_connect: Connection reset by peer",
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
  [
    "fatal: unable to access 'https://host/': Operation timed out after 30000 milliseconds",
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
  [
    `ssh: connect to host host port 22: Connection timed out\n${foot}`,
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
  [
    `ssh: connect to host host port 22: Permission denied\n${foot}`,
    'KEY_UNAVAILABLE',
    'cannot reach the repository',
  ],
  [foot, 'KEY_UNAVAILABLE', 'cannot reach the repository'],
  ['fatal: the remote end hung up unexpectedly', 'KEY_UNAVAILABLE', 'cannot reach the repository'],
  ["fatal: transport 'git' not allowed", 'KEY_DENIED', 'transport not allowed'],
  [
    'fatal: dumb http transport does not support shallow capabilities',
    'KEY_UNAVAILABLE',
    'the server has only plain files and does not speak the git protocol',
  ],
  [
    'fatal: mismatched algorithms: client sha1; server sha256',
    'KEY_UNAVAILABLE',
    'SHA-256 repositories are not supported',
  ],
  [
    "error: unknown option `object-format=sha1'\nusage: git init",
    'KEY_UNAVAILABLE',
    'git is too old',
  ],
  ['fatal: something nobody has seen before', 'KEY_UNAVAILABLE', 'git failed'],
  ['', 'KEY_UNAVAILABLE', 'git failed'],
])('%s', (stderr, code, message) => {
  const error = failure({ code: 128, stderr }, shown);
  expect(error).toMatchObject({ code, message, cause: { message: expect.any(String) } });
});

test('the hint names the repository, and the cause has no credentials', () => {
  const stderr = "fatal: Authentication failed for 'https://ann:sesame@host/keys.git/'";
  const { hint, cause } = failure({ code: 128, stderr }, shown);
  expect(hint).toBe('sign in first: git ls-remote https://host/keys.git');
  expect(String(cause)).toBe(
    "Error: git exited with 128: fatal: Authentication failed for 'https://host/keys.git/'",
  );
});

test.each([
  ['https://ann:sesame@host/x', 'https://host/x'],
  ['https://token@host/x', 'https://host/x'],
  ['https://a:b@c@host/x', 'https://host/x'],
  ['ssh://git@host/x and ssh://git:sesame@host/y', 'ssh://git@host/x and ssh://host/y'],
  ['file:///srv/a@b', 'file:///srv/a@b'],
])('%s is shown as %s', (text, shownText) => {
  expect(withoutCredentials(text)).toBe(shownText);
});
