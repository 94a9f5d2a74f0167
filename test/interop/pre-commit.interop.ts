import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Registry, startRegistry } from '../helpers/registry.ts';

// pre-commit itself, with the hook of this repository and with the one in docs/ci.md. Both install
// the package from a registry on this machine.

const root = join(import.meta.dirname, '../..');
const version = '4.7.0';

/** The path of pre-commit, which is installed once into a cache; undefined without python3 or PyPI. */
function installed(): string | undefined {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kseal-interop');
  const venv = join(cache, `pre-commit-${version}`);
  const program = join(venv, 'bin/pre-commit');
  try {
    if (!existsSync(program)) {
      execFileSync('python3', ['-m', 'venv', '--clear', venv], { stdio: 'ignore' });
      const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--retries', '1'];
      execFileSync(join(venv, 'bin/python'), [...pip, `pre-commit==${version}`]);
    }
    return program;
  } catch {
    return undefined;
  }
}

const program = installed();

describe.skipIf(program === undefined)(
  program === undefined ? 'NOT RUN: pre-commit is missing' : `with pre-commit ${version}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'kseal-pre-commit-'));
    const [hooks, repository] = [join(folder, 'hooks'), join(folder, 'repository')];
    let registry: Registry;

    const env = () => ({
      PATH: process.env.PATH,
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      PRE_COMMIT_HOME: join(folder, 'pre-commit'),
      ...registry.env,
    });
    const git = (cwd: string, ...args: readonly string[]) => {
      const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
      execFileSync('git', [...who, ...args], { cwd, env: env(), stdio: 'ignore' });
    };
    const commit = (cwd: string) => {
      git(cwd, 'add', '.');
      git(cwd, 'commit', '-q', '-m', 'change');
    };
    /** Runs pre-commit on all files with a configuration; resolves to its exit code and output. */
    async function run(config: string, more: Readonly<Record<string, string>> = {}) {
      const path = join(folder, 'config.yaml');
      writeFileSync(path, config);
      const options = { cwd: repository, env: { ...env(), ...more } };
      return promisify(execFile)(String(program), ['run', '-a', '-c', path], options).then(
        ({ stdout }) => ({ code: 0, stdout }),
        ({ code, stdout }) => ({ code, stdout: String(stdout) }),
      );
    }
    /** Expects that a hook reports plaintext, and passes after it is gone. */
    async function expectToWork(config: string, more: Readonly<Record<string, string>> = {}) {
      const manifest = join(repository, 'db.yaml');
      const text = 'apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: hr }\n';
      writeFileSync(manifest, `${text}stringData: { password: CANARY-plaintext }\n`);
      git(repository, 'add', '.');
      const found = await run(config, more);
      expect(found).toMatchObject({ code: 1, stdout: expect.stringContaining('plaintext-value') });
      expect(found.stdout).not.toContain('CANARY');
      writeFileSync(manifest, 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: db }\n');
      git(repository, 'add', '.');
      expect(await run(config, more)).toMatchObject({ code: 0 });
    }

    beforeAll(async () => {
      for (const path of [hooks, repository]) mkdirSync(path);
      registry = await startRegistry(folder);
      for (const part of ['.github', '.pre-commit-hooks.yaml', 'package.json'])
        cpSync(join(root, part), join(hooks, part), { recursive: true });
      // npm must not install the kseal of this registry.
      writeFileSync(join(repository, '.npmrc'), 'registry=http://127.0.0.1:1/\n');
      writeFileSync(join(repository, '.kseal.yaml'), 'version: 1\n');
      for (const path of [hooks, repository]) {
        git(path, 'init', '-q', '-b', 'main');
        commit(path);
      }
      git(hooks, 'tag', 'v1');
      git(repository, 'update-ref', 'refs/remotes/origin/main', 'HEAD');
    });
    afterAll(() => {
      registry.stop();
      rmSync(folder, { recursive: true });
    });

    test('the hook of this repository runs the released kseal', async () => {
      const hook = '{ id: kseal-verify, args: [--config-from, refs/remotes/origin/main, --] }';
      await expectToWork(`repos: [{ repo: 'file://${hooks}', rev: v1, hooks: [${hook}] }]\n`);
    });

    test('the local hook of the documentation installs the released kseal', async () => {
      const page = readFileSync(join(root, 'docs/ci.md'), 'utf8');
      const [, config = ''] = /^```yaml local-hook\.yaml\n([\s\S]*?)^```$/m.exec(page) ?? [];
      // pre-commit hides the configuration of the user from npm.
      await expectToWork(config, { npm_config_registry: registry.address });
    });
  },
);
