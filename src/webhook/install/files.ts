import { printYaml } from '../../yaml/print.ts';
import { mutatingWebhook, policyObjects } from './admission.ts';
import { admissionConfiguration, apiServerKubeconfig, clientCa } from './api-server.ts';
import { certManagerObjects } from './certificates.ts';
import { namespace, workload } from './deployment.ts';
import { monitoring } from './monitoring.ts';
import { network } from './network.ts';
import { notes } from './notes.ts';
import {
  type Documented,
  type Folders,
  type KubernetesObject,
  type ManifestOptions,
  POLICY_BASE,
  privateFiles,
} from './options.ts';

/** A file of the output. */
export interface OutputFile {
  /** The path in its folder. */
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
    [`${POLICY_BASE}/policy.yaml`, policyObjects().map(plain)],
    ['namespace.yaml', [{ object: namespace(options) }]],
    ['certificates.yaml', certificates.map(plain)],
    ['client-ca.yaml', clientCa(options)],
    ['workload.yaml', workload(options)],
    ['network.yaml', network(options)],
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

const aboutPolicy = `Refuses Secrets with sealed values that no webhook has opened. It is a base of its own, because it
must outlive the webhook: without both, Git's sealed values would replace the opened ones in the
cluster. Argo CD and Flux do not remove it.`;

/** The files of each folder of the output. */
export type OutputFiles = Readonly<Record<keyof Folders, readonly OutputFile[]>>;

/**
 * The files of a kustomize base and its private folder, in the order in which they are written: what is trusted comes before
 * the certificates, so that an interrupted run leaves nothing that is not trusted.
 */
export function outputFiles(options: ManifestOptions, folders: Folders): OutputFiles {
  const groups = [...clusterObjects(options)];
  const { trusted, presented } = certificateFiles(options);
  const resourcesOf = (base: string) =>
    groups.flatMap(([name]) => {
      const [file = '', folder = ''] = name.split('/').reverse();
      return folder === base ? file : [];
    });
  return {
    base: [
      ...trusted,
      { name: 'kustomization.yaml', text: kustomize(resourcesOf(''), notes(options, folders)) },
      ...groups.map(([name, documents]) => ({ name, text: printAll(documents) })),
      {
        name: `${POLICY_BASE}/kustomization.yaml`,
        text: kustomize(resourcesOf(POLICY_BASE), aboutPolicy),
      },
      ...presented,
    ],
    private: confidentialFiles(options),
  };
}

function kustomize(resources: readonly string[], comment: string): string {
  const apiVersion = 'kustomize.config.k8s.io/v1beta1';
  return printYaml({ apiVersion, kind: 'Kustomization', resources }, comment);
}

/** The certificates in the folder for Git, which are not applied: CAs, and what these have signed. */
export function certificateFiles({ tls, clients }: ManifestOptions) {
  const trusted: OutputFile[] = [];
  const presented: OutputFile[] = [];
  if (tls.kind === 'pair') {
    trusted.push({ name: 'ca.crt', text: tls.ca });
    presented.push({ name: 'tls.crt', text: tls.certificate });
  }
  if (clients.kind === 'certified' && clients.isIssued)
    trusted.push({ name: 'client-ca.crt', text: clients.ca });
  return { trusted, presented };
}

/** The files of the private folder; none if no private key was ever written there. */
export function confidentialFiles({
  tls,
  clients,
  namespace,
}: ManifestOptions): readonly OutputFile[] {
  const isIssued = clients.kind === 'certified' && clients.isIssued;
  if (tls.kind !== 'pair' && !isIssued) return [];
  const files: OutputFile[] = [{ name: '.gitignore', text: '*\n' }];
  if (tls.kind === 'pair' && tls.key !== undefined)
    files.push({ name: privateFiles.tls, text: tls.key, confidential: true });
  if (isIssued) files.push({ name: 'apiserver-admission.yaml', text: admissionConfiguration() });
  if (isIssued && clients.made !== undefined) {
    const text = apiServerKubeconfig(namespace, {
      'client-certificate-data': Buffer.from(clients.made.certificate).toString('base64'),
      'client-key-data': Buffer.from(clients.made.key).toString('base64'),
    });
    files.push({ name: privateFiles.apiServer, text, confidential: true });
  }
  return files;
}

function printAll(documents: readonly Documented[]): string {
  return documents.map(({ object, comment }) => printYaml(object, comment)).join('---\n');
}
