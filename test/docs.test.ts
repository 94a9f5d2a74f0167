import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  privateDecrypt,
} from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { calculateJwkThumbprint, compactDecrypt, FlattenedEncrypt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../src/cli/main.ts';
import { checks } from '../src/doctor/check.ts';
import { EXIT_BUG, exitCodes } from '../src/errors.ts';
import { allowedCodes } from '../src/seal/seal.ts';
import { leaksOf } from './helpers/canary.ts';
import { makeAuthority } from './helpers/certificates.ts';
import { sourceFiles } from './helpers/imports.ts';
import { testIO } from './helpers/io.ts';
import { plainSecret, type Workplace, workplace } from './helpers/repository.ts';
import { splitWords } from './helpers/txtar.ts';
import { type KmsEmulator, startKmsEmulator } from './kms-emulator/emulator.ts';

// Runs the commands in README.md, the other pages beside it and docs/ as they are printed: the `sh`
// and `console` blocks in order, each page in a folder of its own. A block that names a file after its
// language is written to that file. `# exits N` marks a command that must fail.

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const docs = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs];

interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
}

const fence = /^```(\w*)(?: (\S+))?\n([\s\S]*?)^```$/gm;

function blocksOf(page: string): Block[] {
  return [...read(page).matchAll(fence)].map(([, language = '', file, text = '']) => ({
    language,
    file,
    text,
  }));
}

/** A page without its blocks. */
const proseOf = (page: string) => read(page).replaceAll(fence, '');

/** The commands of a shell block; a backslash at the end of a line joins it to the next. */
function commandsIn(text: string): string[] {
  return text
    .replaceAll('\\\n', '')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
}

/** The password that is typed at a prompt. */
const PASSWORD = 'CANARY-typed';

const KMS_KEY = 'projects/acme/locations/europe-west3/keyRings/kseal/cryptoKeys/hr';

const algorithm = 'RSA_DECRYPT_OAEP_3072_SHA256';

let kms: KmsEmulator;
beforeAll(async () => {
  kms = await startKmsEmulator({ keys: { [KMS_KEY]: [{ id: 3, algorithm }] } });
}, 30_000);
afterAll(() => kms.stop());

/** The state of a key version after a command of `gcloud kms keys versions`. */
const statesAfter: Readonly<Record<string, string>> = {
  disable: 'DISABLED',
  destroy: 'DESTROY_SCHEDULED',
};

/** Changes the emulator as gcloud changes Cloud KMS; any other command fails. */
function gcloud(command: string): Outcome {
  const form =
    /^gcloud kms keys versions (\w+) (?:(\d+) )?--key hr --keyring kseal --location europe-west3$/;
  const [, verb = '', version] = form.exec(command) ?? [];
  const state = statesAfter[verb];
  const isNew = verb === 'create' && version === undefined;
  if (isNew) kms.addVersion(KMS_KEY, { id: 4, algorithm });
  else if (state === undefined || version === undefined) return { code: 1, printed: command };
  else kms.setState(`${KMS_KEY}/cryptoKeyVersions/${version}`, state);
  return { code: 0, printed: '' };
}

