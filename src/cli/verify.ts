import { type Command, Option } from 'commander';
import { compareText } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import type { LocalGit } from '../git/local.ts';
import { github } from '../report/github.ts';
import { json } from '../report/json.ts';
import { junit } from '../report/junit.ts';
import { type Paint, type Report, type Reporter, sorted, tallyOf } from '../report/report.ts';
import { sarif } from '../report/sarif.ts';
import { text } from '../report/text.ts';
import { type NamedText, textsAtRefs, textsInFiles, textsInIndex } from '../sources/texts.ts';
import { counted, shellWord } from '../text.ts';
import { explainRule, listRules } from '../verify/explain.ts';
import type { Finding, Severity, SuppressedFinding } from '../verify/rule.ts';
import { rules } from '../verify/rules/index.ts';
import { readInput, repeated } from './files.ts';
import { type IO, version, widthOn } from './io.ts';
import { configOption, keyFileNear } from './options.ts';
import { paint, withProgress, writeStdout } from './print.ts';
import { type Judge, judgeFrom, type PolicyFlags } from './verify-policy.ts';

/** The formats that `--format` takes. */
export const formats = { text, json, sarif, github, junit } as const satisfies Readonly<
  Record<string, Reporter>
>;

export interface VerifyFlags extends PolicyFlags {
  readonly file: readonly string[];
  readonly staged?: boolean;
  readonly ref: readonly string[];
  readonly format: keyof typeof formats;
  readonly json?: boolean;
  readonly failOn: Severity;
  /** True for the list of all rules. */
  readonly explain?: string | true;
  readonly quiet?: boolean;
  readonly maxFindings?: number;
}

export function configure(command: Command, io: IO, exit: (code: number) => void): void {
  const none: readonly string[] = [];
  command
    .argument('[path...]', 'manifests or folders; - is stdin (default: the current folder)')
    .option('-f, --file <file>', 'a further path to verify', repeated, none)
    .option('--staged', 'verify the index instead of the working tree')
    .option('--ref <ref>', 'verify a branch, tag or commit, without a checkout', repeated, none)
    .option(
      '-k, --key <ref>',
      'a public key that values may be sealed to, instead of those in .kseal.yaml',
      repeated,
      none,
    )
    .option(...configOption)
    .option('--config-from <ref>', 'take rules, keys and suppressions from a protected branch')
    .addOption(
      new Option('--format <format>', 'output format')
        .choices(Object.keys(formats))
        .default('text'),
    )
    .addOption(new Option('--json', 'the same as --format json').conflicts('format'))
    .addOption(
      new Option('--fail-on <severity>', 'exit with 1 if a finding has at least this severity')
        .choices(['error', 'warning'])
        .default('error'),
    )
    .option(
      '--fail-if-kid <kid>',
      'fail if a value is sealed to this key (a fingerprint or a configured name)',
      repeated,
      none,
    )
    .option('--max-findings <n>', 'print at most this many findings', positive)
    .option('--quiet', 'print nothing unless there are findings')
    .option('--explain [rule]', 'explain a rule, with examples; without one, list all rules')
    .action(async (paths: string[], flags: VerifyFlags) =>
      exit(await verify(io, [...paths, ...flags.file], flags)),
    );
}

function positive(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new KsealError('USAGE', '--max-findings takes a positive number', {
    hint: '--max-findings 100',
  });
}

/** Returns the exit code: 1 for findings with the severity of `--fail-on`. */
async function verify(io: IO, paths: readonly string[], flags: VerifyFlags): Promise<number> {
  if (flags.explain !== undefined) {
    await writeStdout(io, flags.explain === true ? listRules() : explainRule(flags.explain));
    return 0;
  }
  const texts = textsFor(io, paths, flags);
  const report = await reportOn(io, texts, judgeFrom(io, flags), flags);
  const { errors, warnings } = tallyOf(report);
  if (!flags.quiet || errors + warnings > 0) {
    const format = formats[flags.json ? 'json' : flags.format];
    const coloured: Paint = (colour, text) => paint(io, io.stdout, colour, text);
    await writeStdout(io, format(report, { version, rules }, coloured, widthOn(io.stdout)));
  }
  return errors + (flags.failOn === 'warning' ? warnings : 0) > 0 ? 1 : 0;
}

