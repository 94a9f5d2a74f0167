import { KsealError } from '../errors.ts';
import { inOrder, type Report } from '../report/report.ts';
import type { NamedText } from '../sources/texts.ts';
import type { Finding, SuppressedFinding } from '../verify/rule.ts';
import type { Verification } from '../verify/verify.ts';
import type { IO } from './io.ts';
import type { Judge } from './judge.ts';
import type { VerifyFlags } from './verify-flags.ts';

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
