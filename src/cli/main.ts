import { KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import { type IO, systemIO, version } from './io.ts';
import { reportErrors, takeColour, withLooks, writeStdout } from './print.ts';

/** Runs a command line and returns the exit code. Never throws. */
export async function main(argv: readonly string[], io: IO = systemIO()): Promise<number> {
  // A failed write reports its error itself; without a listener Node would throw it again.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  let shown = io;
  try {
    const { colour, words } = takeColour(argv);
    // Without loading the rest of the program.
    if (isVersion.test(words.filter((word) => word !== '--debug').join(' '))) {
      await writeStdout(io, `${version}\n`);
      return 0;
    }
    shown = await withLooks(io, colour, argv.includes('--debug') || Boolean(io.env.KSEAL_DEBUG));
    const { run } = await import('./program.ts');
    return await run(words, shown);
  } catch (thrown) {
    io.onError?.(thrown);
    return reportErrors(shown, withCommand(thrown, argv));
  }
}

/** Replaces the hint about a mistyped argument with the whole command line as it was meant. */
function withCommand(thrown: unknown, argv: readonly string[]): unknown {
  if (!(thrown instanceof KsealError) || thrown.meant === undefined) return thrown;
  const [typed, meant] = thrown.meant;
  // An argument that contains a value is not shown again.
  if (!argv.includes(typed) || argv.some((word) => word.startsWith('--from-literal')))
    return thrown;
  const words = argv.map((word) => shellWord(word === typed ? meant : word));
  const hint = `did you mean: kseal ${words.join(' ')}`;
  return new KsealError(thrown.code, thrown.message, { hint, cause: thrown.cause });
}

const isVersion = /^(?:-[vV]|--version|version)$/;
