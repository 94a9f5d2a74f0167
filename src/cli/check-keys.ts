import { resolve } from 'node:path';
import type { Config, ConfiguredKey } from '../config/config.ts';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import { publicKeyFromFile } from '../keys/key-file.ts';
import { configuredKey, fetchKey, type KeyContext } from '../keys/resolve.ts';
import { printable } from '../text.ts';
import { configFor, type KeyFlags, keyContext } from './context.ts';
import type { IO } from './io.ts';
import { warn, writeStdout } from './print.ts';

/** What a place says that a key is. */
interface Witness {
  readonly place: string;
  readonly kid: string;
}

/**
 * `kseal fetch-pubkey --check`: proves that the file, the source and the pin of each configured
 * key are one key. Throws KEY_MISMATCH, with all fingerprints, for each that is not.
 */
export async function checkKeys(io: IO, names: readonly string[], flags: KeyFlags): Promise<void> {
  const config = configFor(io, flags, undefined);
  const context = keyContext(io, flags, config);
  const chosen = names.length > 0 ? names : [...(config?.keys.keys() ?? [])];
  if (chosen.length === 0) {
    throw new KsealError('USAGE', 'no keys are configured', {
      hint: 'name them under keys: in .kseal.yaml',
    });
  }
  const errors: KsealError[] = [];
  const agreements: string[] = [];
  for (const name of chosen) {
    try {
      const { config: found, entry } = configuredKey(name, config);
      const witnesses = await witnessesOf(entry, found, context);
      checkAgreement(name, witnesses);
      if (witnesses.length < 2) {
        warn(io, {
          message: `key ${name} has nothing to compare`,
          hint: 'give it a file, a source and a kid',
        });
      } else {
        const places = witnesses.map(({ place }) => place).join(', ');
        agreements.push(`${name}: ${describeKid(witnesses[0]?.kid ?? '')}: ${places} agree`);
      }
    } catch (thrown) {
      errors.push(...expectedErrors(thrown));
    }
  }
  throwAll(errors);
  await writeStdout(io, agreements.map((line) => `${printable(line)}\n`).join(''));
}

async function witnessesOf(
  entry: ConfiguredKey,
  config: Config,
  context: KeyContext,
): Promise<readonly Witness[]> {
  const { file, source, kid } = entry;
  const witnesses: Witness[] = [];
  if (file !== undefined) {
    const key = await publicKeyFromFile(resolve(config.folder, file), file);
    witnesses.push({ place: `file ${file}`, kid: key.kid });
  }
  if (source !== undefined) {
    const key = await fetchKey(source, config.folder, context);
    witnesses.push({ place: `source ${key.origin}`, kid: key.kid });
  }
  if (kid !== undefined) witnesses.push({ place: `pin in ${config.path}`, kid });
  return witnesses;
}

function checkAgreement(name: string, witnesses: readonly Witness[]): void {
  if (new Set(witnesses.map(({ kid }) => kid)).size < 2) return;
  const seen = witnesses.map(({ place, kid }) => `${place} is ${describeKid(kid)}`).join('; ');
  throw new KsealError('KEY_MISMATCH', `key ${name} is not one key: ${seen}`, {
    hint: 'do not seal to it; ask the KMS manager which of them is right',
  });
}
