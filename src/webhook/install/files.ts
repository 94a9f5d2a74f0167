import { printYaml } from '../../yaml/print.ts';
import { mutatingWebhook, policyObjects } from './admission.ts';
import { admissionConfiguration, apiServerKubeconfig, clientCa } from './api-server.ts';
import { certManagerObjects } from './certificates.ts';
import { namespace, workload } from './deployment.ts';
import { monitoring } from './monitoring.ts';
import { network } from './network.ts';
import { notes } from './notes.ts';
import type { Documented, KubernetesObject, ManifestOptions } from './options.ts';

/** A file of the kustomize base or of the Helm chart. */
export interface BaseFile {
  readonly name: string;
  readonly text: string;
  /** Whether it contains a private key. */
  readonly confidential?: boolean;
}

/** The objects to apply, by file, in the order in which they are applied. */
export function clusterObjects(
  options: ManifestOptions,
): ReadonlyMap<string, readonly Documented[]> {
  const plain = (object: KubernetesObject) => ({ object });
  const certificates = options.tls.kind === 'cert-manager' ? certManagerObjects(options) : [];
  const groups: [string, readonly Documented[]][] = [
    ['namespace.yaml', [{ object: namespace(options) }]],
    ['certificates.yaml', certificates.map(plain)],
    ['client-ca.yaml', clientCa(options)],
    ['workload.yaml', workload(options)],
    ['network.yaml', network(options)],
    ['policy.yaml', policyObjects().map(plain)],
    ['admission.yaml', [{ object: mutatingWebhook(options) }]],
    ['monitoring.yaml', monitoring(options).map(plain)],
  ];
  return new Map(groups.filter(([, objects]) => objects.length > 0));
}

/** All objects as one YAML text, without private keys. */
export function manifestText(options: ManifestOptions): string {
  const [first, ...others] = [...clusterObjects(options).values()].flat();
  return printAll(first ? [{ ...first, comment: notes(options, undefined) }, ...others] : []);
}

/** The files of a kustomize base. `folder` is its path as the user typed it. */
export function baseFiles(options: ManifestOptions, folder: string): readonly BaseFile[] {
  const groups = [...clusterObjects(options)];
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: groups.map(([name]) => name),
  };
  return [
    { name: 'kustomization.yaml', text: printYaml(kustomization, notes(options, folder)) },
    ...groups.map(([name, documents]) => ({ name, text: printAll(documents) })),
    ...otherFiles(options),
  ];
}

/** The files that are not applied: certificates, private keys, and files of the API server. */
export function otherFiles({ tls, clients, namespace }: ManifestOptions): readonly BaseFile[] {
  const files: BaseFile[] = [];
  if (tls.kind === 'pair') {
    files.push({ name: 'tls.crt', text: tls.certificate }, { name: 'ca.crt', text: tls.ca });
    files.push({ name: 'tls.key', text: tls.key, confidential: true });
  }
  if (clients.kind === 'certified' && clients.made !== undefined) {
    const text = apiServerKubeconfig(namespace, {
      'client-certificate-data': Buffer.from(clients.made.certificate).toString('base64'),
      'client-key-data': Buffer.from(clients.made.key).toString('base64'),
    });
    files.push({ name: 'apiserver-kubeconfig.yaml', text, confidential: true });
    files.push({ name: 'apiserver-admission.yaml', text: admissionConfiguration() });
    files.push({ name: 'client-ca.crt', text: clients.ca });
  }
  const ignored = files.filter(({ confidential }) => confidential).map(({ name }) => `/${name}\n`);
  return ignored.length > 0 ? [...files, { name: '.gitignore', text: ignored.join('') }] : files;
}

function printAll(documents: readonly Documented[]): string {
  return documents.map(({ object, comment }) => printYaml(object, comment)).join('---\n');
}