/** Prepares the folder of a page that expects more than the key pairs `prod` and `next`. */
const standIns: Readonly<Record<string, (place: Workplace) => unknown>> = {
  'docs/kms-manager.md': async ({ folder, git, write }) => {
    await git('init', '-q', '-b', 'main');
    // The API server, which has the webhook open the Secret.
    const opened = `kseal decrypt - -k 'gcpkms://${KMS_KEY}' > /dev/null`;
    const script = `[ "$*" = 'create --dry-run=server -f -' ] && ${opened}`;
    write({ '.bin/kubectl': `#!/bin/sh\n${script}\n`, '.git/info/exclude': '.bin\n' });
    chmodSync(join(folder, '.bin/kubectl'), 0o755);
  },
  'docs/cluster.md': async ({ write }) => {
    write({ 'client-ca.crt': (await makeAuthority('CN=kube-apiserver CA')).cert });
  },
  'docs/format.md': async ({ folder, write }) => {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    // The output of jose-util.
    const key = createPublicKey(readFileSync(join(folder, 'prod.pub')));
    const jwe = await new FlattenedEncrypt(Buffer.from('correct horse'))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' })
      .encrypt(key);
    write({ 'password.jwe': JSON.stringify(jwe) });
  },
  // The packages that the reader has installed.
  'docs/library.md': ({ folder }) => {
    const packages = join(folder, 'node_modules');
    for (const name of ['@types', '.bin']) mkdirSync(join(packages, name), { recursive: true });
    symlinkSync(root, join(packages, 'kseal'));
    for (const name of ['cdk8s', 'constructs', 'undici-types', '@types/node', '.bin/tsc'])
      symlinkSync(join(root, 'node_modules', name), join(packages, name));
  },
  // The scripts print the output of the real tools for these arguments, and fail for others.
  'docs/migrating.md': ({ folder, write }) => {
    write({
      'secrets/web.yaml': plainSecret('web', 'CANARY-web'),
      'secrets/deep/jobs.yaml': plainSecret('jobs', 'CANARY-jobs'),
      'mail-sealedsecret.yaml': 'kind: SealedSecret\n',
      'api.yaml': 'sops: {}\n',
      '.bin/live.yaml': secretInCluster('db'),
      '.bin/unsealed.yaml': unsealedByKubeseal('mail'),
      '.bin/decrypted.yaml': plainSecret('api', 'CANARY-api'),
    });
    program(folder, 'kubectl', 'get secret db -n hr -o yaml', 'live.yaml');
    program(
      folder,
      'kubeseal',
      '--recovery-unseal --recovery-private-key controller-key.yaml -o yaml',
      'unsealed.yaml',
    );
    program(folder, 'sops', 'decrypt api.yaml', 'decrypted.yaml');
  },
};

/** The work of other people before a command of a page. */
const meanwhile: Readonly<Record<string, (place: Workplace) => Promise<unknown>>> = {
  // A branch from before the rules named the new key, with a value of its own.
  'kseal rekey --to prod-2 --dry-run': async ({ git, run: spawn, folder }) => {
    await git('switch', '-q', '-c', 'release-1', 'HEAD~1');
    const seal = 'printf CANARY | kseal seal mail --stdin password -o clusters/prod/mail.yaml';
    const { code, stderr } = await spawn(['sh', '-c', seal], { env: { HOME: folder } });
    expect(code, `${stderr}`).toBe(0);
    await git('add', 'clusters');
    await git('commit', '-q', '-m', 'Seal the password of mail');
    await git('switch', '-q', 'main');
  },
};

/** Puts a program on the PATH of a page that prints a file when it gets exactly these arguments. */
function program(folder: string, name: string, args: string, output: string): void {
  const script = `#!/bin/sh\n[ "$*" = '${args}' ] && exec cat '${folder}/.bin/${output}'\nexit 1\n`;
  writeFileSync(join(folder, '.bin', name), script, { mode: 0o755 });
}

/** Output of `kubectl get secret -o yaml` for a Secret made from a SealedSecret. */
function secretInCluster(name: string): string {
  const value = Buffer.from('CANARY-live').toString('base64');
  return `apiVersion: v1
data:
  password: ${value}
  uid: ${value}
kind: Secret
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"v1","kind":"Secret","data":{"password":"${value}"}}
  creationTimestamp: "2025-05-02T09:12:44Z"
  labels:
    app: hr
  name: ${name}
  namespace: hr
${ownedBy(name, '5f0ae0a1-7c53-4f1c-9d0c-b0bd7c7e7a2b')}
  resourceVersion: "48213"
  uid: 0d5c2a1e-54cc-4b0e-a4f7-0b1f6c1f4a55
type: Opaque
`;
}

