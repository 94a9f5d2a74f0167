import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';

// A fetch starts about ten processes, which take long on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** A folder for git, without the configuration of this machine. */
export interface GitWorld {
  readonly folder: string;
  /** The environment for kseal. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder for temporary folders. */
  readonly temporary: string;
}

/**
 * A new world, which is removed after the test. Until then `temporary` is also the temporary folder
 * of this process. It must be empty at the end.
 */
export function gitWorld(): GitWorld {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-world-')));
  const home = join(folder, 'home');
  const temporary = join(folder, 'tmp');
  for (const path of [home, temporary]) mkdirSync(path, { mode: 0o700 });
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    const left = readdirSync(temporary);
    rmSync(folder, { recursive: true, force: true });
    expect(left).toEqual([]);
  });
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
    GIT_CONFIG_NOSYSTEM: '1',
    // Keeps git off the terminal on which the tests run.
    GIT_TERMINAL_PROMPT: '0',
  };
  writeFileSync(env.GIT_CONFIG_GLOBAL, '');
  return { folder, env, temporary };
}

/** Adds to the configuration of the user. */
export function configure({ env }: GitWorld, text: string): void {
  writeFileSync(`${env.GIT_CONFIG_GLOBAL}`, text, { flag: 'a' });
}

/** Writes a shell script, and returns its path. */
export function program({ folder }: GitWorld, name: string, lines: readonly string[]): string {
  const path = join(folder, 'bin', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  return path;
}

/** Files and links of a repository by path: the content, or the target of a link. */
export type Tree = Readonly<Record<string, string | Buffer | { readonly link: string }>>;

/** A real repository with a working tree. */
export class Repository {
  readonly path: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor({ folder, env }: GitWorld, name = 'keys.git') {
    this.path = join(folder, 'repositories', name);
    this.#env = env;
    mkdirSync(this.path, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  git(...args: readonly string[]): string {
    const who = ['user.name=Ann', 'user.email=ann@example.org'].flatMap((name) => ['-c', name]);
    const options = { cwd: this.path, env: this.#env, stdio: 'pipe' as const };
    return execFileSync('git', [...who, ...args], options)
      .toString()
      .trim();
  }

  /** Adds `tree` to the working tree, commits, and returns the id of the commit. */
  commit(tree: Tree, ...options: readonly string[]): string {
    for (const [name, content] of Object.entries(tree)) {
      const path = join(this.path, name);
      mkdirSync(dirname(path), { recursive: true });
      if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(path, content);
      else symlinkSync(content.link, path);
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '--message=change', ...options);
    return this.git('rev-parse', 'HEAD');
  }

  get url(): string {
    return `file://${this.path}`;
  }
}
