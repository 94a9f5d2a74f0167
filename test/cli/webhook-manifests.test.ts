import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../src/cli/main.ts';
import { issueCertificate } from '../../src/webhook/install/certificates.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { runBin, startBin } from '../helpers/spawn.ts';

const minimal = ['webhook', 'manifests', '--image', 'kseal:1'];
const host = 'kseal-webhook.kseal.svc';

/** Runs kseal in this process. */
async function run(cwd: string, args: readonly string[], stdin?: string) {
  const io = testIO({ cwd, stdin: stdin === undefined ? undefined : Buffer.from(stdin) });
  const code = await main(args, io);
  return { code, stdout: io.stdout.text, stderr: io.stderr.text, thrown: io.thrown };
}

const decoded = (base64: string) => Buffer.from(base64, 'base64').toString();

test('a webhook started with the generated files opens values only for the API server', async () => {
  const cwd = folderWithKeys();
  const made = await run(cwd, [
    ...[...minimal, '-k', 'k.pem', '--key-secret', 'keys', '-o', 'base'],
    ...['--tls', 'self-signed', '--client-name', 'kube-apiserver'],
  ]);
  expect(made).toMatchObject({ code: 0 });
  const port = await startServer(cwd, mount(cwd));
  const sealed = await run(
    cwd,
    ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--stdin', 'a'],
    'CANARY',
  );
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      ...{
        uid: 'u',
        operation: 'CREATE',
        namespace: 'hr',
        name: 'db',
        object: parse(sealed.stdout),
      },
      resource: { group: '', version: 'v1', resource: 'secrets' },
      kind: { group: '', version: 'v1', kind: 'Secret' },
    },
  };
  const [webhook] = read(cwd, 'admission.yaml').webhooks;
  const ca = decoded(webhook.clientConfig.caBundle);
  const { user, name } = parse(text(cwd, 'base-private/apiserver-kubeconfig.yaml')).users[0];
  const apiServer = {
    cert: decoded(user['client-certificate-data']),
    key: decoded(user['client-key-data']),
  };
  const ask = (client: object) => post({ port, servername: name, ca, ...client }, review);
  const { response } = JSON.parse(await ask(apiServer));
  expect(response).toMatchObject({ uid: 'u', allowed: true });
  const [change] = JSON.parse(decoded(response.patch));
  expect(change).toMatchObject({
    path: '/data/a',
    value: Buffer.from('CANARY').toString('base64'),
  });
  await expect(ask({})).rejects.toThrow();
}, 120_000);

/** Writes the files that the pod would mount; returns the arguments of its container. */
function mount(cwd: string): string[] {
  const files = {
    'tls/tls.crt': text(cwd, 'base/tls.crt'),
    'tls/tls.key': text(cwd, 'base-private/tls.key'),
    'client-ca/ca.crt': read(cwd, 'client-ca.yaml').data['ca.crt'],
    'keys/k.pem': text(cwd, 'k.pem'),
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, 'etc', path)), { recursive: true });
    writeFileSync(join(cwd, 'etc', path), content);
  }
  const workload = text(cwd, 'base/workload.yaml').split('---\n');
  const deployment = workload
    .map((document) => parse(document))
    .find(({ kind }) => kind === 'Deployment');
  return deployment.spec.template.spec.containers[0].args.map((arg: string) =>
    arg.replace('/etc/kseal', join(cwd, 'etc')).replace(/(port)=\d+$/, '$1=0'),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: any field of any kind
function read(cwd: string, name: string): any {
  return parse(text(cwd, `base/${name}`));
}

function text(cwd: string, path: string): string {
  return readFileSync(join(cwd, path), 'utf8');
}

/** Starts the built kseal; returns the port in its log. */
async function startServer(cwd: string, args: readonly string[]): Promise<number> {
  const { child, ended } = startBin(args, { cwd, stdin: '' });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let log = '';
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (chunk) => {
      log += chunk;
      const port = /serving reviews on port (\d+)/.exec(log)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.on('close', () => reject(new Error(log)));
  });
}

function post(options: object, body: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const where = { host: '127.0.0.1', path: '/mutate', method: 'POST', agent: false };
    const sent = request({ ...where, headers, ...options }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      if (answer.statusCode === 200) resolve(text);
      else reject(new Error(`${answer.statusCode} ${text}`));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

test('the built program keeps and replaces the certificates that it issued', async () => {
  const cwd = folderWithKeys();
  const args = [
    ...[...minimal, '-k', 'k.pem', '--key-secret', 'keys', '-o', 'base'],
    ...['--tls', 'self-signed', '--client-name', 'kube-apiserver'],
  ];
  const certificates: string[] = [];
  for (const more of [[], ['--force'], ['--force', '--rotate', 'serving']]) {
    const { code, stderr } = await runBin([...args, ...more], { cwd });
    expect(code, `${stderr}`).toBe(0);
    certificates.push(text(cwd, 'base/tls.crt'));
  }
  const [first, second, third] = certificates;
  expect(second).toBe(first);
  expect(third).not.toBe(first);
}, 60_000);

test('--tls files puts the given files into the base, if they belong together', async () => {
  const cwd = folderWithKeys();
  const issue = () =>
    issueCertificate({
      ...{ commonName: 'a', dnsNames: [host], usage: 'serverAuth' },
      ...{ validFrom: new Date(Date.now() - 60_000), days: 1 },
    });
  const [pair, other] = await Promise.all([issue(), issue()]);
  const files = { 'tls.crt': pair.certificate, 'tls.key': pair.key, 'ca.crt': pair.ca };
  for (const [name, pem] of Object.entries({ ...files, 'other.key': other.key })) {
    writeFileSync(join(cwd, name), pem);
  }
  const args = [
    ...[...minimal, '-k', 'k.pem', '--key-secret', 'keys', '--allow-any-client', '-o', 'base'],
    ...['--tls', 'files', '--tls-cert', 'tls.crt', '--tls-ca', 'ca.crt', '--tls-key'],
  ];
  const refused = await run(cwd, [...args, 'other.key']);
  expect(refused.thrown).toMatchObject({
    code: 'CERTIFICATE_INVALID',
    message: 'other.key: not the private key of tls.crt',
  });
  expect(await run(cwd, [...args, 'tls.key'])).toMatchObject({ code: 0, stdout: '' });
  expect([text(cwd, 'base/tls.crt'), text(cwd, 'base-private/tls.key')]).toEqual([
    pair.certificate,
    pair.key,
  ]);
  const [webhook] = read(cwd, 'admission.yaml').webhooks;
  expect(decoded(webhook.clientConfig.caBundle)).toBe(pair.ca);
});
