import { realpathSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { CONFIG_NAME, type Config, type FindConfig, isIgnored, ruleFor } from '../config/config.ts';
import { type Location, locationOf } from '../diagnostic.ts';
import {
  exitCodeOf,
  exitCodes,
  expected,
  expectedErrors,
  KsealError,
  located,
  throwAll,
} from '../errors.ts';
import { folderWith, statOf } from '../fs/read.ts';
import { removeLeftovers, replaceEach } from '../fs/write.ts';
import { filesContaining } from '../git/local.ts';
import { keyUsage } from '../inspect/usage.ts';
import { describeBinding } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { sealedBeginnings } from '../jwe/detect.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { fingerprintOf, parseKid, shortFingerprints } from '../jwe/thumbprint.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { decodeManifest } from '../manifest/read.ts';
import { type Move, planMoves, resealing, withMoved } from '../rekey/rekey.ts';
import {
  isFolder,
  isManifestName,
  type NamedText,
  repositoryAround,
  textsInFiles,
} from '../sources/texts.ts';
import { counted, MAX_LISTED, shellWord } from '../text.ts';
import { ifReadable, repeated, shownPath } from './files.ts';
import type { IO } from './io.ts';
import { keysFrom, type OpeningFlags } from './opening-keys.ts';
import { addKeyOptions, branchesHint, commandLine, configFinder, keyKinds } from './options.ts';
import {
  type Message,
  progressOn,
  say,
  sayAll,
  warn,
  warning,
  withProgress,
  writeStdout,
} from './print.ts';
import { settingsFrom } from './sealing-key.ts';
import { addTableOption, type Column, type TableFlags, tableForm, tableOf } from './table.ts';

interface RekeyFlags extends Omit<OpeningFlags, 'key'>, TableFlags {
  readonly to?: string;
  readonly from: readonly string[];
  readonly pin?: string;
  readonly dryRun?: boolean;
  readonly continueOnError?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  addTableOption(addKeyOptions(command))
    .argument('[path...]', 'files and folders (default: the current folder)')
    .option('--to <ref>', `the public key to move to: ${keyKinds} (env: KSEAL_SEAL_KEY)`)
    .option(
      '--from <ref>',
      `a key to open values with: ${keyKinds} (env: KSEAL_DECRYPT_KEY); by default those in .kseal.yaml`,
      repeated,
      none,
    )
    .option('--pin <kid>', 'the fingerprint that the key of --to must have')
    .option('--dry-run', 'print what would be moved; use no private key, write nothing')
    .option('--continue-on-error', 'move what can be moved, and report the rest')
    .option('--accept-unbound', 'also move values from other tools, which stay unbound')
    .option('--allow-revoked', 'also open values sealed to a revoked key')
    .action((paths: string[], flags: RekeyFlags) => rekey(io, paths, flags));
}

/** The key that values are moved to, and its name for people. */
interface Target {
  readonly key: PublicKey;
  readonly title: string;
}

/** A run: its paths, and the configuration of the first one. */
interface Run {
  readonly paths: readonly string[];
  readonly flags: RekeyFlags;
  readonly to: Target;
  /** The folder of the first path; absolute. */
  readonly folder: string;
  readonly config: Config | undefined;
}

async function rekey(io: IO, given: readonly string[], flags: RekeyFlags): Promise<void> {
  const paths = given.length > 0 ? given : ['.'];
  for (const path of paths) refuseStream(io, path, flags);
  const [first = '.'] = paths;
  const isDry = flags.dryRun ?? false;
  const at = isFolder(resolve(io.cwd, first)) ? join(first, CONFIG_NAME) : first;
  const withKey = (to: string) => commandWith(given, { ...flags, to });
  const settingFor = settingsFrom(io, { ...flags, key: flags.to }, { isDry, withKey });
  const { key, title } = await settingFor([at]);
  if (key === undefined) throw new Error('no key to move to');
  const find = configFinder(io, flags);
  const folder = dirname(resolve(io.cwd, at));
  const run = { paths, flags, to: { key, title: title ?? '' }, folder, config: find(folder) };
  const plan = await planAll(io, run, find);
  throwUnlessContinued(io, plan.errors, plan.files.length > 0, run);
  if (isDry) {
    await printPlan(io, plan, run);
    return throwAll(plan.errors);
  }
  const errors = await moveAll(io, plan, run);
  await sayRemaining(io, plan, run);
  throwAll([...plan.errors, ...errors]);
}

/** Throws USAGE for stdin, a pipe or a device: reading it leaves nothing to change in place. */
function refuseStream(io: IO, path: string, flags: RekeyFlags): void {
  const stats = path === '-' ? undefined : statOf(resolve(io.cwd, path));
  if (path !== '-' && (stats === undefined || stats.isFile() || stats.isDirectory())) return;
  const problem = 'is not a regular file, so it cannot be changed in place';
  const hint = commandWith(['FILE'], flags);
  throw new KsealError('USAGE', problem, { thing: shownPath(path), hint });
}

/** Throws the errors, if any, unless the command continues in spite of them. */
function throwUnlessContinued(
  io: IO,
  errors: readonly KsealError[],
  hasOthers: boolean,
  { paths, flags }: Run,
): void {
  if (errors.length === 0 || flags.continueOnError) return;
  if (hasOthers) {
    say(io, 'note', `nothing was moved; ${flags.dryRun ? 'to list' : 'to move'} the other values`);
    say(io, 'hint', commandWith(paths, { ...flags, continueOnError: true }));
  }
  throwAll(errors);
}

/** The command line with other paths or options, for a hint. */
function commandWith(paths: readonly string[], flags: RekeyFlags): string {
  return commandLine(['kseal rekey', ...paths.map(shellWord)].join(' '), {
    '--to': flags.to,
    '--from': flags.from,
    '--pin': flags.pin,
    '--config': flags.config,
    '--kms-endpoint': flags.kmsEndpoint,
    '--verify-signature': flags.verifySignature,
    '--accept-unbound': flags.acceptUnbound,
    '--allow-revoked': flags.allowRevoked,
    '--continue-on-error': flags.continueOnError,
    '--dry-run': flags.dryRun,
  });
}

/** A file with values to move. */
interface PlannedFile extends Pick<NamedText, 'path' | 'file'> {
  readonly source: string;
  readonly moves: readonly Move[];
}

interface Plan {
  readonly files: readonly PlannedFile[];
  /** The number of values that are on the key already. */
  readonly kept: number;
  readonly errors: readonly KsealError[];
  /** The folders of the files that were searched, after links. */
  readonly folders: ReadonlySet<string>;
}

/** Reads all files, and finds the values to move in them. Throws IO for a named path that cannot be read. */
async function planAll(io: IO, run: Run, find: FindConfig): Promise<Plan> {
  const files: PlannedFile[] = [];
  const errors: KsealError[] = [];
  const warnings: Message[] = [];
  const folders = new Set<string>();
  const seen = new Set<string>();
  const misdirected = misdirection(run, find);
  const { acceptUnbound = false } = run.flags;
  let kept = 0;
  const texts = manifestsAt(io, run.paths);
  for await (const text of withProgress(io, 'read', texts, ({ left }) => left)) {
    // Two paths may lead to one file. Two hard links to it are two files after the first is replaced.
    const file = realPathOf(text.file);
    if (seen.size === seen.add(file).size) continue;
    folders.add(dirname(file));
    try {
      if (text.content instanceof KsealError) throw text.content;
      const source = decodeManifest(text.content, text.path);
      const found = planMoves(text.path, source, run.to.key.kid, { acceptUnbound });
      kept += found.kept;
      const refused = await misdirected(text, found.moves);
      errors.push(...found.errors, ...refused);
      warnings.push(...found.fragments.map((location) => fragmentWarning(text, location)));
      if (found.moves.length > 0 && refused.length === 0)
        files.push({ ...text, source, moves: found.moves });
    } catch (thrown) {
      const error = expected(thrown);
      const config = find(dirname(text.file));
      if (!text.walked || config === undefined || !isIgnored(config, text.file)) errors.push(error);
      else warnings.push(warning({ message: `not searched: ${error.message}` }));
    }
  }
  sayAll(io, 'warning', warnings);
  if (seen.size > 0) return { files, kept, errors, folders };
  throw new KsealError('IO', 'no .yaml, .yml or .json file found', {
    thing: run.paths.join(', '),
    hint: 'name the files or folders with the sealed values',
  });
}

/** The path after all links; for a dangling link, the path itself. */
function realPathOf(file: string): string {
  return statOf(file) === undefined ? file : realpathSync.native(file);
}

function manifestsAt(io: IO, paths: readonly string[]): AsyncGenerator<NamedText> {
  return textsInFiles(io.cwd, paths, () => Promise.reject(new Error('stdin')));
}

function fragmentWarning({ path }: NamedText, location: Location): Message {
  const message = `${locationOf(path, location)}: only the beginning of a sealed value; not moved`;
  return warning({ message });
}

type Misdirected = (text: NamedText, moves: readonly Move[]) => Promise<readonly KsealError[]>;

/**
 * Returns a check of one file after the other. Without --from, values stay out of a key of another
 * cluster: if the rule for their file names another active key, it is an error to move them.
 */
function misdirection({ flags, to }: Run, find: FindConfig): Misdirected {
  return async ({ path, file }, moves) => {
    const config = find(dirname(file));
    const rule = config && ruleFor(config, file);
    if (config === undefined || rule?.key === undefined || flags.from.length > 0) return [];
    const { kids, of } = await keyStatuses(config);
    const named = kids.find((kid) => of(kid).names.includes(rule.key ?? ''));
    if (moves.length === 0 || named === undefined || named === to.key.kid) return [];
    if (of(named).state !== 'active') return [];
    const count = counted(moves.length, 'value');
    const problem = `${count} not moved to key ${to.title}, because its rule ${rule.path} in ${config.path} names key ${rule.key}, which is active`;
    const held = moves.flatMap(({ parsed: { header } }) => of(header.kid ?? '').names[0] ?? []);
    const from = held.length === 0 ? ['KEY'] : [...new Set(held)];
    const hint = `if the rule is outdated, correct it; to move them in spite of it: ${commandWith([path], { ...flags, from })}`;
    return [new KsealError('KEY_MISMATCH', problem, { thing: path, hint })];
  };
}

/** The names that the configuration gives to keys, else the beginning of the fingerprint. */
type NameOf = (kid: string | undefined) => string;

async function namesOf(config: Config | undefined, kids: readonly string[]): Promise<NameOf> {
  const statuses = config && (await keyStatuses(config));
  const short = shortFingerprints(kids);
  return (kid) => {
    // Another tool can name its key by any text.
    if (kid === undefined || parseKid(kid) === undefined) return '(no kid)';
    const [name] = statuses?.of(kid).names ?? [];
    return name ?? short(kid);
  };
}

const kidsOf = (files: readonly PlannedFile[]) =>
  files.flatMap(({ moves }) => moves.flatMap(({ parsed }) => parsed.header.kid ?? []));

/** `--dry-run`: a table of the values that would be moved. */
async function printPlan(io: IO, { files, kept }: Plan, { flags, to, config }: Run): Promise<void> {
  const nameOf = await namesOf(config, kidsOf(files));
  const rows = files.flatMap(({ path, moves }) => moves.map((move) => ({ path, ...move })));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: 'FILE', cell: ({ path, location }) => `${path}:${location.position.line}` },
    { title: 'OPENS IN', cell: ({ parsed }) => opensIn(parsed), prose: true },
    { title: 'KEY', cell: ({ parsed }) => nameOf(parsed.header.kid) },
    { title: 'FINGERPRINT', cell: ({ parsed }) => fingerprintIn(parsed), only: 'wide' },
  ];
  if (rows.length > 0) await writeStdout(io, tableOf(rows, columns, tableForm(io, flags)));
  const count = `${counted(rows.length, 'value')} in ${counted(files.length, 'file')}`;
  say(io, 'note', `would move ${count} to key ${to.title}${alreadyThere(kept)}`);
}

