import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig, ruleFor } from '../../src/config/config.ts';
import { publicKeyFromFile } from '../../src/keys/key-file.ts';
import { keyStatuses } from '../../src/keys/key-status.ts';
import { judgeRequest } from '../../src/verify/requests.ts';
import type { AllowedKey, Policy } from '../../src/verify/rule.ts';
import { type VerifySettings, verifyText } from '../../src/verify/verify.ts';

export const folder = join(import.meta.dirname, '../../fixtures/verify');

/** The policy without a configuration: no key is known, and no rule is for the path. */
export const openPolicy: Policy = {
  keys: undefined,
  wantedKid: undefined,
  namespace: undefined,
  field: undefined,
  maxScope: 'namespace-wide',
  refusedKids: new Set(),
};

export const defaults: VerifySettings = { severities: new Map() };

/** Returns the fixtures in one folder, such as `dirty/template.yaml`. */
export function fixtureNames(kind: 'dirty' | 'clean'): string[] {
  return readdirSync(join(folder, kind))
    .sort()
    .map((name) => `${kind}/${name}`);
}

export function readFixture(name: string): Buffer {
  return readFileSync(join(folder, name));
}

/** Returns the policies that the configuration of the fixtures and `--fail-if-kid` make. */
export async function policiesOf(): Promise<(path: string) => Policy> {
  const config = loadConfig(join(folder, '.kseal.yaml'), '.kseal.yaml');
  const keys = await keysOf(config);
  const condemned = config.keys.get('condemned')?.kid ?? '';
  return (path) => {
    const rule = ruleFor(config, join(folder, path));
    return {
      keys,
      wantedKid: config.keys.get(rule?.key ?? '')?.kid,
      namespace: rule?.namespace,
      field: rule?.field,
      maxScope: rule?.scope ?? 'namespace-wide',
      refusedKids: new Set([condemned]),
    };
  };
}

async function keysOf(config: Config): Promise<ReadonlyMap<string, AllowedKey>> {
  const statuses = await keyStatuses(config);
  const loaded = [...config.keys].map(async ([name, { file = '' }]) => {
    const { kid, bits } = await publicKeyFromFile(join(folder, file), file);
    return [kid, { name, bits, state: statuses.of(kid).state }] as const;
  });
  return new Map(await Promise.all(loaded));
}

/** Returns the findings in a fixture, as in expected.json: `4:13 error plaintext-value`. */
export function findingsIn(name: string, policy: Policy): string[] {
  const content = readFixture(name);
  // The files that a request names count as missing.
  const request = judgeRequest(content, name, () => undefined);
  const { findings } = verifyText({ path: name, content, request }, policy, defaults);
  return findings.map(
    ({ position: { line, column }, severity, code }) => `${line}:${column} ${severity} ${code}`,
  );
}
