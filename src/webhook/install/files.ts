import { printYaml } from '../../yaml/print.ts';
import { mutatingWebhook, policyObjects } from './admission.ts';
import { admissionConfiguration, apiServerKubeconfig, clientCa, embedded } from './api-server.ts';
import { certManagerObjects } from './certificates.ts';
import {
  autoscaler,
  deployment,
  disruptionBudget,
  namespace,
  serviceAccount,
} from './deployment.ts';
import { networkPolicy, service } from './network.ts';
import { notes } from './notes.ts';
import type { Documented, ManifestOptions } from './options.ts';

/** A file of the kustomize base. */
interface BaseFile {
  readonly name: string;
  readonly text: string;
  /** Holds a private key. */
  readonly confidential?: boolean;
}

const unsaid =
  'Says no replicas: they are set by the HorizontalPodAutoscaler, even without metrics.';

/** All that is applied in one go, by the file it goes to, in the order in which it is applied. */
export function clusterObjects(options: ManifestOptions): ReadonlyMap<string, Documented[]> {
  const plain = (object: Documented['object']) => ({ object });
  const groups: [string, Documented[]][] = [
    ['namespace.yaml', [namespace(options)].map(plain)],
    [
      'certificates.yaml',
      options.tls.kind === 'pair' ? [] : certManagerObjects(options).map(plain),
    ],
    ['client-ca.yaml', clientCa(options)],
    [
      'workload.yaml',
      [
        plain(serviceAccount(options)),
        { object: deployment(options), comment: unsaid },
        plain(disruptionBudget(options)),
        plain(autoscaler(options)),
      ],
    ],
    ['network.yaml', [plain(service(options)), ...networkPolicy(options)]],
    ['policy.yaml', policyObjects().map(plain)],
    ['admission.yaml', [plain(mutatingWebhook(options))]],
  ];
  return new Map(groups.filter(([, objects]) => objects.length > 0));
}

/** Everything as one YAML text of many documents. Private keys are never part of it. */
export function manifestText(options: ManifestOptions): string {
  const [first, ...others] = [...clusterObjects(options).values()].flat();
  return printAll(first ? [{ ...first, comment: notes(options, undefined) }, ...others] : []);
}

/** The files of a kustomize base. `folder` is how its user calls it. */
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
    ...apartFrom(options),
  ];
}

/** What is not applied with the rest: certificates, their keys, and the files of the API server. */
function apartFrom(options: ManifestOptions): BaseFile[] {
  const { tls, clients, namespace } = options;
  const made = clients.kind === 'certified' ? clients.made : undefined;
  const files: BaseFile[] = [];
  if (tls.kind === 'pair') {
    files.push({ name: 'tls.crt', text: tls.certificate }, { name: 'ca.crt', text: tls.ca });
    files.push({ name: 'tls.key', text: tls.key, confidential: true });
  }
  if (clients.kind === 'certified' && made !== undefined) {
    const text = apiServerKubeconfig(namespace, embedded(made));
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
