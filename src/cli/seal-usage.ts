import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { isFile } from '../fs/read.ts';
import type { SealOptions } from '../seal/seal.ts';
import { accidentIds } from '../seal/value-warnings.ts';
import { shellWord } from '../text.ts';
import type { IO } from './io.ts';
import type { Setting, SettingFlags } from './setting.ts';
import { type Source, stdinReaders } from './values.ts';

/** What `kseal seal` was given, as commander hands it over. */
export interface SealFlags extends SettingFlags {
  readonly into?: string;
  readonly remove: readonly string[];
  readonly file: readonly string[];
  readonly inPlace?: boolean;
  readonly output?: string;
  readonly force?: boolean;
  readonly type?: string;
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly raw?: boolean;
  readonly keepNewline?: boolean;
  readonly allowEmpty?: boolean;
  readonly strict?: boolean;
  readonly allow: readonly string[];
}

/** What is sealed into: a new manifest, an existing one, the values of files, or a bare JWE. */
export type SealTarget = 'new' | 'into' | 'file' | 'jwe';

interface Restricted {
  readonly flag: string;
  readonly given: (flags: SealFlags) => boolean;
  readonly targets: readonly SealTarget[];
}

/** The options that go with some targets only. */
const restricted: readonly Restricted[] = [
  { flag: '--remove', given: ({ remove }) => remove.length > 0, targets: ['into'] },
  { flag: '--in-place', given: ({ inPlace }) => inPlace === true, targets: ['file'] },
  { flag: '--type', given: ({ type }) => type !== undefined, targets: ['new'] },
  { flag: '--label', given: ({ label }) => label.length > 0, targets: ['new'] },
  { flag: '--annotation', given: ({ annotation }) => annotation.length > 0, targets: ['new'] },
  { flag: '--raw', given: ({ raw }) => raw === true, targets: ['new', 'jwe'] },
];

/** Finds the target and checks that the rest goes with it. Throws USAGE with the next keystroke. */
export function checkUsage(
  io: IO,
  names: readonly string[],
  flags: SealFlags,
  sources: readonly Source[],
): SealTarget {
  const target = targetOf(names, flags, sources);
  for (const { flag, given, targets } of restricted) {
    if (given(flags) && !targets.includes(target)) throw misplaced(flag, target);
  }
  if (target === 'file') checkFiles(flags, sources);
  else checkValues(io, names, target, flags, sources);
  const files = [...flags.file, ...(target === 'file' ? names : []), flags.into ?? ''];
  if (stdinReaders(sources) + files.filter((file) => file === '-').length > 1) {
    throw new KsealError('USAGE', 'only one thing can be read from stdin', {
      hint: 'read the others from files, or with --prompt KEY',
    });
  }
  for (const id of flags.allow.filter((text) => !accidentIds.includes(text))) {
    throw new KsealError('USAGE', `--allow ${id}: no such warning`, {
      hint: `it is one of ${accidentIds.join(', ')}`,
    });
  }
  return target;
}

function targetOf(
  names: readonly string[],
  { file, into }: SealFlags,
  sources: readonly Source[],
): SealTarget {
  if (file.length > 0 && into !== undefined) {
    throw new KsealError('USAGE', '-f and --into exclude each other', {
      hint: '-f seals what is in a file, --into adds to it',
    });
  }
  if (file.length > 0) return 'file';
  if (into !== undefined) return 'into';
  if (names.length > 0) return 'new';
  if (sources.length === 1 && sources[0]?.kind === 'jwe') return 'jwe';
  throw new KsealError('USAGE', 'nothing to seal into', {
    hint: 'kseal seal NAME -n NAMESPACE -k REF --prompt KEY',
  });
}

function misplaced(flag: string, target: SealTarget): KsealError {
  const meant = { new: 'a NAME', into: '--into', file: '-f', jwe: '--from-jwe alone' }[target];
  return new KsealError('USAGE', `${flag} does not go with ${meant}`, {
    hint: 'kseal seal --help',
  });
}

function checkFiles({ inPlace, output }: SealFlags, sources: readonly Source[]): void {
  if (sources.length > 0) {
    throw new KsealError('USAGE', '-f takes its values from the manifest', {
      hint: 'to add a value to a manifest: kseal seal --into FILE',
    });
  }
  if (inPlace && output !== undefined) {
    throw new KsealError('USAGE', '-i and -o exclude each other', {
      hint: 'leave one of them away',
    });
  }
}

function checkValues(
  io: IO,
  names: readonly string[],
  target: SealTarget,
  flags: SealFlags,
  sources: readonly Source[],
): void {
  const [name = '', second] = names;
  if (target === 'new' && (/\.(?:ya?ml|json)$/.test(name) || isFile(resolve(io.cwd, name)))) {
    const line =
      sources.length > 0
        ? `kseal seal --into ${shellWord(name)}`
        : `kseal seal -f ${shellWord(name)} -i`;
    throw new KsealError('USAGE', `${name}: is a file, and a Secret's name belongs here`, {
      hint: `did you mean: ${line}`,
    });
  }
  if (second !== undefined) {
    throw new KsealError('USAGE', 'one Secret at a time', {
      hint: 'for files: kseal seal -f FILE -f FILE',
    });
  }
  if (sources.length === 0 && flags.remove.length === 0) {
    throw new KsealError('USAGE', 'no value given', {
      hint: 'to be asked for it: --prompt password',
    });
  }
}

/** The verb's options. */
export function sealOptions(flags: SealFlags, setting: Setting): SealOptions {
  return {
    ...setting,
    stringData: setting.stringData || flags.raw === true,
    policy: { strict: flags.strict ?? false, allow: new Set(flags.allow) },
  };
}
