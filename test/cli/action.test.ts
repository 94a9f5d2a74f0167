import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { leaksOf } from '../helpers/canary.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { plainSecret, repository, sealedSecret, type Workplace } from '../helpers/repository.ts';

// The released kseal, as people get it from a registry: the steps of action.yml, run like on GitHub
// Actions (with sh -e, the expressions in their environment replaced, and a clone of a pull request as
// the current folder), the script of .pre-commit-hooks.yaml, and the commands of README.md and ci.md.

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const action = parse(read('action.yml'));
const { version } = JSON.parse(read('package.json'));

let registry: Registry;
/** The checkout of the action and of the hook, which is not built. */
let checkout: string;
beforeAll(async () => {
  expect(inject('buildError')).toBe('');
  checkout = mkdtempSync(join(inject('scratch'), 'action-'));
  registry = await startRegistry(checkout);
  for (const part of ['.github', 'package.json', '.pre-commit-hooks.yaml'])
    cpSync(join(root, part), join(checkout, part), { recursive: true });
}, 60_000);
afterAll(() => registry.stop());

interface Step {
  readonly name: string;
  readonly if?: string;
  readonly shell: string;
  readonly run: string;
  readonly env?: Readonly<Record<string, string>>;
}

const inputs: Readonly<Record<string, string>> = { path: '.', 'fail-on': 'error', sarif: '' };

/** Evaluates an expression of action.yml with `branch` as the input config-from. */
function valueIn(
  expression: string,
  given: Readonly<Record<string, string>>,
  branch: string,
): string {
  const [, name] = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(expression) ?? [];
  if (name === 'config-from') return branch;
  if (name !== undefined) return given[name] ?? inputs[name] ?? '';
  expect(expression).toMatch(
    /\{ inputs\.config-from && format\('refs\/remotes\/origin\/\{0\}', inputs\.config-from\) \}/,
  );
  return branch && `refs/remotes/origin/${branch}`;
}

/** Runs the steps in a new clone of the branch `request`. */
async function runAction(
  place: Workplace,
  branch: string,
  given: Readonly<Record<string, string>> = {},
) {
  const clone = '.bin/clone';
  rmSync(join(place.folder, clone), { recursive: true, force: true });
  await place.git('clone', '-q', '--depth=1', '-b', 'request', `file://${place.folder}`, clone);
  const steps: readonly Step[] = action.runs.steps;
  let last: Awaited<ReturnType<Workplace['run']>> | undefined;
  for (const { if: condition, shell, run, env = {} } of steps) {
    expect([undefined, "inputs.config-from != ''"]).toContain(condition);
    if (condition !== undefined && branch === '') continue;
    const values = Object.entries(env).map(([name, text]) => [name, valueIn(text, given, branch)]);
    last = await place.run([shell, '-e', '-c', run], {
      in: clone,
      env: { ...registry.env, ...Object.fromEntries(values), GITHUB_ACTION_PATH: checkout },
    });
    if (last.code !== 0) break;
  }
  if (last === undefined) throw new Error('no step has run');
  return last;
}

/** A branch main with rules, and a branch request that relaxes them and adds plaintext. */
async function pullRequest(): Promise<Workplace> {
  const place = await repository();
  place.write({ '.kseal.yaml': 'version: 1\n', 'deploy/db.yaml': await sealedSecret(place, 'db') });
  await place.git('add', '.');
  await place.git('commit', '-q', '-m', 'main');
  await place.git('checkout', '-q', '-b', 'request');
  place.write({
    '.kseal.yaml': 'version: 1\nverify: {rules: {plaintext-value: off}}\n',
    // npm must not install the kseal of this registry.
    '.npmrc': 'registry=http://127.0.0.1:1/\n',
    'deploy/mail.yaml': plainSecret('mail', 'CANARY-mail'),
    'other/db.yaml': plainSecret('db', 'CANARY-other'),
  });
  await place.git('add', '.');
  await place.git('commit', '-q', '-m', 'request');
  return place;
}

test('the inputs have the expected defaults', () => {
  expect(Object.keys(action.inputs)).toEqual(['path', 'config-from', 'fail-on', 'sarif']);
  expect(action.inputs['config-from'].default).toMatch(/^\$\{\{ github\.base_ref \}\}$/);
  for (const [name, value] of Object.entries(inputs))
    expect(action.inputs[name].default).toBe(value);
});

test('a pull request is verified with the rules of its target, and annotated', async () => {
  const { code, stdout, stderr } = await runAction(await pullRequest(), 'main');
  expect([code, `${stderr}`]).toEqual([1, '']);
  expect(`${stdout}`.match(/^::error file=[^,]*/gm)).toEqual([
    '::error file=deploy/mail.yaml',
    '::error file=other/db.yaml',
  ]);
  expect(leaksOf(Buffer.from('CANARY-mail'), stdout)).toEqual([]);
});

