// A Kubernetes API server and etcd on 127.0.0.1. All of their files are in one folder.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { certificateAuthority } from './certificates.mjs';
import { egressConfiguration } from './egress.mjs';
import { startEtcd } from './etcd.mjs';
import { freePort, startService } from './services.mjs';

/**
 * Starts both and waits until they are ready. `admission` is the path of the
 * AdmissionConfiguration, `auditRules` the rules of the audit policy, and `egress` the socket of
 * the proxy into the cluster. Resolves to the path of an administrator's kubeconfig, a function that
 * restarts the API server, and one that returns the events of the audit log.
 */
export async function startApiServer({ folder, programs, admission, auditRules, egress }) {
  const write = (name, value) => {
    const text = typeof value === 'string' ? value : stringify(value);
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const etcd = await startEtcd(folder, programs.etcd);
  const { ca, admin, paths } = await writeCertificates(write);
  const port = await freePort();
  const server = `https://127.0.0.1:${port}`;
  const log = join(folder, 'audit.log');
  const args = flags({
    ...paths,
    'etcd-servers': etcd,
    'secure-port': port,
    'admission-control-config-file': admission,
    'egress-selector-config-file': write('egress.yaml', egressConfiguration(egress)),
    'audit-policy-file': write('audit.yaml', auditPolicy(auditRules)),
    'audit-log-path': log,
  });
  const ready = async () => {
    const agent = new Agent({ ca, ...admin });
    return answers(`${server}/readyz`, agent).finally(() => agent.destroy());
  };
  const program = programs['kube-apiserver'];
  const start = () => startService({ name: 'kube-apiserver', program, args, folder, ready });
  let stop = await start();
  return {
    restart: async () => {
      await stop();
      stop = await start();
    },
    kubeconfig: write('kubeconfig', kubeconfig({ server, ca, admin })),
    audited: () => readFileSync(log, 'utf8').trim().split('\n').map(JSON.parse),
  };
}

/** Creates the certificates. Resolves to the CA, the administrator, and flags with file names. */
async function writeCertificates(write) {
  const ca = await certificateAuthority('kseal-test-cluster');
  const serving = await ca.issue('CN=kube-apiserver', [{ type: 'ip', value: '127.0.0.1' }]);
  const tokens = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const tokenKey = write('tokens.key', tokens.privateKey);
  const paths = {
    'client-ca-file': write('ca.crt', ca.cert),
    'tls-cert-file': write('serving.crt', serving.cert),
    'tls-private-key-file': write('serving.key', serving.key),
    'service-account-key-file': tokenKey,
    'service-account-signing-key-file': tokenKey,
  };
  return { ca: ca.cert, admin: await ca.issue('CN=admin,O=system:masters'), paths };
}

function flags(more) {
  const all = {
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'endpoint-reconciler-type': 'none',
    'authorization-mode': 'RBAC',
    'service-cluster-ip-range': '10.96.0.0/16',
    'service-account-issuer': 'https://kubernetes.default.svc',
    ...more,
  };
  return Object.entries(all).map(([name, value]) => `--${name}=${value}`);
}

function auditPolicy(rules) {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules,
  };
}

function kubeconfig({ server, ca, admin }) {
  const base64 = (text) => Buffer.from(text).toString('base64');
  const user = {
    'client-certificate-data': base64(admin.cert),
    'client-key-data': base64(admin.key),
  };
  const cluster = { server, 'certificate-authority-data': base64(ca) };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
}

/** Resolves to true if the URL answers with status 200. */
function answers(url, agent) {
  return new Promise((resolve, reject) => {
    get(url, { agent, timeout: 5_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
    }).on('error', reject);
  });
}
