import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { checks, type Finding, type Outcome } from '../doctor/check.ts';
import { clusterFindings } from '../doctor/cluster.ts';
import { gitFindings, modeFinding } from '../doctor/git.ts';
import { checkedKeys, keyFindings } from '../doctor/keys.ts';
import {
  readConfiguration,
  ruleFindings,
  type Survey,
  surveyTexts,
  unreadable,
  valueFindings,
  verifyFindings,
} from '../doctor/repository.ts';
import { sourceFindings, withoutSources } from '../doctor/sources.ts';
import { expected, KsealError } from '../errors.ts';
import { folderWith } from '../fs/read.ts';
import { withoutCredentials } from '../git/errors.ts';
import { isNamespace } from '../kubernetes/secret.ts';
import { repositoryAround, textsInFiles } from '../sources/texts.ts';
import { counted, jsonText, padded, printable, wrapped } from '../text.ts';
import { type Colour, type IO, version, widthOn } from './io.ts';
import { addKeyOptions, configFor, type KeyFlags, keyContext } from './options.ts';
import { paint, withProgress, writeStdout } from './print.ts';
import { judgeFrom } from './verify-policy.ts';
import { usage } from './webhook-options.ts';

interface DoctorFlags extends KeyFlags {
  readonly online?: boolean;
  readonly cluster?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly auditPolicy?: string;
  readonly json?: boolean;
}

export function configure(command: Command, io: IO, exit: (code: number) => void): void {
  addKeyOptions(command)
    .option('--online', 'also ask the sources of the keys, and try to decrypt')
    .option('--cluster', 'also check the webhook in the cluster of the current context')
    .option('--kubeconfig <file>', 'check the webhook in the cluster of this kubeconfig')
    .option('--context <name>', 'check the webhook in the cluster of this context')
    .option('-n, --namespace <name>', 'the namespace of the webhook (default: "kseal")')
    .option('--audit-policy <file>', 'also check this audit policy of the API server')
    .addOption(new Option('--json', 'print JSON'))
    .action(async (flags: DoctorFlags) => exit(await doctor(io, flags)));
}

/** Returns the exit code: 1 if a check has failed. Prints each finding as soon as it is known. */
async function doctor(io: IO, flags: DoctorFlags): Promise<number> {
  const all: Finding[] = [];
  for await (const found of findingsOf(io, flags)) {
    // A source may hold a password.
    const finding = {
      ...found,
      message: withoutCredentials(found.message),
      hint: found.hint && withoutCredentials(found.hint),
    };
    all.push(finding);
    if (!flags.json) await writeStdout(io, rowOf(io, finding));
  }
  await writeStdout(io, flags.json ? asJson(all) : summaryOf(io, all));
  return all.some(isFailed) ? 1 : 0;
}

/** Runs all checks, in the order of their table. */
async function* findingsOf(io: IO, flags: DoctorFlags): AsyncGenerator<Finding> {
  const { cwd, env } = io;
  const { config, findings } = readConfiguration(() => configFor(io, flags, undefined));
  const inCluster = clusterFindingsFor(io, flags, config);
  // Before anything is printed, because a kubeconfig that cannot be read is an error.
  const server = await inCluster.next();
  const keys = config === undefined ? [] : await checkedKeys(config, cwd);
  const first = [...findings, ...keyFindings(keys, env)];
  yield* first;
  const tree = { cwd, env, top: folderWith('.git', cwd) };
  const folder = repositoryAround(cwd, tree.top ?? config?.folder ?? cwd);
  // Neither a repository nor a configuration: it may be the home folder.
  const isAnywhere = tree.top === undefined && config === undefined;
  const read = isAnywhere ? undefined : await surveyOf(io, flags, config, folder);
  if (read instanceof KsealError) yield* unreadable(read);
  const found = read instanceof KsealError ? undefined : read;
  if (found !== undefined) {
    if (config !== undefined) yield* ruleFindings(config, keys, found);
    if (config !== undefined) yield* valueFindings(keys, found, config, { cwd, folder });
    yield* verifyFindings(found, folder, first);
  }
  yield* gitFindings(tree, found);
  yield modeFinding(cwd, config, found);
  const context = keyContext(io, flags, config);
  yield* flags.online ? await sourceFindings(keys, context) : withoutSources(keys);
  if (!server.done) yield server.value;
  yield* inCluster;
}

