// Full walkthrough with a throwaway key, one screen per persona: `npm run demo`. It runs the real
// commands in a temporary folder, with an emulator in place of Cloud KMS, and checks each outcome.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  check,
  end,
  folder,
  kseal,
  LIMIT,
  persona,
  print,
  printCommand,
  printed,
  printOutput,
  ready,
  start,
  startKseal,
} from './stage.mjs';

const read = (name) => readFileSync(join(folder, name), 'utf8');
const write = (name, text) => writeFileSync(join(folder, name), text);
const base64 = (value) => Buffer.from(value).toString('base64');

/** A Secret as YAML, and the reverse: its data. */
const manifest = (namespace, data) => `apiVersion: v1
kind: Secret
metadata: { name: db, namespace: ${namespace} }   # owner: the DBA team
data:
${Object.entries(data)
  .map(([name, value]) => `  ${name}: ${value}\n`)
  .join('')}`;
const dataIn = (name) =>
  Object.fromEntries(Array.from(read(name).matchAll(/^ {2}(\w+): (.+)/gm), ([, ...pair]) => pair));

const cryptoKey = 'projects/p/locations/l/keyRings/r/cryptoKeys/hr';
const key = `gcpkms://${cryptoKey}`;
const lastLine = ' 2>&1 | tail -n 1';

persona(
  'KMS manager',
  `Publishes the public half of a key; the private half never leaves the KMS.
Here the KMS is an emulator with software keys.`,
);
const keys = { [cryptoKey]: [{ algorithm: 'RSA_DECRYPT_OAEP_4096_SHA256' }] };
const script = join(import.meta.dirname, '../kms-emulator/start.mjs');
const emulator = start([script, JSON.stringify({ keys })]);
const [, endpoint] = await printed(emulator, /^(127\.0\.0\.1:\d+)\n/m);
const fetched = await kseal(`fetch-pubkey ${key} --kms-endpoint ${endpoint} -o prod.pub`);
const inspected = await kseal('inspect prod.pub');
const [fingerprint] = /([0-9a-f]{4} ){15}[0-9a-f]{4}/.exec(inspected) ?? [];
check('prod.pub has the fingerprint of the key in the KMS', fetched.includes(fingerprint));

persona(
  'Application team',
  'Asks for a value that somebody else knows. The request cannot hold it.',
);
await kseal('request db -n hr -k prod.pub --target db.yaml --ask username:Username -o user.yaml');

persona(
  'Secrets custodian',
  'Seals a manifest offline, with the public key alone, and answers the request.',
);
const plain = { keytab: base64(randomBytes(24)), password: base64('correct-horse-battery') };
const before = manifest('hr', plain);
write('db.yaml', before);
await kseal('seal -f db.yaml -k prod.pub -i');
const sealed = dataIn('db.yaml');
print('db.yaml before and after:', 'bold');
for (const line of before.trimEnd().split('\n')) {
  const [, name] = /^ {2}(\w+)/.exec(line) ?? [];
  printOutput(`${name ? '-' : ' '}${line}`, name && 'red');
  if (name) printOutput(`+  ${name}: ${sealed[name].slice(0, 32)}…`, 'green');
}
const isSealed = Object.keys(plain).every((name) => sealed[name].length > 1000);
check('only the values changed', isSealed && read('db.yaml') === manifest('hr', sealed));
const answering = `fill user.yaml --stdin username --pin ${fingerprint.replaceAll(' ', '')}`;
await kseal(answering, { input: 'hr_app', filter: lastLine });
const { username, ...others } = dataIn('db.yaml');
check('the other values stayed as they were', username && isDeepStrictEqual(others, sealed));

