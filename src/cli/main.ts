import { type IO, version } from './io.ts';
import { reportErrors, writeStdout } from './print.ts';

/** Runs one command line; returns the exit code. Never throws. */
export async function main(argv: readonly string[], io: IO): Promise<number> {
  // The write that fails says so itself; without a listener it would be thrown a second time.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  try {
    // Whoever asks for no more than this does not wait for all the rest.
    if (argv.length === 1 && isVersion.test(argv[0] ?? '')) {
      await writeStdout(io, `${version}\n`);
      return 0;
    }
    const { run } = await import('./program.ts');
    return await run(argv, io);
  } catch (thrown) {
    io.onError?.(thrown);
    return reportErrors(io, thrown, argv.includes('--debug') || Boolean(io.env.KSEAL_DEBUG));
  }
}

const isVersion = /^(?:-V|--version)$/;