function alreadyThere(kept: number): string {
  if (kept === 0) return '';
  return `; ${counted(kept, 'value')} ${kept === 1 ? 'is' : 'are'} on it already`;
}

function opensIn({ header: { binding } }: CompactJwe): string {
  if (binding === undefined) return 'anywhere that accepts unbound values';
  return `${describeBinding(binding)} (${binding.scope})`;
}

function fingerprintIn({ header: { kid } }: CompactJwe): string {
  return kid === undefined || parseKid(kid) === undefined ? '' : fingerprintOf(kid);
}

/** Opens and seals all values, and then writes the files. Returns the errors of values that stay. */
async function moveAll(
  io: IO,
  { files, kept, folders }: Plan,
  run: Run,
): Promise<readonly KsealError[]> {
  const { to } = run;
  if (files.length === 0) {
    removeLeftovers(folders);
    say(io, 'note', `nothing to move to key ${to.title}${alreadyThere(kept)}`);
    return [];
  }
  const { resealed, errors } = await resealAll(io, files, run);
  throwUnlessContinued(io, errors, resealed.size > 0, run);
  removeLeftovers(folders);
  const changed = files.filter(({ moves }) => moves.some(({ jwe }) => resealed.has(jwe)));
  const replacements = changed.map(({ path, file, source, moves }) => {
    const bytes = withMoved(source, moves, resealed);
    return { path: file, shown: path, bytes, madeFrom: source };
  });
  const progress = await progressOn(io, 'written');
  const outcomes = await replaceEach(replacements, progress.step).finally(progress.end);
  const written = changed.filter((_, index) => outcomes[index] === undefined);
  const values = written.flatMap(({ moves }) => moves).filter(({ jwe }) => resealed.has(jwe));
  const count = `${counted(values.length, 'value')} in ${counted(written.length, 'file')}`;
  say(io, 'note', `moved ${count} to key ${to.title}`);
  return [...errors, ...outcomes.flatMap((error) => error ?? [])];
}