/** Output of `kubeseal --recovery-unseal -o yaml`. */
function unsealedByKubeseal(name: string): string {
  return `apiVersion: v1
data:
  password: ${Buffer.from('CANARY-unsealed').toString('base64')}
kind: Secret
metadata:
  creationTimestamp: null
  name: ${name}
  namespace: hr
${ownedBy(name, '')}
`;
}

function ownedBy(name: string, uid: string): string {
  return `  ownerReferences:
  - apiVersion: bitnami.com/v1alpha1
    controller: true
    kind: SealedSecret
    name: ${name}
    uid: "${uid}"`;
}

/** The kids that the pages abbreviate, with the possible files of their keys. */
const abbreviated: readonly (readonly [string, readonly string[]])[] = [
  ['0kX…', ['keys/prod.pub']],
  ['qT7…', ['keys/prod-2.pub', 'next.pub']],
];

/** A text of a page with its abbreviated kids completed, as a reader would type it. */
async function completed(text: string, folder: string): Promise<string> {
  let result = text;
  for (const [short, files] of abbreviated) {
    const file = files.map((name) => join(folder, name)).find(existsSync);
    if (text.includes(short) && file !== undefined) {
      const key = createPublicKey(readFileSync(file)).export({ format: 'jwk' });
      result = result.replaceAll(short, await calculateJwkThumbprint({ ...key, kty: 'RSA' }));
    }
  }
  return result;
}

interface Outcome {
  readonly code: number | null;
  /** The text on stderr, the terminal and stdout. */
  readonly printed: string;
}

