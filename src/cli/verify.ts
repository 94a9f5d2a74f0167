import { type Command, Option } from 'commander';
import { KsealError } from '../errors.ts';
import type { LocalGit } from '../git/objects.ts';
import { formats } from '../report/formats.ts';
import { inOrder, type Report, tallyOf } from '../report/report.ts';
import { explainRule } from '../rules/explain.ts';
import { rules } from '../rules/index.ts';
import type { Finding, Severity, SuppressedFinding } from '../rules/rule.ts';
import { type NamedText, textsAtRef, textsInFiles, textsInIndex } from '../sources/texts.ts';
import type { Verification } from '../verify.ts';
import { repeated } from './input.ts';
import type { IO } from './io.ts';
import { type Judge, judgeFrom } from './judge.ts';
import { paint, writeStdout } from './print.ts';
import { version } from './version.ts';

export interface VerifyFlags {
  readonly file: readonly string[];
  readonly staged?: boolean;
  readonly ref: readonly string[];
  readonly key: readonly string[];
  readonly config?: string;
  readonly configFrom?: string;
  readonly format: keyof typeof formats;
  readonly json?: boolean;
  readonly failOn: Severity;
  readonly failIfKid: readonly string[];
  readonly explain?: string;
  readonly quiet?: boolean;
  readonly maxFindings?: number;
}

export function configure(command: Command, io: IO, exit: (code: number) => void): void {
  const none: readonly string[] = [];
  command
    .argument('[path...]', 'manifests and folders; without any the current folder')
    .option('-f, --file <file>', 'a further path', repeated, none)
    .option('--staged', 'what the next commit changes, as the index has it')
    .option('--ref <ref>', 'a branch, tag or commit, without checking it out', repeated, none)
    .option('-k, --key <ref>', 'a public key that values may be sealed to', repeated, none)
    .option(
      '--config <file>',
      'the configuration, in place of the .kseal.yaml above (KSEAL_CONFIG)',
    )
    .option('--config-from <ref>', 'take rules, keys and suppressions from a protected branch')
    .addOption(
      new Option('--format <format>', 'how to print').choices(Object.keys(formats)).default('text'),
    )
    .option('--json', 'the same as --format json')
    .addOption(
      new Option('--fail-on <severity>', 'what makes the exit code 1')
        .choices(['error', 'warning'])
        .default('error'),
    )
    .option('--fail-if-kid <kid>', 'report every value that is sealed to this key', repeated, none)
    .option('--max-findings <n>', 'print no more than so many', positive)
    .option('--quiet', 'print nothing when nothing was found')
    .option('--explain <rule>', 'say what a rule is for, with an example')
    .action(async (paths: string[], flags: VerifyFlags) =>
      exit(await verify(io, [...paths, ...flags.file], flags)),
    );
}

function positive(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new KsealError('USAGE', '--max-findings takes a number', { hint: '--max-findings 100' });
}

/** Returns the exit code: 1 for findings of the severity that `--fail-on` names. */
async function verify(io: IO, paths: readonly string[], flags: VerifyFlags): Promise<number> {
  if (flags.explain !== undefined) {
    await writeStdout(io, explainRule(flags.explain));
    return 0;
  }
  const report = await reportOn(io, textsFor(io, paths, flags), judgeFrom(io, flags), flags);
  const { errors, warnings } = tallyOf(report);
  const failed = errors + (flags.failOn === 'warning' ? warnings : 0) > 0;
  if (!flags.quiet || errors + warnings > 0) {
    const format = formats[flags.json ? 'json' : flags.format];
    const tool = { version, rules };
    await writeStdout(
      io,
      format(report, tool, (colour, text) => paint(io, io.stdout, colour, text)),
    );
  }
  return failed ? 1 : 0;
}

function textsFor(
  io: IO,
  paths: readonly string[],
  { staged, ref }: VerifyFlags,
): AsyncIterable<NamedText> {
  const git: LocalGit = { folder: io.cwd, env: io.env };
  if (staged && ref.length > 0) {
    throw new KsealError('USAGE', '--staged and --ref exclude each other', {
      hint: 'run it twice',
    });
  }
  if (staged) return textsInIndex(git, paths);
  if (ref.length > 0) return textsAtRefs(git, ref, paths);
  return textsInFiles(io.cwd, paths.length > 0 ? paths : ['.']);
}

async function* textsAtRefs(git: LocalGit, refs: readonly string[], paths: readonly string[]) {
  for (const ref of refs) yield* textsAtRef(git, ref, paths);
}

interface Totals {
  readonly findings: Finding[];
  readonly suppressed: SuppressedFinding[];
  readonly files: string[];
  secrets: number;
  values: number;
  sealed: number;
  unjudged: number;
}

/** Judges one text after the other, so that memory does not grow with their number. */
async function reportOn(
  io: IO,
  texts: AsyncIterable<NamedText>,
  judge: Judge,
  flags: VerifyFlags,
): Promise<Report> {
  const totals: Totals = {
    findings: [],
    suppressed: [],
    files: [],
    secrets: 0,
    values: 0,
    sealed: 0,
    unjudged: 0,
  };
  for await (const text of texts) {
    const result = await judge(text);
    if (result !== undefined) add(totals, text.path, result);
    showProgress(io, totals.files.length);
  }
  if (totals.files.length === 0 && !flags.staged) throw nothingRead();
  const { unjudged, ...rest } = totals;
  const findings = inOrder(totals.findings);
  const shown = flags.maxFindings ?? findings.length;
  return {
    ...rest,
    findings: findings.slice(0, shown),
    hidden: findings.slice(shown),
    failOn: flags.failOn,
    notes:
      unjudged === 0
        ? []
        : [
            `no key is known, so whether ${unjudged} sealed values are for the right one was not judged: --key keys/prod.pub`,
          ],
  };
}

function add(totals: Totals, path: string, result: Verification): void {
  totals.files.push(path);
  totals.findings.push(...result.findings);
  totals.suppressed.push(...result.suppressed);
  totals.secrets += result.secrets;
  totals.values += result.values;
  totals.sealed += result.sealed;
  totals.unjudged += result.unjudgedKids;
}

/** How far a long run is, on a terminal only; the last line is wiped when it ends. */
function showProgress(io: IO, files: number): void {
  if (io.stderr.isTTY && files > 0 && files % 500 === 0)
    io.stderr.write(`\r${files} files\x1b[K\r`);
}

function nothingRead(): KsealError {
  return new KsealError('IO', 'no manifest was found to verify', {
    hint: 'name a folder that holds .yaml, .yml or .json files',
  });
}
