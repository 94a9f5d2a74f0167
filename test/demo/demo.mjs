// The main job of kseal from end to end, on a key made on the spot: `npm run demo`.
// It runs the real command in a temporary folder and checks every outcome it tells of.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const bin = join(import.meta.dirname, '../../bin/kseal.js');
const folder = mkdtempSync(join(tmpdir(), 'kseal-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** What the commands find in their environment. */
const surroundings = {};
const file = (name) => join(folder, name);
const read = (name) => readFileSync(file(name), 'utf8');
const print = (text) => process.stdout.write(`${text}\n`);
const indent = (text) => text.trimEnd().replace(/^/gm, '    ');

/** Sealed values are long: the middle of each is left out. */
const shorten = (text) => text.replace(/([\w+/=.-]{24})[\w+/=.-]{60,}([\w+/=.-]{8})/g, '$1…$2');

function step(persona, text) {
  print(`\n── ${persona} ${'─'.repeat(Math.max(0, 74 - persona.length))}\n${text}\n`);
}

function show(name) {
  print(`  $ cat ${name}\n${indent(shorten(read(name)))}`);
}

/** Runs kseal as typed, prints what it says, and checks its exit code. */
function kseal(line, { input = '', exit = 0, quiet = false } = {}) {
  const shown = input && !Buffer.isBuffer(input) ? `printf '%s' '${input}' | ` : '';
  print(`  $ ${shown}kseal ${line}`);
  const result = spawnSync(process.execPath, [bin, ...line.split(' ')], {
    cwd: folder,
    input,
    env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1', ...surroundings },
  });
  const [out, words] = [result.stdout, result.stderr.toString()];
  if (out.length > 0 && !quiet) print(indent(shorten(out.toString())));
  if (words !== '') print(indent(words));
  if (exit !== 0) print(`    (exit code ${result.status})`);
  assert.equal(result.status, exit, `kseal ${line}`);
  return out;
}

const password = 'correct-horse-battery';
const binary = randomBytes(48);
const { privateKey: pem } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

step(
  'KMS manager',
  `Makes a key pair. In production the private half is made in the KMS and never leaves it;
here a file stands in for it. Only the public half, prod.pub, goes into Git.`,
);
kseal('keygen -o prod');

step(
  'Secrets custodian',
  `Has written down a Secret: a password, a private key of several lines and a binary value.
This file must not go into Git as it is.`,
);
writeFileSync(
  file('db.yaml'),
  `# Credentials of the HR database. Owner: the DBA team.
apiVersion: v1
kind: Secret
metadata:
  name: db-credentials
  namespace: hr
type: Opaque
data:
  keytab: ${binary.toString('base64')}   # binary, as base64
  password: ${Buffer.from(password).toString('base64')}
  # the client certificate's key
  tls.key: ${Buffer.from(pem).toString('base64')}
`,
);
show('db.yaml');
const before = read('db.yaml').split('\n');

step(
  'Secrets custodian',
  'Seals it, offline, with nothing but the public key. Only the values change; the comments stay.',
);
kseal('seal -f db.yaml -k prod.pub -i');
show('db.yaml');
const sealed = read('db.yaml');
const after = sealed.split('\n');
const changed = before.filter((line, i) => line !== after[i]);
assert.equal(changed.length, 3);
assert(!sealed.includes(Buffer.from(password).toString('base64')));
print(`\n  ${changed.length} of ${before.length} lines changed. A second run changes nothing:\n`);
kseal('seal -f db.yaml -k prod.pub -i');
assert.equal(read('db.yaml'), sealed);

step('Secrets custodian', 'Adds one more value. Nobody needs to see the others for that.');
kseal('seal --into db.yaml -k prod.pub --stdin username', { input: 'hr_app' });
assert(sealed.split('\n').every((line) => read('db.yaml').includes(line)));

step('Reviewer', 'Sees what is sealed, for which place and to which key, and needs no key for it.');
kseal('inspect db.yaml');

step(
  'The cluster (played by the holder of the private key)',
  'Opens the values with the same code that the admission webhook runs, and gets every octet back.',
);
const same = (key, octets) =>
  assert(
    kseal(`decrypt db.yaml -k prod.pem --only ${key}`, { quiet: key !== 'password' }).equals(
      octets,
    ),
  );
same('password', Buffer.from(password));
same('tls.key', Buffer.from(pem));
same('keytab', binary);
print('\n  All three are equal to what was sealed, octet for octet.');

step(
  'Somebody with the repository',
  'Copies the sealed Secret into his own namespace, to have the cluster open it for him.',
);
writeFileSync(file('stolen.yaml'), read('db.yaml').replace('namespace: hr', 'namespace: mallory'));
kseal('decrypt stolen.yaml -k prod.pem', { exit: 2 });

step('Somebody with the repository', 'Changes one character of a sealed value.');
const jwe = Buffer.from(/password: (\S+)/.exec(read('db.yaml'))[1], 'base64').toString();
const at = jwe.lastIndexOf('.') - 10;
const damaged = jwe.slice(0, at) + (jwe[at] === 'A' ? 'B' : 'A') + jwe.slice(at + 1);
writeFileSync(
  file('damaged.yaml'),
  read('db.yaml').replace(/password: \S+/, `password: ${Buffer.from(damaged).toString('base64')}`),
);
kseal('decrypt damaged.yaml -k prod.pem', { exit: 3 });

step('Somebody with another key', 'Tries to open it.');
kseal('keygen -o mine');
kseal('decrypt db.yaml -k mine.pem', { exit: 3 });

step(
  'KMS manager',
  `Now with a KMS, so that the private key is in no file at all. An emulator plays Google Cloud
KMS here: a real gRPC server with software keys. The key "hr" has the versions 1, 2 and 10.`,
);
const ring = 'projects/demo/locations/global/keyRings/demo/cryptoKeys/hr';
const versions = [1, 2, 10].map((id) => ({ id, algorithm: 'RSA_DECRYPT_OAEP_4096_SHA256' }));
const emulator = spawn(
  process.execPath,
  [
    join(import.meta.dirname, '../kms-emulator/start.mjs'),
    JSON.stringify({ keys: { [ring]: versions } }),
  ],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
const answers = createInterface({ input: emulator.stdout })[Symbol.asyncIterator]();
const emulatorEndpoint = (await answers.next()).value;
surroundings.KSEAL_KMS_ENDPOINT = emulatorEndpoint;
kseal(`fetch-pubkey gcpkms://${ring} -o hr.pub`);

step('Secrets custodian', 'Seals to the file, offline: without a KMS, an account or the network.');
delete surroundings.KSEAL_KMS_ENDPOINT;
kseal('seal app -n hr -k hr.pub --stdin token -o app.yaml', { input: 'a-token-from-hr' });

step(
  'The cluster',
  'Sends the KMS only the encrypted key of the value, and decrypts the rest itself.',
);
const callsSoFar = async () => {
  emulator.stdin.write('["calls"]\n');
  return JSON.parse((await answers.next()).value);
};
surroundings.KSEAL_KMS_ENDPOINT = emulatorEndpoint;
assert.equal(
  kseal(`decrypt app.yaml -k gcpkms://${ring} --only token`).toString(),
  'a-token-from-hr',
);
const decrypts = (await callsSoFar()).filter(({ method }) => method === 'AsymmetricDecrypt');
assert.equal(decrypts.length, 1);
assert.equal(decrypts[0].ciphertext.length / 2, 512);
print(
  `\n  The KMS was asked to decrypt once, and was sent ${decrypts[0].ciphertext.length / 2} octets: the encrypted key.`,
);

step(
  'Cluster administrator',
  `Prints what installs the webhook, with certificates for it and for the API server. Here the
server runs on this machine, and the demo plays the API server that asks it.`,
);
kseal(
  `webhook manifests --image kseal@sha256:${'0'.repeat(64)} -k gcpkms://${ring} --tls self-signed --client-name kube-apiserver -o webhook`,
);
const serveArgs = `webhook serve -k gcpkms://${ring} --tls-cert webhook/tls.crt --tls-key webhook/tls.key --client-ca webhook/client-ca.crt --client-name kube-apiserver --host 127.0.0.1 --port 0 --metrics-port 0 --drain 0`;
print(`\n  $ kseal ${serveArgs} &`);
const server = spawn(process.execPath, [bin, ...serveArgs.split(' ')], {
  cwd: folder,
  env: { PATH: process.env.PATH, HOME: folder, ...surroundings },
  stdio: ['ignore', 'inherit', 'pipe'],
});
const log = createInterface({ input: server.stderr })[Symbol.asyncIterator]();
const nextLine = async (pattern) => {
  for (;;) {
    const { value, done } = await log.next();
    assert(!done, 'the server has ended');
    if (pattern.test(value)) return value;
  }
};
const port = Number(/port (\d+)/.exec(await nextLine(/serving reviews/))[1]);
const [, token] = /token: (\S+)/.exec(read('app.yaml'));
const client = [...read('webhook/apiserver-kubeconfig.yaml').matchAll(/client-\S+-data: (\S+)/g)];
const [cert, key] = client.map(([, base64]) => Buffer.from(base64, 'base64'));

/** Asks the webhook as the API server does, for a Secret app in a namespace. */
async function admit(namespace, data, identity = { cert, key }) {
  const object = { metadata: { name: 'app' }, data };
  const request = {
    uid: '1',
    kind: { kind: 'Secret' },
    operation: 'CREATE',
    namespace,
    name: 'app',
    object,
  };
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
  const headers = { 'content-type': 'application/json' };
  const servername = 'kseal-webhook.kseal.svc';
  const target = {
    host: '127.0.0.1',
    port,
    path: '/mutate?timeout=10s',
    method: 'POST',
    agent: false,
  };
  const asked = httpsRequest({
    ...target,
    headers,
    servername,
    ca: read('webhook/ca.crt'),
    ...identity,
  });
  asked.end(JSON.stringify(review));
  const [answer] = await once(asked, 'response');
  return JSON.parse(Buffer.concat(await answer.toArray())).response;
}

step(
  'The API server',
  'Asks about a Secret that is created as hr/app, and gets a patch for its one value.',
);
const admitted = await admit('hr', { token });
const patch = JSON.parse(Buffer.from(admitted.patch, 'base64'));
assert.deepEqual(patch, [
  { op: 'replace', path: '/data/token', value: Buffer.from('a-token-from-hr').toString('base64') },
]);
print(indent(JSON.stringify(patch)));
print(indent(await nextLine(/"review"/)));

step('Somebody with the repository', 'Has the same value created in a namespace of his own.');
const stolen = await admit('mallory', { token });
assert.equal(stolen.allowed, false);
print(indent(JSON.stringify(stolen.status)));

step(
  'Any pod in the cluster',
  'Asks the webhook itself, without the certificate of the API server.',
);
await assert.rejects(admit('hr', { token }, {}));
print('    The connection is refused before anything is read.');
server.kill('SIGTERM');
assert.equal((await once(server, 'exit'))[0], 0);
emulator.stdin.end();
await once(emulator, 'exit');

print('\nThat is all: sealed by anyone with prod.pub, opened by the holder of the key alone.');