/** The new JWEs by the old ones, and the errors of those that cannot be opened. */
async function resealAll(io: IO, files: readonly PlannedFile[], { paths, flags, to, config }: Run) {
  const withKey = (reference: string) => {
    const key = config?.keys.get(reference);
    // The values on another active key may belong to another cluster.
    if (key !== undefined && (key.state ?? 'active') === 'active')
      return commandWith(['PATH'], flags);
    return commandWith(paths, { ...flags, from: [...flags.from, reference] });
  };
  const unavailable: KsealError[] = [];
  const onUnavailable = flags.continueOnError
    ? (errors: readonly KsealError[]) => void unavailable.push(...errors)
    : undefined;
  const keys = keysFrom(io, { ...flags, key: flags.from, onUnavailable }, paths, withKey);
  const sealed = files.flatMap(({ moves }) => moves.map(({ parsed }) => parsed));
  const { keyring, policy, explain } = await keys.find(paths[0] ?? '.', sealed);
  const reseal = resealing({ keyring, to: to.key, allowRevoked: policy.allowRevoked });
  const resealed = new Map<string, string>();
  const failures: { error: KsealError; places: string[] }[] = [];
  const started = files.map(async (file) => {
    const outcomes = await Promise.all(file.moves.map((move) => reseal(move).catch(expected)));
    return { ...file, outcomes };
  });
  const leftAfter = (_: unknown, index: number) => started.length - index - 1;
  for await (const { path, moves, outcomes } of withProgress(io, 'opened', started, leftAfter)) {
    for (const [index, { jwe, location }] of moves.entries()) {
      const outcome = outcomes[index] ?? '';
      if (typeof outcome === 'string') resealed.set(jwe, outcome);
      else {
        const place = locationOf(path, location);
        // The answer of a key that is unavailable concerns all its values.
        const isShared = exitCodeOf(outcome) === exitCodes.KEY_UNAVAILABLE;
        const known = isShared ? failures.find(({ error }) => error === outcome) : undefined;
        if (known === undefined) failures.push({ error: outcome, places: [place] });
        else known.places.push(place);
      }
    }
  }
  const errors = failures.map(({ error, places: [first = '', ...others] }) => {
    const { hint = '' } = error;
    const allowed = commandWith(paths, { ...flags, allowRevoked: true });
    const next = error.code === 'KEY_REVOKED' ? `to open it nevertheless: ${allowed}` : hint;
    return located(first, reworded(error, others.length, next));
  });
  const explained = await explain(new AggregateError(errors));
  const opening = errors.length === 0 ? [] : expectedErrors(explained);
  return { resealed, errors: [...unavailable, ...opening] };
}