/** Shell syntax that splitWords does not support. */
const shellSyntax = /[|<>;&$"*`\\]/;

/** Runs a plain kseal command in this process, which is faster, and any other in a shell. */
async function run(command: string, { folder, run: spawn }: Workplace): Promise<Outcome> {
  if (command.startsWith('gcloud ')) return gcloud(command);
  const env = { HOME: folder, KSEAL_KMS_ENDPOINT: kms.endpoint };
  const bare = command.replace(/ # .*/, '').replaceAll(/'[^']*'/g, '');
  if (bare.startsWith('kseal ') && !shellSyntax.test(bare)) {
    return runHere(command, folder, { ...env, PATH: `${process.env.PATH}` });
  }
  const { code, stdout, stderr } = await spawn(['sh', '-e', '-c', command], { env });
  return { code, printed: `${stderr}${stdout}` };
}

/** Runs kseal; a person types the value twice at each prompt. */
async function runHere(command: string, cwd: string, env: Record<string, string>) {
  const confirmation = command.includes('# answer yes') ? ['yes'] : [];
  const isAsking = /--prompt|^kseal fill /.test(command);
  // fill shows a summary at the end.
  const written = command.startsWith('kseal fill ') ? ['yes'] : [];
  const typed = isAsking ? [...confirmation, PASSWORD, PASSWORD, ...written] : undefined;
  const io = testIO({ cwd, env, typed });
  const code = await main(splitWords(command).slice(1), io);
  expect(io.terminal?.left ?? 0, command).toBe(0);
  const shown = `${io.terminal?.shown ?? ''}`.replaceAll(/\x1b\[\?2004[hl]/g, '');
  return { code, printed: `${io.stderr.text}${shown}${io.stdout.text}` };
}

/** Runs a command of a page. Checks its exit code, and that it prints no value. */
async function perform(line: string, place: Workplace): Promise<string> {
  const command = await completed(line, place.folder);
  await meanwhile[command]?.(place);
  const { code, printed } = await run(command, place);
  const wanted = Number(/# exits (\d+)/.exec(line)?.[1] ?? 0);
  expect(code, `${line}\n${printed}`).toBe(wanted);
  if (!/decrypt|sops|cat /.test(line)) {
    expect(leaksOf(Buffer.from('CANARY-'), Buffer.from(printed)), line).toEqual([]);
  }
  return printed;
}

/** Runs the lines after `$`. The other lines must be printed; `…` matches any text. */
async function performDialogue(text: string, place: Workplace): Promise<void> {
  for (const part of text.split(/^\$ /m).slice(1)) {
    const [command = '', ...shown] = part.trimEnd().split('\n');
    const printed = (await perform(command, place)).split('\n').map((line) => line.trimEnd());
    for (const line of shown) {
      const parts = line.trimEnd().split('…').map(escaped);
      const pattern = new RegExp(`^${parts.join('.*')}$`);
      expect(printed, command).toContainEqual(expect.stringMatching(pattern));
    }
  }
}

const escaped = (text: string) => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');

describe.each(pages)('%s', (page) => {
  const blocks = blocksOf(page);

  test('every command works as printed', async () => {
    const place = workplace();
    for (const [from, to] of [
      ['big', 'prod'],
      ['k', 'next'],
    ] as const) {
      for (const kind of ['pem', 'pub']) {
        renameSync(join(place.folder, `${from}.${kind}`), join(place.folder, `${to}.${kind}`));
      }
    }
    await standIns[page]?.(place);
    for (const { language, file, text } of blocks) {
      if (file !== undefined) place.write({ [file]: await completed(text, place.folder) });
      else if (language === 'console') await performDialogue(text, place);
      else if (language === 'sh') {
        for (const command of commandsIn(text)) await perform(command, place);
      }
    }
  }, 60_000);

  test('commands that are not run have valid options', async () => {
    const inline = [...proseOf(page).matchAll(/`(kseal [^`]+)`/g)].map(([, code = '']) => code);
    const shown = blocks
      .filter(({ language, file }) => language === 'text' && file === undefined)
      .flatMap(({ text }) => commandsIn(text));
    for (const line of [...inline, ...shown]) {
      const [, command] = /^kseal ((?:webhook )?[a-z-]+)/.exec(line) ?? [];
      if (command === undefined) continue;
      const known = await optionsOf(command);
      const given = line.match(/(?<= )-{1,2}[a-z][a-z-]*/g) ?? [];
      expect(
        [...given].filter((option) => !known.has(option)),
        line,
      ).toEqual([]);
    }
  });

  test('options in the text exist', async () => {
    const known = new Set([...(await allOptions()), ...foreignOptions]);
    const named = [...proseOf(page).matchAll(/`(--[a-z-]+)/g)].map(([, option = '']) => option);
    expect(named.filter((option) => !known.has(option))).toEqual([]);
  });

  test('links lead to a file and a heading', () => {
    const text = proseOf(page).replaceAll(/`[^`\n]*`/g, '');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    for (const [link, path = '', anchor] of links) {
      const target = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, target)), link).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
    }
  });

  test('npm scripts exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const [, name = ''] of read(page).matchAll(/\bnpm (?:run )?((?<=run )[\w:]+|test)/g)) {
      expect(scripts).toHaveProperty([name]);
    }
  });
});

/** Options of other programs that the pages mention. */
const foreignOptions = [
  '--admission-control-config-file',
  '--dry-run',
  '--force-conflicts',
  '--server-side',
  '--set',
  '--take-ownership',
];

/** The options that the help of a command lists. */
async function optionsOf(command: string): Promise<ReadonlySet<string>> {
  const io = testIO({ cwd: root });
  expect(await main(['help', ...command.split(' ')], io), command).toBe(0);
  return new Set(io.stdout.text.match(/(?<=[ ,])-{1,2}[a-z][a-z-]*/g));
}

async function allOptions(): Promise<string[]> {
  const commands = [
    ...['init', 'keygen', 'fetch-pubkey', 'keys', 'seal', 'request', 'fill', 'inspect', 'verify'],
    ...['decrypt', 'rekey', 'doctor', 'completion', 'help'],
    ...['webhook serve', 'webhook manifests', 'webhook sweep'],
  ];
  const all = commands.map(optionsOf);
  return (await Promise.all(all)).flatMap((options) => [...options]);
}

/** The anchors of the headings of a page, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('README has at most 600 words and links to every page', () => {
  const readme = read('README.md');
  expect(readme.split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(600);
  for (const page of pages.slice(1)) expect(readme).toContain(`](${page})`);
});

/** The cells of each row of the tables in a page whose first cell is code or a number. */
function rowsOf(page: string): string[][] {
  return [...read(page).matchAll(/^\| (`[^`]+`|\d+) \| (.*) \|$/gm)].map(
    ([, first = '', rest = '']) => [first.replaceAll('`', ''), ...rest.split(' | ')],
  );
}

// `npm run docs` writes the table.
test('the table of rules in docs/ci.md is up to date', async () => {
  const io = testIO({ cwd: root, stdin: Buffer.from('kind: ConfigMap\n') });
  expect(await main(['verify', '-', '--format', 'sarif'], io)).toBe(0);
  const rows = JSON.parse(io.stdout.text).runs[0].tool.driver.rules.map(
    ({ id, defaultConfiguration: { level }, shortDescription: { text } }: SarifRule) =>
      `| \`${id}\` | ${level} | ${text} |\n`,
  );
  const head = '| rule | default | reports |\n| --- | --- | --- |\n';
  const [before, after = ''] = read('docs/ci.md').split(head);
  const page = `${before}${head}${rows.join('')}${after.replace(/^(?:\|.*\n)*/, '')}`;
  await expect(page).toMatchFileSnapshot(join(root, 'docs/ci.md'));
});

// `npm run docs` writes this one, too.
test('the table of checks in docs/doctor.md is up to date', async () => {
  const rows = Object.entries(checks).map(([id, text]) => `| \`${id}\` | ${text} |\n`);
  const head = '| check | passes if |\n| --- | --- |\n';
  const [before, after = ''] = read('docs/doctor.md').split(head);
  const page = `${before}${head}${rows.join('')}${after.replace(/^(?:\|.*\n)*/, '')}`;
  await expect(page).toMatchFileSnapshot(join(root, 'docs/doctor.md'));
});

interface SarifRule {
  readonly id: string;
  readonly shortDescription: { readonly text: string };
  readonly defaultConfiguration: { readonly level: string };
}

test('docs/ci.md lists every exit code', () => {
  const codes = rowsOf('docs/ci.md').flatMap(([first]) =>
    /^\d+$/.test(`${first}`) ? Number(first) : [],
  );
  const used = new Set([0, 1, EXIT_BUG, ...Object.values(exitCodes)]);
  expect(codes).toEqual([...used].sort((a, b) => a - b));
});

test('docs/custodian.md lists every warning about a value', () => {
  const names = rowsOf('docs/custodian.md').map(([name = '']) => name);
  expect(names.filter((name) => /^[a-z][a-z\d-]+$/.test(name))).toEqual(allowedCodes);
});

test('every environment variable and every metric is listed', () => {
  const code = sourceFiles(join(root, 'src')).map((file) => file.code);
  const named = (pattern: RegExp) => new Set(code.flatMap((text) => text.match(pattern) ?? []));
  const explained = [...rowsOf('docs/ci.md'), ...rowsOf('docs/cluster.md')].map(([name]) => name);
  const variables = [...named(/(?<=env\.)KSEAL_[A-Z_]*[A-Z]\b|\b(?:NO|FORCE)_COLOR\b/g)];
  const settings = [...named(/(?<=variable\(')[A-Z_]+/g)].map((name) => `KSEAL_WEBHOOK_${name}`);
  // Alerts count the observations of a histogram.
  const metrics = [...named(/(?<=')kseal_[a-z_]+/g)].map((name) => name.replace(/_count$/, ''));
  for (const names of [variables, settings, metrics]) expect(names.length).toBeGreaterThan(4);
  expect(explained).toEqual(expect.arrayContaining([...variables, ...settings, ...metrics]));
});

// `npm run bench -- --write` writes the tables.
test('docs/performance.md explains the groups of the bench, and has a figure for each row', async () => {
  const { groups }: { groups: readonly BenchGroup[] } = await import(
    join(root, 'test/bench/groups.mjs')
  );
  const [, figures = ''] = read('docs/performance.md').split('\n## Figures\n');
  const tables = [...figures.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) =>
    table
      .split('\n')
      .flatMap((line) => (/^\| (?!---)/.test(line) ? [line.slice(2, -2).split(' | ')] : [])),
  );
  const titles = tables.map((rows) => rows.map(([title]) => title));
  expect(titles).toEqual(groups.map(({ name, rows }) => [name, ...rows.map(({ title }) => title)]));
  const aims = tables.flat().map((cells) => [cells[0], cells.at(-1)]);
  for (const { title, aim } of groups.flatMap(({ rows }) => rows)) {
    if (aim !== undefined) expect(aims).toContainEqual([title, aim]);
  }
  expect(anchorsOf('docs/performance.md')).toEqual(
    expect.arrayContaining(groups.map(({ name }) => name)),
  );
});

interface BenchGroup {
  readonly name: string;
  readonly rows: readonly { readonly title: string; readonly aim?: string }[];
}

describe('docs/format.md', () => {
  const fileIn = (name: string) =>
    blocksOf('docs/format.md')
      .find(({ file }) => file === name)
      ?.text.trim() ?? '';
  const cells = new Map(
    [...read('docs/format.md').matchAll(/^\| ([^|]+?) \| `([^`]+)` \|$/gm)].map(
      ([, name = '', text = '']) => [name, text],
    ),
  );

  test('the test vector decrypts, and its parts agree', async () => {
    const jwk: JsonWebKey = JSON.parse(fileIn('vector.jwk'));
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    const jwe = fileIn('vector.jwe');
    const { plaintext } = await compactDecrypt(jwe, key);
    expect(Buffer.from(plaintext).toString()).toBe(cells.get('plaintext'));
    const [header = '', encryptedKey = ''] = jwe.split('.');
    expect(Buffer.from(header, 'base64url').toString()).toBe(fileIn('header.json'));
    const kid = await calculateJwkThumbprint({ ...jwk, kty: 'RSA' });
    expect(kid).toBe(cells.get('`kid`'));
    expect(JSON.parse(fileIn('header.json')).kid).toBe(kid);
    const { e, kty, n } = jwk;
    const hash = createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('hex');
    expect(hash.match(/.{4}/g)?.join(' ')).toBe(cells.get('fingerprint'));
    const cek = privateDecrypt({ key, oaepHash: 'sha256' }, Buffer.from(encryptedKey, 'base64url'));
    expect(cek.toString('hex')).toBe(cells.get('CEK'));
  });

  test('the prefixes are those of the match condition', async () => {
    const rows = rowsOf('docs/format.md').filter(([first]) => /^(?:eyJ|ZXl)/.test(`${first}`));
    expect(rows).toHaveLength(4);
    for (const [bytes = '', data] of rows) {
      expect(`\`${Buffer.from(bytes).toString('base64')}\``).toBe(data);
    }
    const prefixes = new Set(rows.map(([, data]) => data?.replaceAll('`', '')));
    expect(prefixes).toEqual(new Set(await sealedPrefixes()));
  });
});

/** The prefixes that the match condition in the manifests compares with. */
async function sealedPrefixes(): Promise<string[]> {
  const io = testIO({ cwd: root });
  const line = `webhook manifests --image kseal -k gcpkms://${KMS_KEY} --allow-any-client`;
  expect(await main(line.split(' '), io)).toBe(0);
  return [...new Set(io.stdout.text.match(/(?<=>= ')\w+/g))];
}
