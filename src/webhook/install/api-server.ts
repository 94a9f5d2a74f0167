import { printYaml } from '../../yaml/print.ts';
import { clientCaMap, type Documented, hostIn, type ManifestOptions, metaIn } from './options.ts';

/** Where the API server has its own two files. */
export const API_SERVER_FOLDER = '/etc/kubernetes/kseal';

/** The CA that the webhook knows its clients by; absent where anyone may ask. */
export function clientCa({ namespace, clients }: ManifestOptions): Documented[] {
  if (clients.kind === 'anyone') return [];
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metaIn(namespace, clientCaMap),
    data: { 'ca.crt': clients.ca },
  };
  const who = `What signs the certificate that the API server shows to the webhook, for ${clients.names.join(' or ')}.`;
  if (clients.made !== undefined) return [{ object, comment: who }];
  return [{ object, comment: `${who}\n${instructions(namespace)}` }];
}

function instructions(namespace: string): string {
  const folder = API_SERVER_FOLDER;
  const files = {
    'client-certificate': `${folder}/client.crt`,
    'client-key': `${folder}/client.key`,
  };
  return `Start every kube-apiserver with --admission-control-config-file=${folder}/admission.yaml
(in a static pod the folder must be mounted as well). That file, or a part of it, is

${admissionConfiguration()}
and ${folder}/kubeconfig.yaml, for nobody else to read, is

${apiServerKubeconfig(namespace, files)}`.trimEnd();
}

/** The API server's configuration that names its kubeconfig for webhooks, as YAML. */
export function admissionConfiguration(): string {
  const configuration = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'WebhookAdmissionConfiguration',
    kubeConfigFile: `${API_SERVER_FOLDER}/kubeconfig.yaml`,
  };
  return printYaml({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AdmissionConfiguration',
    plugins: [{ name: 'MutatingAdmissionWebhook', configuration }],
  });
}

/** That kubeconfig: which client certificate to show to this webhook, as YAML. */
export function apiServerKubeconfig(namespace: string, user: object): string {
  return printYaml({
    apiVersion: 'v1',
    kind: 'Config',
    users: [{ name: hostIn(namespace), user }],
  });
}

/** A client certificate and its key (PEM), as a kubeconfig holds them. */
export function embedded(made: { readonly certificate: string; readonly key: string }): object {
  return {
    'client-certificate-data': Buffer.from(made.certificate).toString('base64'),
    'client-key-data': Buffer.from(made.key).toString('base64'),
  };
}
