import { printYaml } from '../../yaml/print.ts';
import { clientCaMap, type Documented, hostIn, type ManifestOptions, metaIn } from './options.ts';

/** The folder of kseal's files on control plane nodes. */
const FOLDER = '/etc/kubernetes/kseal';
const CONFIGURATION = `${FOLDER}/admission.yaml`;
const KUBECONFIG = `${FOLDER}/kubeconfig.yaml`;

/** The ConfigMap with the client CA; none if any client may call. */
export function clientCa({ namespace, clients }: ManifestOptions): readonly Documented[] {
  if (clients.kind === 'anyone') return [];
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metaIn(namespace, clientCaMap),
    data: { 'ca.crt': clients.ca },
  };
  const comment = `The CA that signs the API server's client certificate.
Accepted common names: ${clients.names.join(', ')}`;
  if (clients.isIssued) return [{ object, comment }];
  return [{ object, comment: `${comment}\n\n${instructions(namespace)}` }];
}

function instructions(namespace: string): string {
  const kubeconfig = apiServerKubeconfig(namespace, {
    'client-certificate': `${FOLDER}/client.crt`,
    'client-key': `${FOLDER}/client.key`,
  });
  return `Start every kube-apiserver with --admission-control-config-file=${CONFIGURATION}
(a static pod must also mount the folder). Write this to that file, or add the plugin to the
file that kube-apiserver already uses:

${admissionConfiguration()}
Write this to ${KUBECONFIG}, and copy the client certificate and
its private key to the files that it names, all readable only by kube-apiserver:

${kubeconfig}`.trimEnd();
}

/** The client certificate in such a kubeconfig: a PEM text in base64; empty if it is missing. */
export function clientCertificateIn(kubeconfig: string): string {
  return /^ *client-certificate-data: (\S+)$/m.exec(kubeconfig)?.[1] ?? '';
}

/** How to install the two generated files on control plane nodes, from these paths. */
export function copyInstructions(admission: string, kubeconfig: string): string {
  return `On every control plane node, copy
these files, readable only by kube-apiserver:
${admission} to ${CONFIGURATION}
${kubeconfig} to ${KUBECONFIG}
Then start kube-apiserver with
--admission-control-config-file=${CONFIGURATION}
(a static pod must also mount the folder), or restart it if it uses that file already. If it uses
other files, add the plugin and the user to these instead.`;
}

/** The admission configuration of the API server, which names its kubeconfig; YAML. */
export function admissionConfiguration(): string {
  const configuration = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'WebhookAdmissionConfiguration',
    kubeConfigFile: KUBECONFIG,
  };
  return printYaml({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AdmissionConfiguration',
    plugins: [{ name: 'MutatingAdmissionWebhook', configuration }],
  });
}

/** The kubeconfig that the API server uses for this webhook, with `user` as its credentials; YAML. */
export function apiServerKubeconfig(namespace: string, user: object): string {
  return printYaml({
    apiVersion: 'v1',
    kind: 'Config',
    users: [{ name: hostIn(namespace), user }],
  });
}
