// The other JOSE implementations. Each version is installed once, into a cache outside the
// repository.
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output } from './process.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-interop');

/** Long enough to download and compile on a slow machine; milliseconds. */
const installing = { timeout: 300_000 };

/**
 * Each `install` resolves to `{ version, compact, flattened, decrypt }`. `compact(pub, bytes)` and
 * `flattened(pub, bytes)` encrypt to a public key, `decrypt(pem, jwe)` returns the plaintext. It
 * rejects if the partner cannot be installed.
 */
export const partners = [
  { name: 'jwcrypto', install: installJwcrypto },
  { name: 'jose-util', install: installJoseUtil },
];

const jwcryptoVersion = '1.6.1';
const script = join(import.meta.dirname, 'jwcrypto_partner.py');

async function installJwcrypto() {
  const venv = join(cache, `jwcrypto-${jwcryptoVersion}`);
  const python = join(venv, 'bin/python');
  try {
    return await jwcryptoWith(python);
  } catch {
    // Not installed yet, or incomplete.
  }
  try {
    await output('python3', ['-m', 'venv', '--clear', venv], installing);
    const quietly = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1'];
    const pip = ['-m', 'pip', 'install', ...quietly, `jwcrypto==${jwcryptoVersion}`];
    await output(python, pip, installing);
    return await jwcryptoWith(python);
  } catch (error) {
    // A system package such as Debian's python3-jwcrypto is good enough.
    return await jwcryptoWith('python3').catch(() => {
      throw error;
    });
  }
}

async function jwcryptoWith(python) {
  const call = (args, stdin) => output(python, [script, ...args], { stdin });
  return {
    version: (await call(['version'])).toString(),
    compact: (pub, bytes) => call(['compact', pub], bytes),
    flattened: (pub, bytes) => call(['flattened', pub], bytes),
    decrypt: (pem, jwe) => call(['decrypt', pem], jwe),
  };
}

/** The version of the go-jose module, which contains jose-util. */
const joseUtilVersion = 'v4.1.8';

async function installJoseUtil() {
  const folder = join(cache, `jose-util-${joseUtilVersion}`);
  const joseUtil = join(folder, 'jose-util');
  const works = () => output(joseUtil, ['expand', '-h']);
  try {
    await works();
  } catch {
    await mkdir(folder, { recursive: true });
    const module = `github.com/go-jose/go-jose/v4/jose-util@${joseUtilVersion}`;
    const env = { ...process.env, GOBIN: folder };
    await output('go', ['install', module], { ...installing, env });
    await works();
  }
  // jose-util accepts a JWE that ends in a newline, and adds no newline to its output.
  const call = (command, key, stdin) => output(joseUtil, [...command, '--key', key], { stdin });
  const encrypt = ['encrypt', '--alg', 'RSA-OAEP-256', '--enc', 'A128CBC-HS256'];
  return {
    version: joseUtilVersion,
    compact: (pub, bytes) => call(encrypt, pub, bytes),
    flattened: (pub, bytes) => call([...encrypt, '--full'], pub, bytes),
    decrypt: (pem, jwe) => call(['decrypt'], pem, jwe),
  };
}
