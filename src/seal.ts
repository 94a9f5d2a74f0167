import pLimit from 'p-limit';
import { type KsealError, throwAll, type Warning } from './errors.ts';
import { encryptCompact, type PublicKey } from './jwe/encrypt.ts';
import { type Edit, editManifest } from './manifest/edit.ts';
import { type Manifest, problemError, type SecretDocument } from './manifest/types.ts';
import type { Plan, SealOptions } from './plan.ts';
import { type Changes, planChanges, planSecret } from './seal-plan.ts';

/** How many values are sealed at once. */
const PARALLEL = 16;

export interface Sealed {
  /** The whole text of the manifest after sealing. */
  readonly text: string;
  readonly warnings: readonly Warning[];
  /** How many values were sealed now, and how many had been before and stay. */
  readonly sealed: number;
  readonly kept: number;
}

/** Seals every plaintext value of a manifest. Throws all that is wrong with it at once. */
export async function sealManifest(
  manifest: Manifest,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  throwAll(manifest.problems.map((problem) => problemError(manifest.path, problem)));
  const plans = manifest.secrets.map((secret) => planSecret(manifest.path, secret, options));
  return carryOut(manifest, plans, key);
}

/**
 * Adds, replaces and removes values of one Secret of a manifest; the others stay as they are.
 * `key` may be absent where every new value is sealed already.
 */
export async function sealInto(
  manifest: Manifest,
  secret: SecretDocument,
  changes: Changes,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  return carryOut(manifest, [planChanges(manifest.path, secret, changes, options)], key);
}

/** Nothing is sealed while anything is wrong with any Secret. */
async function carryOut(
  manifest: Manifest,
  plans: readonly Plan[],
  key: PublicKey | undefined,
): Promise<Sealed> {
  throwAll(plans.flatMap<KsealError>(({ errors }) => errors));
  const jobs = plans.flatMap((plan) => plan.jobs.map((job) => ({ ...job, secret: plan.secret })));
  const edits = await pLimit(PARALLEL).map(
    jobs,
    async ({ secret, field, key: dataKey, plaintext, binding }) => {
      if (key === undefined) throw new Error('a value to seal, and no key');
      const octets = Buffer.from(await encryptCompact(plaintext, binding, key));
      return { kind: 'set', secret, field, key: dataKey, octets } satisfies Edit;
    },
  );
  return {
    text: editManifest(manifest, [...plans.flatMap((plan) => plan.edits), ...edits]),
    warnings: plans.flatMap(({ warnings }) => warnings),
    sealed: jobs.length,
    kept: plans.reduce((sum, { kept }) => sum + kept, 0),
  };
}
