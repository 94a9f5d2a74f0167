import { type Command, Option } from 'commander';
import { KsealError } from '../errors.ts';
import type { LocalGit } from '../git/local.ts';
import { formats } from '../report/formats.ts';
import { inOrder, type Paint, type Report, tallyOf } from '../report/report.ts';
import { type NamedText, textsAtRefs, textsInFiles, textsInIndex } from '../sources/texts.ts';
import { explainRule } from '../verify/explain.ts';
import type { Finding, SuppressedFinding } from '../verify/rule.ts';
import { rules } from '../verify/rules/index.ts';
import type { Verification } from '../verify/verify.ts';
import { readInput, repeated } from './files.ts';
import { type IO, version } from './io.ts';
import { paint, writeStdout } from './print.ts';
import { type Judge, judgeFrom, type VerifyFlags } from './verify-policy.ts';

/** What a run has come to so far. */
class Totals {
  readonly findings: Finding[] = [];
  readonly suppressed: SuppressedFinding[] = [];
  readonly files: string[] = [];
  /** From another tool to how many documents are left to it. */
  readonly foreign = new Map<string, number>();
  secrets = 0;
  values = 0;
  sealed = 0;
  unjudgedKids = 0;

  add(path: string, result: Verification): void {
    this.files.push(path);
    for (const finding of result.findings) this.findings.push(finding);
    for (const finding of result.suppressed) this.suppressed.push(finding);
    for (const { tool } of result.foreign)
      this.foreign.set(tool, (this.foreign.get(tool) ?? 0) + 1);
    this.secrets += result.secrets;
    this.values += result.values;
    this.sealed += result.sealed;
    this.unjudgedKids += result.unjudgedKids;
  }
}

/**
 * Judges one text after the other, so that memory does not grow with their number. Throws IO
 * where nothing was read: an empty glob must not look like a sound repository.
 */
export async function reportOn(
  io: IO,
  texts: AsyncIterable<NamedText>,
  judge: Judge,
  { staged = false, maxFindings, failOn }: VerifyFlags,
): Promise<Report> {
  const totals = new Totals();
  const progress = new Progress(io);
  // The next commit may well hold no manifest, and a file that is ignored may be named all the same.
  let mayBeNone = staged;
  try {
    for await (const text of texts) {
      const result = await judge(text);
      if (result !== undefined) totals.add(text.path, result);
      else if (!text.walked) mayBeNone = true;
      progress.step();
    }
  } finally {
    progress.end();
  }
  if (totals.files.length === 0 && !mayBeNone) {
    throw new KsealError('IO', 'no manifest was found to verify', {
      hint: 'name a folder that holds .yaml, .yml or .json files, and see verify.ignore in .kseal.yaml',
    });
  }
  const findings = inOrder(totals.findings);
  const shown = maxFindings ?? findings.length;
  return {
    findings: findings.slice(0, shown),
    hidden: findings.slice(shown),
    suppressed: inOrder(totals.suppressed),
    files: totals.files,
    secrets: totals.secrets,
    values: totals.values,
    sealed: totals.sealed,
    failOn,
    notes: notesOn(totals),
  };
}

function notesOn({ unjudgedKids, foreign }: Totals): readonly string[] {
  const tools = [...foreign].sort(([a], [b]) => (a < b ? -1 : 1));
  const counted = `${unjudgedKids} sealed value${unjudgedKids === 1 ? '' : 's'}`;
  return [
    unjudgedKids === 0
      ? []
      : `no key is known, so the keys of ${counted} were not judged; name one: --key keys/prod.pub`,
    tools.length === 0
      ? []
      : `left to other tools: ${tools.map(([tool, count]) => `${count} of ${tool}`).join(', ')}`,
  ].flat();
}

/** How far a long run is: on a terminal only, and wiped when the run ends. */
class Progress {
  readonly #io: IO;
  #files = 0;

  constructor(io: IO) {
    this.#io = io;
  }

  step(): void {
    this.#files++;
    if (this.#files % 500 === 0) this.#show(`${this.#files} files`);
  }

  end(): void {
    if (this.#files >= 500) this.#show('');
  }

  #show(text: string): void {
    if (this.#io.stderr.isTTY) this.#io.stderr.write(`\r\x1b[K${text}`);
  }
}

export function configure(command: Command, io: IO, exit: (code: number) => void): void {
  const none: readonly string[] = [];
  command
    .argument('[path...]', 'manifests and folders; without any the current folder; - is stdin')
    .option('-f, --file <file>', 'a further path', repeated, none)
    .option('--staged', 'what the next commit adds or changes, as the index has it')
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
    .addOption(new Option('--json', 'the same as --format json').conflicts('format'))
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
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new KsealError('USAGE', '--max-findings takes a number from 1 on', {
    hint: '--max-findings 100',
  });
}

/** Returns the exit code: 1 for findings of the severity that `--fail-on` names. */
async function verify(io: IO, paths: readonly string[], flags: VerifyFlags): Promise<number> {
  if (flags.explain !== undefined) {
    await writeStdout(io, explainRule(flags.explain));
    return 0;
  }
  const texts = textsFor(io, paths, flags);
  const report = await reportOn(io, texts, judgeFrom(io, flags), flags);
  const { errors, warnings } = tallyOf(report);
  if (!flags.quiet || errors + warnings > 0) {
    const format = formats[flags.json ? 'json' : flags.format];
    const coloured: Paint = (colour, text) => paint(io, io.stdout, colour, text);
    await writeStdout(io, format(report, { version, rules }, coloured));
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
    throw new KsealError('USAGE', `${first} and ${second} exclude each other`, {
      hint: 'run it once for each',
    });
  }
  if (staged) return textsInIndex(git, paths);
  if (ref.length > 0) return textsAtRefs(git, ref, paths);
  return textsInFiles(io.cwd, paths.length > 0 ? paths : ['.'], () => pipedIn(io));
}

/** What fails in front of a pipe often gives nothing, and nothing is no sound manifest. */
async function pipedIn(io: IO): Promise<Uint8Array> {
  const bytes = await readInput(io, '-');
  if (/\S/.test(bytes.toString('latin1'))) return bytes;
  throw new KsealError('IO', 'stdin: holds nothing to verify', {
    hint: 'see whether the command in front of the pipe failed',
  });
}