persona('Reviewer and CI', 'See where each value can be opened, and find mistakes, without a key.');
await kseal('inspect db.yaml', { filter: ' | cut -c -74' });
await kseal('verify -k prod.pub db.yaml');
write('copy.yaml', manifest('evil', { password: sealed.password }));
write('plain.yaml', manifest('hr', { password: plain.password }));
const findings = await kseal('verify -k prod.pub copy.yaml plain.yaml', { exit: 1 });
for (const rule of ['binding-mismatch', 'plaintext-value'])
  check(`reported: ${rule}`, findings.includes(rule));

persona('Cluster', 'Opens values at admission, on requests of the API server. The demo plays it.');
const install = `webhook manifests --image kseal:1 -k ${key} --tls self-signed --client-name kube-apiserver -o webhook`;
await kseal(install, { filter: lastLine });
const webhook = startKseal(
  `webhook serve -k ${key} --kms-endpoint ${endpoint} --tls-cert webhook/tls.crt --tls-key webhook-private/tls.key --client-ca webhook/client-ca.crt --client-name kube-apiserver --host 127.0.0.1 --port 0 --metrics-port 0`,
);
const [line] = await printed(webhook, /^\{.*"kids".*\}\n/m);
const [port, metricsPort] = JSON.parse(line).msg.match(/\d+/g);
await ready(`http://127.0.0.1:${metricsPort}/readyz`, webhook);
const kubeconfig = read('webhook-private/apiserver-kubeconfig.yaml');
const pemIn = (field) => Buffer.from(kubeconfig.match(`${field}-data: (.*)`)?.[1] ?? '', 'base64');
const apiServer = { cert: pemIn('client-certificate'), key: pemIn('client-key') };

/** Asks the webhook about the creation of a Secret. Resolves to its response. */
async function create(title, namespace, data, client = apiServer) {
  printCommand(`> create Secret ${namespace}/db ${title}`);
  const object = { metadata: { name: 'db' }, data };
  const kind = { kind: 'Secret' };
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: '1', kind, operation: 'CREATE', namespace, name: 'db', object },
  };
  const post = request(`https://127.0.0.1:${port}/mutate?timeout=30s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    servername: 'kseal-webhook.kseal.svc',
    ca: read('webhook/ca.crt'),
    agent: false,
    signal: AbortSignal.timeout(LIMIT),
    ...client,
  });
  post.end(JSON.stringify(review));
  const [answer] = await once(post, 'response');
  return JSON.parse(Buffer.concat(await answer.toArray())).response;
}

const { patch = '' } = await create('from db.yaml', 'hr', dataIn('db.yaml'));
const operations = JSON.parse(Buffer.from(patch, 'base64').toString() || '[]');
const opened = Object.fromEntries(operations.map(({ path, value }) => [path.slice(6), value]));
const expected = { ...plain, username: base64('hr_app') };
check(`opened: ${Object.keys(expected).join(', ')}`, isDeepStrictEqual(opened, expected));
emulator.stdin.write('["calls"]\n');
const [calls] = await printed(emulator, /^\[.*\]\n/m);
const sent = JSON.parse(calls).flatMap(({ ciphertext }) => ciphertext ?? []);
check(
  'the KMS received three encrypted keys of 512 bytes, and no value',
  sent.length === 3 && sent.every((hex) => hex.length === 2 * 512),
);

async function refuses(expected, ...secret) {
  const { status } = await create(...secret);
  check(`refused with ${expected}: ${status?.message}`, status?.code === expected);
}
const { password } = sealed;
await refuses(403, 'with the password of hr/db', 'evil', { password });
const jwe = Buffer.from(password, 'base64').toString();
const at = jwe.lastIndexOf('.') - 10;
const damaged = `${jwe.slice(0, at)}${jwe[at] === 'A' ? 'B' : 'A'}${jwe.slice(at + 1)}`;
await refuses(400, 'with a damaged password', 'hr', { password: base64(damaged) });
const stranger = create('without a client certificate', 'hr', sealed, {});
const { code } = await stranger.catch((error) => error);
check(`refused in the TLS handshake: ${code}`, /CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/.test(code));
await end(0);
