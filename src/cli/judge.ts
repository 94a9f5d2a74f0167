import { basename, join } from 'node:path';
import { CONFIG_NAME, type Config, isIgnored } from '../config/config.ts';
import { expectedErrors, KsealError } from '../errors.ts';
import type { NamedText } from '../sources/texts.ts';
import { ruleNamed } from '../verify/explain.ts';
import { type Verification, verifyText } from '../verify/verify.ts';
import { allowanceFor, type KnownKeys, knownKeys, refusedKids } from './allowance.ts';
import { type Base, baseFrom } from './base.ts';
import type { IO } from './io.ts';
import type { VerifyFlags } from './verify-flags.ts';

/** Judges one text; undefined for one that the configuration passes over. */
export type Judge = (text: NamedText) => Promise<Verification | undefined>;

/** What all files are held to that share a configuration. */
interface Standard {
  readonly known: KnownKeys;
  readonly refused: ReadonlySet<string>;
  readonly severities: NonNullable<Config['verify']['rules']>;
}

type JudgeFlags = Pick<VerifyFlags, 'key' | 'config' | 'configFrom' | 'failIfKid'>;

/** Makes the judge of a run: each text is held to the configuration nearest above it. */
export function judgeFrom(io: IO, flags: JudgeFlags): Judge {
  const base = baseFrom(io, flags);
  const standards = new Map<Config | undefined, Promise<Standard>>();
  return async ({ path, typed, file, walked, content }) => {
    const config = base.configFor(file);
    const loading = standards.get(config) ?? standardOf(io, base, config, flags);
    standards.set(config, loading);
    const { known, refused, severities } = await loading;
    const ignored = config !== undefined && isIgnored(config, file);
    if (ignored && refused.size === 0) return undefined;
    const allowed = allowanceFor(file, config, known, refused);
    const verify = (octets: NamedText['content'], suppressible?: Verification['covered']) =>
      verifyText({ path, typed, content: octets }, allowed, { severities, suppressible });
    if (ignored) return onlyRefused(verify(content));
    // The configuration is no manifest, unless a manifest has its name.
    if (walked && basename(file) === CONFIG_NAME && isEmpty(verify(content))) return undefined;
    if (base.protectedText === undefined || !ignores(content)) return verify(content);
    // What a text silences counts as far as the protected branch silences the same.
    return verify(content, verify(base.protectedText(file) ?? new Uint8Array()).covered);
  };
}

/** What is asked for by `--fail-if-kid` is told of files that are passed over, too. */
function onlyRefused(result: Verification): Verification | undefined {
  const findings = result.findings.filter(({ rule }) => rule === 'refused-key');
  return findings.length > 0 ? { ...result, findings, suppressed: [] } : undefined;
}

/** Whether there was nothing to judge. */
function isEmpty({ secrets, findings, suppressed, foreign }: Verification): boolean {
  return secrets + findings.length + suppressed.length + foreign.length === 0;
}

/** Most texts silence nothing, and need no look at the protected branch. */
function ignores(content: NamedText['content']): boolean {
  if (content instanceof KsealError) return false;
  const { buffer, byteOffset, length } = content;
  return Buffer.from(buffer, byteOffset, length).includes('kseal-ignore');
}

async function standardOf(
  { cwd }: IO,
  base: Base,
  config: Config | undefined,
  { key, failIfKid }: JudgeFlags,
): Promise<Standard> {
  const severities = config?.verify.rules ?? new Map();
  for (const id of severities.keys()) checkRule(id, config?.path ?? '');
  const { configFor, readKey } = base;
  const surroundings = { cwd, config, own: configFor(join(cwd, CONFIG_NAME)), readKey };
  const known = await knownKeys(key, surroundings);
  return { known, refused: await refusedKids(failIfKid, surroundings), severities };
}

function checkRule(id: string, path: string): void {
  try {
    ruleNamed(id);
  } catch (thrown) {
    const [error] = expectedErrors(thrown);
    throw new KsealError('CONFIG_INVALID', `${path}: verify.rules: ${error?.message}`, {
      hint: error?.hint,
    });
  }
}
