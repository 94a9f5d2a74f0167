import type { Command } from 'commander';
import { ClusterError, connect } from '../doctor/kubernetes.ts';
import { type Stored, type Swept, sweep } from '../doctor/stored.ts';
import { KsealError } from '../errors.ts';
import { isNamespace } from '../kubernetes/secret.ts';
import { counted, grouped, printable } from '../text.ts';
import type { Colour, IO } from './io.ts';
import { hideProgress, paint, say, withProgress, writeStdout } from './print.ts';
import { usage } from './webhook-options.ts';

interface SweepFlags {
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly write?: boolean;
}

export function configure(command: Command, io: IO, exit: (code: number) => void): void {
  command
    .option('-n, --namespace <name>', 'only the Secrets in this namespace (default: in all)')
    .option('--kubeconfig <file>', 'the cluster of this kubeconfig')
    .option('--context <name>', 'the cluster of this context')
    .option('--write', 'have the webhook open the values, instead of a list')
    .action(async (flags: SweepFlags) => exit(await sweepCluster(io, flags)));
}

/** A shell has other meanings for larger exit codes. */
const MAX_EXIT = 125;

type Tally = Record<Stored['outcome'] | 'all', number>;

/** Returns the exit code. Prints each Secret as soon as it is known. */
async function sweepCluster(io: IO, flags: SweepFlags): Promise<number> {
  const { namespace, kubeconfig, context, write: isWriting = false } = flags;
  if (namespace !== undefined && !isNamespace(namespace))
    throw usage('-n must be a namespace', '-n hr');
  const tally: Tally = { all: 0, sealed: 0, opened: 0, failed: 0 };
  try {
    const cluster = await connect({ kubeconfig, context, cwd: io.cwd, env: io.env });
    const found = sweep(cluster, { namespace, isWriting });
    const shown = withProgress<Swept>(io, 'checked', found, ({ left }) => left, 'Secret');
    for await (const { stored } of shown) {
      tally.all++;
      if (stored === undefined) continue;
      tally[stored.outcome]++;
      hideProgress(io);
      await writeStdout(io, rowOf(io, stored));
    }
    summarize(io, tally, namespace, cluster.flags);
  } catch (error) {
    if (error instanceof ClusterError) throw asError(error, flags);
    throw error;
  }
  return Math.min(tally.sealed + tally.failed, MAX_EXIT);
}

function asError({ outcome, message, hint }: ClusterError, flags: SweepFlags): KsealError {
  const isDenied = outcome === 'skipped';
  const narrower = flags.namespace === undefined ? 'kseal webhook sweep -n NAMESPACE' : undefined;
  return new KsealError('IO', message, {
    thing: isDenied ? 'Secrets' : undefined,
    hint: isDenied ? narrower : hint,
  });
}

const colours: Readonly<Record<Stored['outcome'], Colour>> = {
  sealed: 'yellow',
  opened: 'green',
  failed: 'red',
};

/** The line of a Secret, and one for the hint. */
function rowOf(io: IO, { outcome, namespace, name, message, hint }: Stored): string {
  const label = paint(io, io.stdout, colours[outcome], outcome);
  const line = `${label}  ${printable(`${namespace}/${name}: ${message}`)}\n`;
  if (hint === undefined) return line;
  return `${line}        ${paint(io, io.stdout, 'cyan', 'hint:')} ${printable(hint)}\n`;
}

/** Prints the counts, and the command that opens what can be opened. */
function summarize(
  io: IO,
  { all, sealed, opened, failed }: Tally,
  namespace: string | undefined,
  flags: string,
): void {
  const [place, option] =
    namespace === undefined ? ['', ''] : [` in ${namespace}`, ` -n ${namespace}`];
  const counts = [
    sealed > 0 ? `${grouped(sealed)} stored sealed` : '',
    opened > 0 ? `${grouped(opened)} opened` : '',
    failed > 0 ? `${grouped(failed)} cannot be opened` : '',
  ].filter(Boolean);
  say(
    io,
    'note',
    `${counted(all, 'Secret')}${place}: ${counts.join(', ') || 'none is stored sealed'}`,
  );
  if (sealed > 0) say(io, 'hint', `kseal webhook sweep${flags}${option} --write`);
}
