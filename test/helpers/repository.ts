import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { folderWithKeys } from './folder.ts';
import { type Ended, kseal, runBin } from './spawn.ts';

/** Settings that make git work the same on every machine. */
const gitSettings = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_COUNT: '3',
  GIT_CONFIG_KEY_0: 'init.defaultBranch',
  GIT_CONFIG_VALUE_0: 'main',
  GIT_CONFIG_KEY_1: 'user.name',
  GIT_CONFIG_VALUE_1: 'Ann',
  GIT_CONFIG_KEY_2: 'user.email',
  GIT_CONFIG_VALUE_2: 'ann@example.org',
};

/** A folder with the keys of the run, for commands with `kseal` on their PATH. */
export interface Workplace {
  readonly folder: string;
  /** Runs a program to its end, in the folder or in one below it. */
  readonly run: (command: readonly string[], options?: RunOptions) => Promise<Ended>;
  /** Runs git, which must succeed; returns what it prints. */
  readonly git: (...args: readonly string[]) => Promise<string>;
  readonly write: (files: Readonly<Record<string, string>>) => void;
}

export interface RunOptions {
  readonly in?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function workplace(): Workplace {
  const folder = folderWithKeys();
  const path = join(folder, '.bin');
  mkdirSync(path);
  writeFileSync(join(path, 'kseal'), `#!/bin/sh\nexec '${kseal.join("' '")}' "$@"\n`);
  chmodSync(join(path, 'kseal'), 0o755);
  const run: Workplace['run'] = (command, { in: below = '.', env = {} } = {}) =>
    runBin([], {
      cwd: join(folder, below),
      command,
      env: { ...gitSettings, HOME: folder, PATH: `${path}:${process.env.PATH}`, ...env },
    });
  return {
    folder,
    run,
    git: async (...args) => {
      const { code, stdout, stderr } = await run(['git', ...args]);
      if (code !== 0) throw new Error(`git ${args.join(' ')} exited with ${code}\n${stderr}`);
      return `${stdout}`;
    },
    write: (files) => {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), text);
      }
    },
  };
}

/** A workplace that is a git repository, in which git ignores the keys. */
export async function repository(): Promise<Workplace> {
  const place = workplace();
  await place.git('init', '-q');
  place.write({ '.git/info/exclude': '/.bin\n*.pem\n*.pub\n' });
  return place;
}

/** A Secret hr/NAME with one value, as plaintext. */
export function plainSecret(name: string, value: string): string {
  const head = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\n  namespace: hr\n`;
  return `${head}data:\n  password: ${Buffer.from(value).toString('base64')}\n`;
}

/** The same, sealed to the key k. */
export async function sealedSecret({ run, write }: Workplace, name: string): Promise<string> {
  write({ '.bin/plain.yaml': plainSecret(name, 'CANARY-sealed') });
  const { code, stdout, stderr } = await run([
    'kseal',
    'seal',
    '-f',
    '.bin/plain.yaml',
    '-k',
    'k.pub',
  ]);
  if (code !== 0) throw new Error(`${stderr}`);
  return `${stdout}`;
}
