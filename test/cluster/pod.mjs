// Replaces the kubelet for the webhook's Deployment: reads it from the API server, writes its
// volumes to a folder, and runs bin/kseal.js with the arguments of its container.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startService } from './services.mjs';

const bin = join(import.meta.dirname, '../../bin/kseal.js');

/**
 * Starts the container and waits until it is ready. Resolves to its HTTPS port, the address of its
 * Service, `stop`, and `update`, which writes the volumes again, as a kubelet does from time to time.
 */
export async function startPod({ folder, get, namespace }) {
  const { spec } = (await get('deployment', namespace, 'kseal-webhook')).spec.template;
  const [container] = spec.containers;
  const volumes = { folder: join(folder, 'pods', namespace), get, namespace, spec, container };
  const mounts = await mountVolumes(volumes);
  const ports = { https: await freePort(), metrics: await freePort() };
  const { port: probed, path } = container.readinessProbe.httpGet;
  const stop = await startService({
    name: namespace === 'kseal' ? 'webhook' : `webhook-${namespace}`,
    program: process.execPath,
    args: [bin, ...argumentsOf(container, mounts, ports), '--host=127.0.0.1', '--drain=0'],
    env: Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value])),
    folder,
    ready: async () => (await fetch(`http://127.0.0.1:${ports[probed]}${path}`)).ok,
  });
  const address = (await get('service', namespace, 'kseal-webhook')).spec.clusterIP;
  return { port: ports.https, address, stop, update: () => mountVolumes(volumes) };
}

/** Writes the mounted volumes. Resolves to their folders, by path in the container. */
async function mountVolumes({ folder, get, namespace, spec, container }) {
  const mounts = new Map();
  for (const { name, mountPath } of container.volumeMounts) {
    const target = join(folder, name);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const volume = spec.volumes.find((one) => one.name === name);
    const files = await filesOf(get, namespace, volume);
    for (const [file, content] of files) writeFileSync(join(target, file), content);
    mounts.set(mountPath, target);
  }
  return mounts;
}

async function filesOf(get, namespace, { secret, configMap }) {
  if (secret === undefined && configMap === undefined)
    throw new Error('unsupported kind of volume');
  const { data } = secret
    ? await get('secret', namespace, secret.secretName)
    : await get('configmap', namespace, configMap.name);
  const content = (key) => (secret ? Buffer.from(data[key], 'base64') : data[key]);
  const items = (secret ?? configMap).items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return items.map(({ key, path }) => [path, content(key)]);
}

/** The arguments, with this machine's folders and ports in place of the container's. */
function argumentsOf({ args, ports }, mounts, free) {
  const replaced = [
    ...[...mounts].map(([path, folder]) => [`=${path}/`, `=${folder}/`]),
    ...ports.map(({ name, containerPort }) => [`port=${containerPort}`, `port=${free[name]}`]),
  ];
  const replace = (argument) =>
    replaced.reduce((text, [from, to]) => text.replace(from, to), argument);
  // The kubelet replaces `$$` by a dollar sign.
  return args.map((argument) => replace(argument.replaceAll('$$', '$')));
}
