// The other JOSE implementations. They are installed into a cache outside the repository, under
// their versions, and used from there the next time.
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output } from './process.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-interop');

/** Enough to download and compile on a slow machine. */
const installing = { timeout: 300_000 };

/**
 * Each `install` resolves to `{ version, compact, flattened, decrypt }`: two serializations of what
 * it encrypts to a public key (`compact(pub, octets)`), and the octets of a JWE it decrypts
 * (`decrypt(pem, jwe)`). It rejects where the partner is not to be had.
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
    // Not there yet, or not complete.
  }
  try {
    await output('python3', ['-m', 'venv', '--clear', venv], installing);
    const quietly = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1'];
    const pip = ['-m', 'pip', 'install', ...quietly, `jwcrypto==${jwcryptoVersion}`];
    await output(python, pip, installing);
    return await jwcryptoWith(python);
  } catch (error) {
    // What the system has, as Debian's python3-jwcrypto, is as good a partner.
    return await jwcryptoWith('python3').catch(() => {
      throw error;
    });
  }
}

async function jwcryptoWith(python) {
  const call = (args, stdin) => output(python, [script, ...args], { stdin });
  return {
    version: (await call(['version'])).toString(),
    compact: (pub, octets) => call(['compact', pub], octets),
    flattened: (pub, octets) => call(['flattened', pub], octets),
    decrypt: (pem, jwe) => call(['decrypt', pem], jwe),
  };
}

/** jose-util is part of the module go-jose v4, so that it has its version. */
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
  // jose-util neither trims nor adds a newline on either side; a JWE may end in one.
  const call = (command, key, stdin) => output(joseUtil, [...command, '--key', key], { stdin });
  const encrypt = ['encrypt', '--alg', 'RSA-OAEP-256', '--enc', 'A128CBC-HS256'];
  return {
    version: joseUtilVersion,
    compact: (pub, octets) => call(encrypt, pub, octets),
    flattened: (pub, octets) => call([...encrypt, '--full'], pub, octets),
    decrypt: (pem, jwe) => call(['decrypt'], pem, jwe),
  };
}
