// Writes dist/cache/VERSION-PLATFORM-ARCH/, with which the same Node.js starts kseal faster: the code
// that V8 made of dist/ while some commands ran. Each file has the name of its source, which contains
// a hash. kseal itself never writes it: whoever can write there can replace the program, too.
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';

const plain = `apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: hr
stringData:
  password: example
`;

/** Commands with their input, which run in a folder with the key pair `key.pub` and `key.pem`. */
const commands = [
  ['seal db -n hr -k key.pub --stdin password', 'example'],
  ['seal -f db.yaml -i -k key.pub', ''],
  ['verify db.yaml', ''],
  ['decrypt db.yaml -k key.pem', ''],
  ['--version', ''],
];

async function runIn(cwd, main, [line, input]) {
  const discard = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  const stdin = Readable.from([Buffer.from(input)]);
  const none = () => undefined;
  const io = {
    ...{ stdin, stdout: discard(), stderr: discard(), env: {}, cwd, openTerminal: none },
    ...{ onSignal: () => none, onUncaught: () => none },
  };
  const code = await main(line.split(' '), io);
  if (code !== 0) throw new Error(`kseal ${line}: exit code ${code}`);
}

/** Runs the commands in a new folder with `main` of the program. Throws if one fails. */
export async function runCommands(main) {
  const cwd = await mkdtemp(join(tmpdir(), 'kseal-'));
  try {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 3072,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    await writeFile(join(cwd, 'key.pub'), publicKey);
    await writeFile(join(cwd, 'key.pem'), privateKey, { mode: 0o600 });
    await writeFile(join(cwd, 'db.yaml'), plain);
    for (const command of commands) await runIn(cwd, main, command);
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** Writes the cache of the program in the folder `dist`. */
export async function makeCache(dist) {
  const kseal = createRequire(import.meta.url)(join(dist, 'main.cjs'));
  kseal.scripts = new Map();
  await runCommands(kseal.main);
  const { version, platform, arch } = process;
  const folder = join(dist, 'cache', `${version}-${platform}-${arch}`);
  await mkdir(folder, { recursive: true });
  for (const [name, script] of kseal.scripts)
    await writeFile(join(folder, name), script.createCachedData());
}

// For another Node.js than that of the build: npx node@24 build/cache.mjs
if (process.argv[1] === import.meta.filename) await makeCache(join(import.meta.dirname, '../dist'));