test('without a branch the rules of the checkout apply', async () => {
  const { code, stdout } = await runAction(await pullRequest(), '');
  expect([code, `${stdout}`]).toEqual([0, expect.stringMatching(/^no findings in 3 files/m)]);
});

test('the SARIF file is written if there are findings', async () => {
  const place = await pullRequest();
  const given = { path: 'deploy other', sarif: 'kseal.sarif', 'fail-on': 'warning' };
  expect((await runAction(place, 'main', given)).code).toBe(1);
  const text = readFileSync(join(place.folder, '.bin/clone/kseal.sarif'), 'utf8');
  expect(JSON.parse(text).runs[0].results).toHaveLength(2);
  expect(leaksOf(Buffer.from('CANARY-mail'), Buffer.from(text))).toEqual([]);
});

test('the job fails for a missing branch and for a bad path', async () => {
  const place = await pullRequest();
  for (const [branch, given, wanted] of [
    ['none', {}, 128],
    ['main', { path: 'none' }, 2],
    ['main', { path: 'none', sarif: 'x' }, 2],
    ['main', { path: '--explain=plaintext-value' }, 2],
    ['main', { path: 'deploy/*.yaml' }, 2],
  ] as const) {
    expect([given, (await runAction(place, branch, given)).code]).toEqual([given, wanted]);
  }
});

/**
 * A repository with a manifest with plaintext, and with another kseal: in a package, in the folder of
 * commands, and in the registry of its .npmrc.
 */
async function hostile(): Promise<Workplace> {
  const place = await repository();
  const fake = '#!/bin/sh\necho CANARY-fake\n';
  place.write({
    '.npmrc': 'registry=http://127.0.0.1:1/\nnode-options=--require=./fake.cjs\n',
    'fake.cjs': 'console.log("CANARY-fake"); process.exit(0);\n',
    'package.json': '{"name": "kseal", "type": "module", "bin": "fake.cjs", "workspaces": ["."]}\n',
    'node_modules/.bin/kseal': fake,
    'node_modules/.bin/npm': fake,
    'node_modules/kseal/package.json': JSON.stringify({ name: 'kseal', version, bin: 'fake.cjs' }),
    'node_modules/kseal/fake.cjs': '',
    'mail.yaml': plainSecret('mail', 'CANARY-mail'),
  });
  return place;
}

test('the hook of pre-commit installs the released kseal once, and runs it', async () => {
  const [hook] = parse(read('.pre-commit-hooks.yaml'));
  expect(hook).toMatchObject({ language: 'script', require_serial: true });
  const installed = join(checkout, '.installed');
  rmSync(installed, { recursive: true, force: true });
  registry.requests.length = 0;
  const place = await hostile();
  const runHook = async () => {
    const [program = '', ...args] = hook.entry.split(' ');
    const command = [join(checkout, program), ...args, '--', 'mail.yaml'];
    const { code, stdout, stderr } = await place.run(command, { env: registry.env });
    expect([code, `${stderr}`]).toEqual([1, '']);
    expect(`${stdout}`).toContain('plaintext-value');
  };
  // Two that start at the same time do not see each other's incomplete installation.
  await Promise.all([runHook(), runHook()]);
  await runHook();
  expect(registry.requests.filter((path) => path === '/kseal')).toHaveLength(2);
  expect(readdirSync(installed)).toEqual([version]);
});

test('a global installation ignores another kseal in the folder, npx does not', async () => {
  const place = await hostile();
  const env = { ...registry.env, npm_config_prefix: place.folder };
  const installed = await place.run(['npm', 'install', '--global', `kseal@${version}`], { env });
  expect([installed.code, `${installed.stderr}`]).toEqual([0, '']);
  const shown = await place.run([join(place.folder, 'bin/kseal'), '--version']);
  expect(`${shown.stdout}`).toBe(`${version}\n`);
  const npx = ['npx', '--yes', `kseal@${version}`, '--version'];
  expect(`${(await place.run(npx, { env })).stdout}`).toContain('CANARY-fake');
  const elsewhere = await repository();
  expect(await elsewhere.run(npx, { env })).toMatchObject({ code: 0, stdout: shown.stdout });
});

test('the local hook of the documentation takes the same files', () => {
  const [, local = ''] =
    /^```yaml local-hook\.yaml\n([\s\S]*?)^```$/m.exec(read('docs/ci.md')) ?? [];
  const [hook] = parse(read('.pre-commit-hooks.yaml'));
  expect(parse(local).repos[0].hooks[0]).toMatchObject({ id: hook.id, files: hook.files });
});

test('the pages name the version that they belong to', () => {
  const versions = ['README.md', 'docs/ci.md'].flatMap((page) =>
    Array.from(read(page).matchAll(/\bkseal@(\d[\w.-]*)/g), ([, found]) => found),
  );
  expect(new Set(versions)).toEqual(new Set([version]));
});
