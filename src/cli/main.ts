import { type IO, version } from './io.ts';
import { reportErrors, takeColour, withLooks, writeStdout } from './print.ts';

/** Runs a command line and returns the exit code. Never throws. */
export async function main(argv: readonly string[], io: IO): Promise<number> {
  // A failed write reports its error itself; without a listener Node would throw it again.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  let shown = io;
  try {
    // Without loading the rest of the program.
    if (isVersion.test(argv.filter((word) => word !== '--debug').join(' '))) {
      await writeStdout(io, `${version}\n`);
      return 0;
    }
    const { colour, words } = takeColour(argv);
    shown = await withLooks(io, colour, argv.includes('--debug') || Boolean(io.env.KSEAL_DEBUG));
    const { run } = await import('./program.ts');
    return await run(words, shown);
  } catch (thrown) {
    io.onError?.(thrown);
    return reportErrors(shown, thrown);
  }
}

const isVersion = /^(?:-[vV]|--version|version)$/;
