// The SBOM of the executable: a list of what it contains, for scanners of vulnerabilities.
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { packagesIn, version } from '../../build.config.mjs';

/**
 * Returns the SBOM of an executable as a CycloneDX 1.6 object: the npm packages that have code in the
 * bundle of `metafile`, and Node.js with the libraries in it. Throws for a package without a licence.
 */
export async function bomOf(metafile, node, program) {
  const lock = JSON.parse(
    await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8'),
  );
  const own = npmComponent('kseal', { version, license: lock.packages[''].license });
  const sum = createHash('sha256')
    .update(await readFile(program))
    .digest('hex');
  const packages = packagesIn(metafile).map((folder) =>
    npmComponent(folder.split('node_modules/').at(-1), lock.packages[folder]),
  );
  // npm installs one version of a package in several folders.
  const found = new Map(packages.map((one) => [one.purl, one]));
  const components = [...found.values(), nodeComponent(node)];
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${randomUUID()}`,
    version: 1,
    metadata: {
      timestamp: new Date().toISOString(),
      component: { ...own, type: 'application', hashes: [{ alg: 'SHA-256', content: sum }] },
    },
    components,
    dependencies: [{ ref: own['bom-ref'], dependsOn: components.map((one) => one['bom-ref']) }],
  };
}

/** A package as package-lock.json describes it. The hash is that of its tarball. */
function npmComponent(fullName, { version, license, integrity }) {
  const [, group, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(fullName);
  if (license === undefined) throw new Error(`${fullName}: no licence in package-lock.json`);
  const purl = `pkg:npm/${fullName.replace('@', '%40')}@${version}`;
  return {
    ...{ type: 'library', 'bom-ref': purl, ...(group && { group }), name, version, purl },
    licenses: [/ /.test(license) ? { expression: license } : { license: { id: license } }],
    ...(integrity && { hashes: [hashOf(integrity)] }),
  };
}

function hashOf(integrity) {
  const [algorithm, base64] = integrity.split('-');
  const alg = algorithm.toUpperCase().replace('SHA', 'SHA-');
  return { alg, content: Buffer.from(base64, 'base64').toString('hex') };
}

/** Node.js reports the versions of its libraries, and of two interfaces for add-ons. */
function nodeComponent({ path, version }) {
  const printed = execFileSync(path, ['-p', 'JSON.stringify(process.versions)']);
  const { node, modules: _modules, napi: _napi, ...libraries } = JSON.parse(printed);
  const purl = `pkg:generic/node@${node}`;
  if (version !== `v${node}`) throw new Error(`${path}: is Node.js ${node}, not ${version}`);
  return {
    ...{ type: 'platform', 'bom-ref': purl, name: 'node', version: node, purl },
    cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: 'MIT' } }],
    components: Object.entries(libraries).map(([name, version]) => ({
      ...{ type: 'library', 'bom-ref': `${purl}#${name}`, name, version },
    })),
  };
}
