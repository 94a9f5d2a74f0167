import { type Command, Option } from 'commander';
import { KsealError } from '../errors.ts';
import type { LocalGit } from '../git/local.ts';
import { formats } from '../report/formats.ts';
import { type Paint, tallyOf } from '../report/report.ts';
import { type NamedText, textsAtRefs, textsInFiles, textsInIndex } from '../sources/texts.ts';
import { explainRule } from '../verify/explain.ts';
import { rules } from '../verify/rules/index.ts';
import { readInput, repeated } from './input.ts';
import type { IO } from './io.ts';
import { judgeFrom } from './judge.ts';
import { paint, writeStdout } from './print.ts';
import { reportOn } from './report-on.ts';
import type { VerifyFlags } from './verify-flags.ts';
import { version } from './version.ts';

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
  const octets = await readInput(io, '-');
  if (/\S/.test(octets.toString('latin1'))) return octets;
  throw new KsealError('IO', 'stdin: holds nothing to verify', {
    hint: 'see whether the command in front of the pipe failed',
  });
}