/** The error with the number of other values that it concerns, and another hint. */
function reworded(
  { code, headline, cause, kid }: KsealError,
  others: number,
  hint: string,
): KsealError {
  const more = others === 0 ? '' : `; the same holds for ${counted(others, 'more value')}`;
  return new KsealError(code, headline + more, { hint: hint || undefined, cause, kid });
}

/** Says what needs the old keys after the run, and how to find it elsewhere. */
async function sayRemaining(io: IO, { files }: Plan, run: Run): Promise<void> {
  const folder = run.config?.folder ?? run.folder;
  const statuses = run.config && (await keyStatuses(run.config));
  const retired = (statuses?.kids ?? []).filter((kid) => statuses?.of(kid).state !== 'active');
  const moved = kidsOf(files).filter((kid) => parseKid(kid) !== undefined);
  const old = [...new Set([...moved, ...retired])].filter((kid) => kid !== run.to.key.kid);
  if (old.length === 0) return;
  const nameOf = await namesOf(run.config, old);
  const isRepository = folderWith('.git', folder) !== undefined;
  const isShared = isRepository || run.config !== undefined;
  const searched = isShared ? [repositoryAround(io.cwd, folder)] : run.paths;
  const others = isRepository ? otherFiles(io, folder) : undefined;
  const usage = await keyUsage(allTexts(io, searched, others ?? [])).catch(expected);
  if (usage instanceof KsealError) {
    const { message, hint } = usage;
    return warn(io, { message: `not known what still needs the old key: ${message}`, hint });
  }
  for (const kid of old) {
    const { values, files: holders } = usage.get(kid) ?? { values: 0, files: [] };
    const name = `key ${nameOf(kid)}`;
    // Without git, the files with other names are not known.
    const kind = others === undefined ? '.yaml, .yml or .json ' : '';
    if (values === 0) say(io, 'note', `${name}: no ${kind}file here needs it now`);
    else {
      const count = `${counted(values, 'value')} in ${counted(holders.length, 'file')}`;
      const hint = commandWith(holders.length > MAX_LISTED ? searched : holders, run.flags);
      const need = values === 1 ? 'needs' : 'need';
      warn(io, { message: `${name}: ${count} still ${need} it`, hint });
    }
  }
  const hint = branchesHint(io, folder);
  if (hint === undefined) return;
  say(io, 'note', 'other branches may still need the old key; to see their keys');
  say(io, 'hint', hint);
}

/**
 * The files of a repository with sealed values that are found only if they are named; undefined if
 * git does not answer.
 */
function otherFiles({ cwd, env }: IO, folder: string): readonly string[] | undefined {
  const top = folderWith('.git', folder) ?? folder;
  const names = ifReadable(() => filesContaining({ folder: top, env }, sealedBeginnings));
  return names
    ?.filter((name) => !isManifestName(name))
    .map((name) => relative(cwd, join(top, name)));
}

/** Reads all manifests at `paths`, and then those of `others` that can be read. */
async function* allTexts(
  io: IO,
  paths: readonly string[],
  others: readonly string[],
): AsyncGenerator<NamedText> {
  yield* manifestsAt(io, paths);
  for (const path of others) {
    try {
      yield* manifestsAt(io, [path]);
    } catch (error) {
      // For example a file that is too large.
      expected(error);
    }
  }
}
