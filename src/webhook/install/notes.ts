import { X509Certificate } from 'node:crypto';
import { shellWord } from '../../text.ts';
import { sealedRanges } from './admission.ts';
import { API_SERVER_FOLDER } from './api-server.ts';
import { type ManifestOptions, NAME, tlsSecret } from './options.ts';

/** What an administrator does with the output. `folder` is the kustomize base, as it was named. */
export function notes(options: ManifestOptions, folder: string | undefined): string {
  const steps = [...installSteps(options, folder), sweep];
  const numbered = steps.map((step, index) => `${index + 1}. ${step.replaceAll('\n', '\n   ')}`);
  return `The admission webhook of kseal, for Kubernetes 1.30 or newer.
Made by kseal ${options.version}; to make it again:

  ${options.commandLine}

The image's entry point must be kseal; pin it by its digest.${committed(options, folder)}

${numbered.join('\n\n')}`;
}

function committed({ tls, clients }: ManifestOptions, folder: string | undefined): string {
  if (folder === undefined) return '';
  const path = (name: string) => shellWord(`${folder}/${name}`);
  const isMade = clients.kind === 'certified' && clients.made !== undefined;
  const kept = tls.kind === 'pair' || isMade ? ', less the private keys that .gitignore names' : '';
  const again = `
With other options, but the certificates that are there: --tls files --tls-cert ${path('tls.crt')}
--tls-key ${path('tls.key')} --tls-ca ${path('ca.crt')}${isMade ? ` --client-ca ${path('client-ca.crt')}` : ''}`;
  return `
All of this may go into Git${kept}.
An overlay may change anything but names and the namespace: they are in the certificate, too.${tls.kind === 'pair' ? again : ''}`;
}

type Path = (name: string) => string;

function installSteps(options: ManifestOptions, folder: string | undefined): string[] {
  const { namespace, tls, keys, keySecret, clients } = options;
  const path = (name: string) => shellWord(`${folder}/${name}`);
  const files = keys.flatMap((key) =>
    key.kind === 'file' ? ` \\\n  --from-file=${shellWord(`${key.name}=${key.path}`)}` : [],
  );
  const apply = folder === undefined ? '-f FILE' : `-k ${shellWord(folder)}`;
  const needs =
    tls.kind === 'cert-manager' ? ' (needs cert-manager, which makes its certificate)' : '';
  return [
    `Install it${needs}:\nkubectl apply ${apply}`,
    ...(tls.kind === 'pair' ? [certificateStep(namespace, tls.certificate, path)] : []),
    ...(keySecret !== undefined
      ? [
          `Give it its private keys:\nkubectl -n ${namespace} create secret generic ${keySecret}${files.join('')}`,
        ]
      : []),
    ...(clients.kind === 'certified' ? [apiServerStep(clients.made !== undefined, path)] : []),
    `Wait until it is ready:\nkubectl -n ${namespace} rollout status deployment/${NAME}`,
  ];
}

/** A pipe that makes the Secret, and next time replaces it. */
function certificateStep(namespace: string, certificate: string, path: Path): string {
  return `Give it its certificate, which ends on ${endOf(certificate)}:
kubectl -n ${namespace} create secret tls ${tlsSecret} --dry-run=client -o yaml \\
  --cert=${path('tls.crt')} --key=${path('tls.key')} | kubectl apply --server-side -f -`;
}

/** The day on which a certificate in PEM ends: `2028-11-24`. */
export function endOf(certificate: string): string {
  return new Date(new X509Certificate(certificate).validTo).toISOString().slice(0, 10);
}

function apiServerStep(isMade: boolean, path: Path): string {
  const what = 'Let the API server show its client certificate';
  if (!isMade) return `${what}: see above the ConfigMap.`;
  return `${what}: on every control plane node copy,
for nobody else to read,
${path('apiserver-admission.yaml')} to ${API_SERVER_FOLDER}/admission.yaml
${path('apiserver-kubeconfig.yaml')} to ${API_SERVER_FOLDER}/kubeconfig.yaml
and start kube-apiserver with --admission-control-config-file=${API_SERVER_FOLDER}/admission.yaml
(in a static pod the folder must be mounted as well). If there is such a file already, add the plugin to it.`;
}

const conditions = sealedRanges
  .map(({ from, below }) => `    (and (ge . "${from}") (lt . "${below}"))`)
  .join('\n');

/** A go-template compares texts as the webhook's match condition does. */
const sweep = `Have opened what was stored sealed before the webhook was there: writing a Secret
back as it is lets the webhook see it.
kubectl get secrets -A -o go-template='{{range .items}}{{$m := .metadata}}{{range .data}}{{if .}}{{if or
${conditions}
  }}{{$m.namespace}} {{$m.name}}{{"\\n"}}{{end}}{{end}}{{end}}{{end}}' | sort -u |
  while read -r namespace name; do
    kubectl -n "$namespace" get secret "$name" -o json | kubectl replace -f -
  done
What this finds a second time is immutable, or bound to no place: seal it and apply it anew.`;