function textsFor(
  io: IO,
  paths: readonly string[],
  { staged, ref }: VerifyFlags,
): AsyncIterable<NamedText> {
  const git: LocalGit = { folder: io.cwd, env: io.env };
  const sources = [staged && '--staged', ref.length > 0 && '--ref', paths.includes('-') && '-'];
  const [first, second] = sources.filter(Boolean);
  if (second !== undefined) {
    throw new KsealError('USAGE', `${first} and ${second} are mutually exclusive`, {
      hint: 'run kseal verify once for each',
    });
  }
  if (staged) return textsInIndex(git, paths);
  if (ref.length > 0) return textsAtRefs(git, ref, paths);
  return textsInFiles(io.cwd, paths.length > 0 ? paths : ['.'], () => pipedIn(io), git);
}

/** Reads stdin, which is empty if the command before the pipe failed. */
async function pipedIn(io: IO): Promise<Uint8Array> {
  const bytes = await readInput(io, '-');
  if (/\S/.test(bytes.toString('latin1'))) return bytes;
  throw new KsealError('IO', 'nothing to verify', {
    thing: 'stdin',
    hint: 'check whether the command before the pipe failed',
  });
}

/**
 * Judges one text after another, so that memory does not grow with their number. Throws IO if
 * nothing was read: an empty glob must not look like a sound repository.
 */
export async function reportOn(
  io: IO,
  texts: AsyncIterable<NamedText>,
  judge: Judge,
  { staged = false, maxFindings, failOn }: VerifyFlags,
): Promise<Report> {
  const findings: Finding[] = [];
  const suppressed: SuppressedFinding[] = [];
  const files: string[] = [];
  const foreign = new Map<string, number>();
  const totals = { secrets: 0, values: 0, sealed: 0, unjudgedKids: 0 };
  // The next commit may contain no manifest, and an ignored file may be named on the command line.
  let mayBeNone = staged;
  for await (const text of withProgress(io, 'checked', texts, ({ left }) => left)) {
    const result = await judge(text);
    if (result === undefined) {
      mayBeNone ||= !text.walked;
      continue;
    }
    files.push(text.path);
    for (const finding of result.findings) findings.push(finding);
    for (const finding of result.suppressed) suppressed.push(finding);
    for (const { tool } of result.foreign) foreign.set(tool, (foreign.get(tool) ?? 0) + 1);
    totals.secrets += result.secrets;
    totals.values += result.values;
    totals.sealed += result.sealed;
    totals.unjudgedKids += result.unjudgedKids;
  }
  if (files.length === 0 && !mayBeNone) {
    throw new KsealError('IO', 'no manifest to verify', {
      hint: 'name a folder with .yaml, .yml or .json files, or check verify.ignore in .kseal.yaml',
    });
  }
  const { unjudgedKids, ...counts } = totals;
  const all = sorted(findings);
  const shown = maxFindings ?? all.length;
  return {
    findings: all.slice(0, shown),
    hidden: all.slice(shown),
    suppressed: sorted(suppressed),
    files,
    ...counts,
    failOn,
    notes: [...notesOnKids(io, unjudgedKids), ...notesOnTools(foreign)],
  };
}

function notesOnKids(io: IO, count: number): readonly string[] {
  if (count === 0) return [];
  const values = counted(count, 'sealed value');
  return [
    `no keys known: the keys of ${values} were not checked; name them with -k ${shellWord(keyFileNear(io, 'public'))}`,
  ];
}

function notesOnTools(foreign: ReadonlyMap<string, number>): readonly string[] {
  if (foreign.size === 0) return [];
  const tools = [...foreign].sort(([a], [b]) => compareText(a, b));
  const counts = tools.map(([tool, count]) => `${count} ${tool}`);
  return [`documents of other tools, not judged: ${counts.join(', ')}`];
}