/** Throws USAGE, IO or CONFIG_INVALID before the first finding. */
async function* clusterFindingsFor(
  io: IO,
  flags: DoctorFlags,
  config: Config | undefined,
): AsyncGenerator<Finding> {
  const { cluster, kubeconfig, context, namespace = 'kseal', auditPolicy } = flags;
  if (!cluster && kubeconfig === undefined && context === undefined) {
    if (flags.namespace === undefined && auditPolicy === undefined) return;
    throw usage('-n and --audit-policy require --cluster', '--cluster');
  }
  if (!isNamespace(namespace)) throw usage('-n must be a namespace', '-n kseal');
  const { cwd, env } = io;
  const where = { kubeconfig, context, auditPolicy, namespace };
  yield* clusterFindings({ ...where, ...{ cwd, env, config, version } });
}

/** Reads the files below `folder`, a path relative to the current one; or returns the error. */
async function surveyOf(
  io: IO,
  flags: DoctorFlags,
  config: Config | undefined,
  folder: string,
): Promise<Survey | KsealError> {
  const none = () => Promise.resolve(new Uint8Array());
  const texts = textsInFiles(io.cwd, [folder], none, { folder: io.cwd, env: io.env });
  const shown = withProgress(io, 'checked', texts, ({ left }) => left);
  const isNamed = Boolean(flags.config ?? io.env.KSEAL_CONFIG);
  const judge = judgeFrom(io, { ...flags, key: [], failIfKid: [] });
  try {
    return await surveyTexts(shown, { config, isNamed, judge });
  } catch (thrown) {
    return expected(thrown);
  }
}

function isFailed({ outcome }: Finding): boolean {
  return outcome === 'failed';
}

const colours: Readonly<Record<Exclude<Outcome, 'skipped'>, Colour>> = {
  ok: 'green',
  warning: 'yellow',
  failed: 'red',
};

const widths = {
  outcome: 'warning'.length,
  check: Math.max(...Object.keys(checks).map(({ length }) => length)),
};
/** With less room beside the other columns, a message begins on a line of its own. */
const LEAST_MESSAGE = 24;

/** The line of a finding, wrapped on a terminal. A hint may be a command to paste, so it is not. */
function rowOf(io: IO, { check, outcome, message, hint }: Finding): string {
  const hintIndent = widths.outcome + 2;
  const column = hintIndent + widths.check + 2;
  const isBeside = widthOn(io.stdout) - column >= LEAST_MESSAGE;
  const indent = isBeside ? column : hintIndent;
  const label = padded(outcome, widths.outcome);
  const cells = [
    outcome === 'skipped' ? label : paint(io, io.stdout, colours[outcome], label),
    isBeside ? padded(check, widths.check) : check,
  ].join('  ');
  const lines = wrapped(printable(message), widthOn(io.stdout) - indent);
  const start = isBeside ? `${cells}  ` : `${cells}\n${' '.repeat(indent)}`;
  const text = `${start}${lines.join(`\n${' '.repeat(indent)}`)}\n`;
  if (hint === undefined) return text;
  return `${text}${' '.repeat(hintIndent)}${paint(io, io.stdout, 'cyan', 'hint:')} ${printable(hint)}\n`;
}

/** How often each outcome occurs. */
function tallyOf(all: readonly Finding[]): Readonly<Record<Outcome, number>> {
  const count = (wanted: Outcome) => all.filter(({ outcome }) => outcome === wanted).length;
  return {
    ok: count('ok'),
    warning: count('warning'),
    failed: count('failed'),
    skipped: count('skipped'),
  };
}

function summaryOf(io: IO, all: readonly Finding[]): string {
  const tally = tallyOf(all);
  const { failed, warning, skipped } = tally;
  const counts = [
    failed > 0 ? `${failed} failed` : '',
    warning > 0 ? counted(warning, 'warning') : '',
    skipped > 0 ? `${skipped} skipped` : '',
  ].filter(Boolean);
  const text = `${counted(all.length, 'check')}: ${counts.join(', ') || 'all ok'}`;
  const worst = (['failed', 'warning'] as const).find((one) => tally[one] > 0) ?? 'ok';
  const lines = wrapped(text, widthOn(io.stdout));
  return ['', ...lines.map((line) => paint(io, io.stdout, colours[worst], line)), ''].join('\n');
}

/** JSON for programs (docs/doctor.schema.json). */
function asJson(all: readonly Finding[]): string {
  const findings = all.map(({ check, outcome, message, hint = null }) => {
    return { check, outcome, message, hint };
  });
  return jsonText({ version: 1, findings, summary: tallyOf(all) });
}
