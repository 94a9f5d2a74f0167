import { leaksOf } from './canary.ts';
import { cekOf, jwesIn, kidOfPem } from './jwe.ts';
import type { Script } from './script.ts';
import type { Run } from './script-run.ts';
import { changedPaths, snapshot } from './snapshot.ts';

/** A stream or a file that a command wrote. */
interface Outlet {
  readonly name: string;
  readonly bytes: Buffer;
  /** The content before the command: a secret that was there already is not leaked. */
  readonly old: Buffer;
  /** Whether it may contain a plaintext, because the command is decrypt. */
  readonly target: boolean;
}

/**
 * Checks that no command but decrypt wrote a plaintext, and none a CEK. Throws with the line, the
 * outlet and the encoding.
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

/** The CEKs of all JWEs in files and outputs, as far as a private key of the script opens them. */
function ceksOf({ folder, runs, pems: others }: Script): Buffer[] {
  const files = snapshot(folder);
  const ours = [...files].filter(([name]) => name.endsWith('.pem'));
  const pems = [...ours.map(([, file]) => `${file.content}`), ...others];
  const texts = new Set([
    ...[...files.values()].map((file) => file.content.toString('latin1')),
    ...runs.flatMap((run) => outletsOf(run).map(({ bytes }) => bytes.toString('latin1'))),
  ]);
  const jwes = new Set([...texts].flatMap(jwesIn));
  const byKid = new Map(pems.map((pem) => [kidOrNone(pem), pem]));
  return [...jwes].flatMap((jwe) => {
    // RSA takes long, so the key that the header names is first.
    const named = byKid.get(kidIn(jwe)) ?? '';
    const cek = cekOf(jwe, named);
    return cek ?? pems.flatMap((pem) => (pem === named ? [] : (cekOf(jwe, pem) ?? [])));
  });
}

function kidOrNone(pem: string): string {
  try {
    return kidOfPem(pem);
  } catch {
    return '';
  }
}

function kidIn(jwe: string): string {
  const header = Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString();
  return /"kid":"([\w-]{43})"/.exec(header)?.[1] ?? '';
}
