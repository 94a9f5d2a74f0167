import { leaksOf } from './canary.ts';
import { cekOf, jwesIn } from './jwe.ts';
import type { Script } from './script.ts';
import type { Run } from './script-run.ts';
import { changedPaths, snapshot } from './snapshot.ts';

/** A place where bytes came out of a command. */
interface Outlet {
  readonly name: string;
  readonly bytes: Buffer;
  /** What stood there before: a secret that a script put into a file itself is not leaked. */
  readonly old: Buffer;
  /** Where a plaintext may come out: that is what decrypt is for. */
  readonly target: boolean;
}

/**
 * The canary rule: no plaintext comes out of a command, except where decrypt puts it, and no
 * CEK anywhere. Throws with the line, the outlet and the encoding.
 */
export function checkSecrets(script: Script, canaries: readonly string[], path: string): void {
  const ceks = ceksOf(script);
  const leaks = script.runs.flatMap((run) =>
    outletsOf(run).flatMap((outlet) => {
      const plaintexts = outlet.target ? [] : canaries.map((word) => leak(outlet, word));
      const found = [...plaintexts, ...ceks.map((cek) => leak(outlet, cek))].flat();
      return found.map((what) => `${path}:${run.line}: ${outlet.name} shows ${what}`);
    }),
  );
  if (leaks.length > 0) throw new Error(leaks.join('\n'));
}

function leak({ bytes, old }: Outlet, secret: string | Buffer): string[] {
  const before = leaksOf(Buffer.from(secret), old);
  const name = typeof secret === 'string' ? secret : `the CEK ${secret.toString('hex')}`;
  return leaksOf(Buffer.from(secret), bytes)
    .filter((encoding) => !before.includes(encoding))
    .map((encoding) => `${name} as ${encoding}`);
}

function outletsOf({ argv, stdout, stderr, shown, before, after }: Run): Outlet[] {
  const nothing = Buffer.alloc(0);
  const opens = argv.find((word) => !word.startsWith('-')) === 'decrypt';
  const files = changedPaths(before, after).map((name) => ({
    name,
    bytes: after.get(name)?.content ?? nothing,
    old: before.get(name)?.content ?? nothing,
    target: opens,
  }));
  return [
    { name: 'stdout', bytes: stdout, old: nothing, target: opens },
    { name: 'stderr', bytes: stderr, old: nothing, target: false },
    { name: 'the terminal', bytes: shown, old: nothing, target: false },
    ...files,
  ];
}

/** The CEKs of all JWEs that the script has seen and one of its private keys opens. */
function ceksOf({ folder, runs, pems: others }: Script): Buffer[] {
  const files = snapshot(folder);
  const ours = [...files].filter(([name]) => name.endsWith('.pem'));
  const pems = [...ours.map(([, file]) => file.content), ...others];
  const texts = new Set([
    ...[...files.values()].map((file) => file.content.toString('latin1')),
    ...runs.flatMap((run) => outletsOf(run).map(({ bytes }) => bytes.toString('latin1'))),
  ]);
  const jwes = new Set([...texts].flatMap(jwesIn));
  return [...jwes].flatMap((jwe) => {
    const ceks = pems.map((pem) => cekOf(jwe, pem));
    return ceks.filter((cek) => cek !== undefined);
  });
}
