import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { CONFIG_NAME, type Config, isIgnored, parseConfig } from '../config.ts';
import { errorsOf, KsealError } from '../errors.ts';
import { fileAt, type LocalGit } from '../git/objects.ts';
import { checkedKey } from '../keys/file.ts';
import { readKeyText } from '../keys/pem.ts';
import { ruleNamed } from '../rules/explain.ts';
import type { NamedText } from '../sources/texts.ts';
import { type Verification, verifyText } from '../verify.ts';
import {
  allowanceFor,
  type KnownKeys,
  knownKeys,
  type ReadKey,
  refusedKidsOf,
} from './allowance.ts';
import { configFor } from './context.ts';
import type { IO } from './io.ts';
import type { VerifyFlags } from './verify.ts';

/** Judges one text; undefined for one that the configuration passes over. */
export type Judge = (text: NamedText) => Promise<Verification | undefined>;

/** What one configuration says, and the keys that it knows. */
interface Standard {
  readonly config: Config | undefined;
  readonly known: KnownKeys;
  readonly refused: ReadonlySet<string>;
}

type JudgeFlags = Pick<VerifyFlags, 'key' | 'config' | 'configFrom' | 'failIfKid'>;

/** Makes the judge of a run: each text is held to the configuration nearest above it. */
export function judgeFrom(io: IO, flags: JudgeFlags): Judge {
  const standards = new Map<string, Promise<Standard>>();
  const git: LocalGit = { folder: io.cwd, env: io.env };
  return async ({ path, file, content }) => {
    const folder = dirname(file);
    const loading = standards.get(folder) ?? standardFor(io, git, file, flags);
    standards.set(folder, loading);
    const { config, known, refused } = await loading;
    if (config !== undefined && isIgnored(config, file)) return undefined;
    const allowed = allowanceFor(file, config, known, refused);
    const severities = config?.verify.rules ?? new Map();
    const protectedText =
      flags.configFrom && ignores(content)
        ? fileAt(git, flags.configFrom, relative(io.cwd, file))
        : undefined;
    if (flags.configFrom === undefined)
      return verifyText({ path, content }, allowed, { severities });
    const base = verifyText({ path, content: protectedText ?? new Uint8Array() }, allowed, {
      severities,
    });
    return verifyText({ path, content }, allowed, { severities, suppressible: base.suppressed });
  };
}

/** Most texts silence nothing, and need no look at the protected branch. */
function ignores(content: Uint8Array | KsealError): boolean {
  return (
    !(content instanceof KsealError) &&
    Buffer.from(content.buffer, content.byteOffset, content.length).includes('kseal-ignore')
  );
}

async function standardFor(
  io: IO,
  git: LocalGit,
  file: string,
  flags: JudgeFlags,
): Promise<Standard> {
  const ref = flags.configFrom;
  const config = ref === undefined ? configFor(io, flags, file) : configAt(git, ref, dirname(file));
  const known = await knownKeys(
    flags.key,
    config,
    io.cwd,
    ref === undefined ? undefined : readKeyAt(git, ref, flags.key, io.cwd),
  );
  for (const id of config?.verify.rules?.keys() ?? []) checkRule(id, config?.path ?? '');
  return { config, known, refused: refusedKidsOf(flags.failIfKid, known) };
}

/** The configuration as a protected branch has it: nearest above `folder`, up to the repository's root. */
function configAt(git: LocalGit, ref: string, folder: string): Config | undefined {
  const path = join(folder, CONFIG_NAME);
  const octets = fileAt(git, ref, relative(git.folder, path));
  if (octets !== undefined)
    return parseConfig(octets, `${ref}:${relative(git.folder, path)}`, folder);
  const parent = dirname(folder);
  return existsSync(join(folder, '.git')) || parent === folder
    ? undefined
    : configAt(git, ref, parent);
}

/** Reads key files of the configuration from the branch it comes from; `--key` is the caller's word. */
function readKeyAt(git: LocalGit, ref: string, given: readonly string[], cwd: string): ReadKey {
  return async (path, shown) => {
    const octets = given.some((own) => resolve(cwd, own) === path)
      ? undefined
      : fileAt(git, ref, relative(git.folder, path));
    if (octets !== undefined) return checkedKey(readKeyText(octets, `${ref}:${shown}`), shown);
    throw new KsealError('IO', `${ref}:${shown}: no such file`, { hint: `commit it to ${ref}` });
  };
}

function checkRule(id: string, path: string): void {
  try {
    ruleNamed(id);
  } catch (thrown) {
    const [error] = errorsOf(thrown);
    if (!(error instanceof KsealError)) throw thrown;
    throw new KsealError('CONFIG_INVALID', `${path}: verify.rules: ${error.message}`, {
      hint: error.hint,
    });
  }
}
