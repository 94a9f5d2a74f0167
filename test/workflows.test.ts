import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { folderWithKeys } from './helpers/folder.ts';

// The workflows of GitHub Actions, and the scripts that only they run.

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const { scripts, engines, version: current } = JSON.parse(read('package.json'));

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly needs?: string | readonly string[];
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly permissions: unknown;
  readonly concurrency: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = '.github/workflows';
const texts = new Map(
  readdirSync(join(root, folder)).map((name) => [name, read(join(folder, name))]),
);
const workflows = [...texts].map(([name, text]) => [name, parse(text) as Workflow] as const);
const jobs = workflows.flatMap(([name, workflow]) =>
  Object.entries(workflow.jobs).map(([id, job]) => [`${name}: ${id}`, job] as const),
);
const steps = jobs.flatMap(([name, job]) => job.steps.map((step) => [name, step] as const));
const release = Object.entries(parse(texts.get('release.yml') ?? '').jobs as Workflow['jobs']);
const filesIn = (path: string) => readdirSync(join(root, path)).map((name) => `${path}/${name}`);
const scriptOf = (job: Job) => job.steps.map(({ run = '' }) => run).join('\n');

describe('a workflow', () => {
  test.each([...texts])('%s pins each action by the hash of a commit', (_, text) => {
    const used = text.match(/\buses:.*/g) ?? [];
    expect(used.length).toBeGreaterThan(0);
    for (const line of used)
      expect(line).toMatch(/^uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('uses one version of an action', () => {
    const used = [...texts.values()].flatMap((text) => text.match(/(?<=uses: ).*/g) ?? []);
    const versions = new Map(used.map((line) => [line.split('@')[0], line]));
    expect(new Set(used)).toEqual(new Set(versions.values()));
  });

  test.each(workflows)('%s has no permissions of its own', (_, { permissions, concurrency }) => {
    expect(permissions).toEqual({});
    expect(concurrency).toBeDefined();
  });

  test.each(jobs)('%s names its permissions and a time limit', (_, job) => {
    expect(job.permissions).toBeDefined();
    expect(job['timeout-minutes']).toBeLessThanOrEqual(60);
  });

  test('leaves no token in the checkout', () => {
    const checkouts = steps.filter(([, { uses }]) => uses?.startsWith('actions/checkout@'));
    for (const [name, step] of checkouts)
      expect(step.with, name).toMatchObject({ 'persist-credentials': false });
  });

  test('puts no expression into a script', () => {
    for (const [name, { run = '' }] of steps) expect(run, name).not.toContain('${{');
  });

  test('runs npm scripts that exist', () => {
    for (const [, { run = '' }] of steps)
      for (const [, name = ''] of run.matchAll(/\bnpm run ([\w:-]+)/g))
        expect(scripts).toHaveProperty([name]);
  });

  test('needs no secret but the token of its run, where it publishes', () => {
    for (const text of texts.values()) expect(text).not.toContain('secrets.');
    const holders = steps.filter(([, { env = {} }]) => `${Object.values(env)}`.includes('.token'));
    expect(holders.map(([name]) => name)).toEqual(['release.yml: image', 'release.yml: page']);
  });
});

describe('ci.yml', () => {
  test('can only read', () => {
    const own = jobs.filter(([name]) => name.startsWith('ci.yml'));
    for (const [name, { permissions }] of own)
      expect(permissions, name).toEqual({ contents: 'read' });
  });

  test('runs .ci/run on two systems and three Nodes, the oldest included', () => {
    const { gate } = parse(texts.get('ci.yml') ?? '').jobs;
    const { os, node } = gate.strategy.matrix;
    expect(os.map((name: string) => name.split('-')[0])).toEqual(['ubuntu', 'macos']);
    expect(node).toHaveLength(3);
    expect(engines.node).toBe(`>=${node[0].replace(/\.0$/, '')}`);
    expect(gate.steps.at(-1)).toEqual({ run: '.ci/run' });
  });

  test('runs on Windows only tests that start no program', () => {
    const { windows } = parse(texts.get('ci.yml') ?? '').jobs;
    const folders = scriptOf(windows).match(/\btest\/(?!demo)\w+/g) ?? [];
    expect(folders.length).toBeGreaterThan(5);
    for (const path of folders.flatMap(filesIn))
      expect(read(path), path).not.toMatch(/node:child_process|helpers\/(?:folder|spawn|screen)/);
  });
});

describe('release.yml', () => {
  test('gives each job the least permissions', () => {
    const given = release.map(([name, { permissions }]) => [name, permissions]);
    const sign = { 'id-token': 'write', attestations: 'write' };
    expect(Object.fromEntries(given)).toEqual({
      gate: { contents: 'read' },
      package: { contents: 'read' },
      executable: { contents: 'read' },
      attest: sign,
      npm: sign,
      image: { contents: 'read', packages: 'write', ...sign },
      page: { contents: 'write' },
    });
  });

  test('runs no code of the project or its packages where it can sign or publish', () => {
    const powerful = release.filter(([, { permissions = {} }]) =>
      Object.values(permissions).includes('write'),
    );
    expect(powerful.map(([name]) => name)).toEqual(['attest', 'npm', 'image', 'page']);
    for (const [name, job] of powerful)
      expect(scriptOf(job), name).not.toMatch(
        /\bnpm (?:ci|run|install|exec|test)\b|\bnpx\b|\bnode\b|\.ci\//,
      );
  });

  test('uses no cache', () => {
    const text = texts.get('release.yml') ?? '';
    expect(text).not.toMatch(/actions\/cache|(?<!manager-)cache:|cache-(?:from|to)/);
    const nodes = release
      .flatMap(([, job]) => job.steps)
      .filter(({ uses }) => uses?.includes('node@'));
    for (const step of nodes) expect(step.with).toMatchObject({ 'package-manager-cache': false });
  });

  test('publishes only after the gate, and the page last', () => {
    const neededBy = (name: string): readonly string[] => {
      const { needs = [] } = Object.fromEntries(release)[name] ?? {};
      return [needs].flat().flatMap((one) => [one, ...neededBy(one)]);
    };
    for (const name of ['attest', 'npm', 'image']) expect(neededBy(name)).toContain('gate');
    expect(new Set(neededBy('page'))).toEqual(
      new Set(release.map(([name]) => name).filter((name) => name !== 'page')),
    );
    expect(scriptOf(Object.fromEntries(release).gate as Job)).toBe('\n\n.ci/run');
  });

  test('publishes nothing that the gate has built', () => {
    const uploaders = release.filter(([, job]) =>
      job.steps.some(({ uses }) => uses?.startsWith('actions/upload-artifact@')),
    );
    expect(uploaders.map(([name]) => name)).toEqual(['package', 'executable']);
    for (const [name, job] of uploaders) expect(scriptOf(job), name).not.toContain('.ci/run');
  });

  test('runs the demo with the tarball that it publishes', () => {
    const script = scriptOf(Object.fromEntries(release).package as Job);
    expect(script).toMatch(/npm pack .*package"\s+tar .*package\/kseal-\*\.tgz.*\n.* npm run demo/);
  });

  // It replaces the stage `build` by a folder that has these files, for two platforms.
  test('makes the image of the executables, without an emulator', () => {
    const last = read('Dockerfile')
      .split(/^FROM /m)
      .at(-1);
    expect(last).not.toMatch(/^RUN /m);
    expect(last?.match(/(?<=^COPY ).*(?= )/gm)).toEqual([
      '--from=build /build/kseal',
      '--from=build /build/standalone',
    ]);
  });
});

describe('.ci/release.mjs', () => {
  const guides = ['README.md', 'SECURITY.md', 'docs/ci.md'];
  const guide = (version: string) =>
    `npm install kseal@${version}\nkseal-${version}-linux-x64 has Node.js 24.1.2\nkseal:${version}\n` +
    `release.yml@refs/tags/v${version}\ngit clone --branch v${version}\n`;
  const url = 'git+https://github.com/acme/kseal.git';
  const changelog =
    '# Changelog\n\n## Unreleased\n\n- Seals values.\n\n## 0.1.0 - 2026-12-01\n\n- Old.\n';

  /** A folder with the files of a release, and a function that runs the script in it. */
  function releaseOf(version: string, text = changelog, repository: unknown = { url }) {
    const cwd = folderWithKeys();
    writeFileSync(join(cwd, 'package.json'), JSON.stringify({ version, repository }));
    writeFileSync(join(cwd, 'package-lock.json'), JSON.stringify({ version }));
    writeFileSync(join(cwd, 'CHANGELOG.md'), text);
    mkdirSync(join(cwd, 'docs'));
    for (const page of guides) writeFileSync(join(cwd, page), guide('0.1.0'));
    return (...args: readonly string[]) => {
      const script = join(root, '.ci/release.mjs');
      const run = spawnSync(process.execPath, [script, ...args], { cwd, encoding: 'utf8' });
      const [page, ...others] = ['CHANGELOG.md', ...guides].map((name) =>
        readFileSync(join(cwd, name), 'utf8'),
      );
      return { ...run, page, others: [...new Set(others)] };
    };
  }

  test('writes the version into the pages, and prints its changes for its tag', () => {
    const run = releaseOf('0.2.0');
    const { status, page, others } = run('pages');
    expect([status, page?.replace(/\d{4}-\d\d-\d\d/, 'DATE'), others]).toEqual([
      0,
      changelog.replace('## Unreleased', '## Unreleased\n\n## 0.2.0 - DATE'),
      [guide('0.2.0')],
    ]);
    expect(run('notes', 'v0.2.0', 'acme/kseal')).toMatchObject({
      status: 0,
      stdout: '- Seals values.\n',
      stderr: '',
    });
  });

  test('the pages install the version of package.json', () => {
    const paths = [
      'README.md',
      'SECURITY.md',
      ...filesIn('docs').filter((path) => /md$/.test(path)),
    ];
    const named = paths.flatMap(
      (path) => read(path).match(/(?<=\bkseal[@:-]|refs\/tags\/v)\d[\d.]*\d/g) ?? [],
    );
    expect(new Set(named)).toEqual(new Set([current]));
  });

  test('prepares no release without changes', () => {
    const text = changelog.replace('- Seals values.\n\n', '');
    expect(releaseOf('0.2.0')('check')).toMatchObject({ status: 0, stderr: '' });
    expect(releaseOf('0.2.0', text)('check')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('CHANGELOG.md: nothing under "## Unreleased"\n'),
    });
    // npm runs it before it changes package.json.
    expect(scripts.preversion).toBe('node .ci/release.mjs check');
  });

  test.each([
    ['another tag', releaseOf, 'v0.2.1', 'v0.2.1: the tag for package.json is v0.2.0'],
    ['an empty section', () => releaseOf('0.2.0'), 'v0.2.0', 'nothing under "## 0.2.0"'],
    [
      'a package without a repository',
      () => releaseOf('0.1.0', changelog, null),
      'v0.1.0',
      'npm pkg set',
    ],
    ['the repository of others', () => releaseOf('0.1.0', changelog, { url: 'x' }), 'v0.1.0', url],
  ])('refuses %s', (_, make, tag, problem) => {
    expect(make('0.2.0')('notes', tag, 'acme/kseal')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining(problem),
    });
  });
});
