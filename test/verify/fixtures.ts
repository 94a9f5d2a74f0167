import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig, ruleFor } from '../../src/config/config.ts';
import { publicKeyFromFile } from '../../src/keys/key-file.ts';
import { keyStatuses } from '../../src/keys/key-status.ts';
import type { AllowedKey, Policy } from '../../src/verify/rule.ts';
import { type VerifySettings, verifyText } from '../../src/verify/verify.ts';

export const folder = join(import.meta.dirname, '../../fixtures/verify');

/** No key is known, and no rule says anything about a path. */
export const openAllowance: Policy = {
  keys: undefined,
  wantedKid: undefined,
  namespace: undefined,
  field: undefined,
  maxScope: 'namespace-wide',
  refusedKids: new Set(),
};

export const defaults: VerifySettings = { severities: new Map() };

/** The names of the fixtures in `dirty` or `clean`, with that in front. */
export function fixtureNames(half: 'dirty' | 'clean'): string[] {
  return readdirSync(join(folder, half))
    .sort()
    .map((name) => `${half}/${name}`);
}

export function readFixture(name: string): Buffer {
  return readFileSync(join(folder, name));
}

/** What the configuration of the fixtures allows at a path; `--fail-if-kid` names one key. */
export async function allowancesOf(): Promise<(path: string) => Policy> {
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

/** The findings in a fixture as a table of its own has them: `4:13 error plaintext-value`. */
export function findingsIn(name: string, allowed: Policy): string[] {
  const { findings } = verifyText({ path: name, content: readFixture(name) }, allowed, defaults);
  return findings.map(
    ({ position: { line, column }, severity, code }) => `${line}:${column} ${severity} ${code}`,
  );
}
