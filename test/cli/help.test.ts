import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Command, Help } from 'commander';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nameOf, pageOf, synonyms, topics } from '../../src/cli/help.ts';
import { main } from '../../src/cli/main.ts';
import { manPages } from '../../src/cli/man.ts';
import { wholeProgram } from '../../src/cli/program.ts';
import { kubeconfigText, startServer } from '../helpers/api-server.ts';
import { makeAuthority, writeServingPair } from '../helpers/certificates.ts';
import { sourceFiles } from '../helpers/imports.ts';
import { type Surroundings, type TestIO, testIO } from '../helpers/io.ts';
import { plainSecret } from '../helpers/repository.ts';
import { splitWords } from '../helpers/txtar.ts';
import { makePair } from '../jwe/pairs.ts';
import { type KmsEmulator, startKmsEmulator } from '../kms-emulator/emulator.ts';

const root = join(import.meta.dirname, '../..');

function visible(command: Command): Command[] {
  return [command, ...new Help().visibleCommands(command).flatMap(visible)];
}

const program = await wholeProgram(testIO({ cwd: '/' }));
const commands = visible(program).map(
  (command) => [nameOf(command).replace(/^kseal ?/, ''), command] as const,
);

/** The output of a command line that must succeed. */
async function printed(line: string, env: Record<string, string> = {}): Promise<string> {
  const io = testIO({ cwd: '/', env });
  expect(await main(line.split(' ').filter(Boolean), io), line).toBe(0);
  expect(io.stderr.text).toBe('');
  return io.stdout.text;
}

const linesOf = (text: string) => text.trimEnd().split('\n');

/** Commands with more options than fit on a screen with their examples. */
const tall = ['webhook serve', 'webhook manifests'];

describe.each(commands)('the help of "%s"', (name, command) => {
  const topic = topics[name];

  test('fits on a screen of 80 columns and 24 lines', async () => {
    const text = await printed(`${name} --help`);
    expect(text).toMatch(new RegExp(`^Usage: ${['kseal', name].join(' ').trim()}`));
    const lines = linesOf(text);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    // The prompt of the shell is on the last line.
    if (!tall.includes(name)) expect(lines.length).toBeLessThanOrEqual(23);
  });

  test('is printed without broken words on narrow screens', async () => {
    const words = (text: string) =>
      text.split(/\s+/).filter((word) => !['\\', '#', ''].includes(word));
    for (const line of [`help ${name}`, `${name} --help`]) {
      const wide = await printed(line);
      const narrow = await printed(line, { COLUMNS: '40' });
      // Only a word that is too long for a line of its own, after its indentation, may exceed it.
      const tooLong = linesOf(narrow).filter(
        (text) => text.length > 40 && / \S* /.test(text.trim()),
      );
      expect(tooLong).toEqual([]);
      // The brief help omits the notes of examples that have no room beside them.
      if (!line.endsWith('--help')) expect(words(narrow)).toEqual(words(wide));
    }
  });

  test('has examples, exit codes and a page of the documentation', async () => {
    expect(topic).toBeDefined();
    // Completion has one for each shell.
    if (!['', 'completion'].includes(name)) expect(topic?.examples).toHaveLength(3);
    expect(topic?.exits).toContain(0);
    expect(existsSync(join(root, `${topic?.guide}`))).toBe(true);
    const text = await printed(`help ${name}`);
    for (const title of ['Usage', 'Exit codes', 'Environment', 'Guide']) {
      expect(text).toMatch(new RegExp(`^${title}:`, 'm'));
    }
  });

  test('has each option in one group', () => {
    const grouped = Object.values(topic?.groups ?? {}).flatMap((names) => names.match(/[\w-]+/g));
    const options = command.options.filter(({ hidden }) => !hidden);
    const names = options.map(({ long }) => long?.replace(/^--/, ''));
    expect([...grouped].sort()).toEqual(names.sort());
  });
});

test('every environment variable that kseal reads is in the help of a command', async () => {
  const code = sourceFiles(join(root, 'src')).map((file) => file.code);
  const names = code.flatMap(
    (text) => text.match(/(?<=env\.)KSEAL_[A-Z_]*[A-Z]\b|NO_COLOR/g) ?? [],
  );
  const settings = code.flatMap((text) => text.match(/(?<=variable\(')[A-Z_]+/g) ?? []);
  const texts = await Promise.all(commands.map(([name]) => printed(`help ${name}`)));
  const listed = texts.join('').match(/(?<=^ {2})(?:KSEAL|NO)_[A-Z_]+/gm);
  const all = [...names, ...settings.map((name) => `KSEAL_WEBHOOK_${name}`)];
  expect(listed).toEqual(expect.arrayContaining(all));
});

test('every topic is one of a command', () => {
  expect(Object.keys(topics).sort()).toEqual(commands.map(([name]) => name).sort());
});

test('a command without a topic has plain help', () => {
  const command = new Command('kseal').command('new').option('--some <text>', 'an option');
  const { options, examples, usage } = pageOf(command, true);
  expect(options).toEqual([{ title: 'Other', entries: [['--some <text>', 'an option']] }]);
  expect([usage, examples]).toEqual([[['[options]', '']], []]);
});

test('kseal alone prints at most a dozen lines, with commands that exist', async () => {
  const lines = linesOf(await printed(''));
  expect(lines.length).toBeLessThanOrEqual(12);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const firsts = lines.flatMap((line) => /^ {2}kseal ([\w-]+)/.exec(line)?.[1] ?? []);
  expect(firsts.length).toBeGreaterThan(3);
  for (const first of firsts) expect(commands.map(([name]) => name)).toContain(first);
});

test('the width is that of the terminal, at most 80', async () => {
  const widest = async (columns: number, env = {}) => {
    const io = testIO({ cwd: '/', env });
    Object.assign(io.stdout, { isTTY: true, columns });
    expect(await main(['verify', '--help'], io)).toBe(0);
    return Math.max(...linesOf(io.stdout.text).map((line) => line.length));
  };
  expect(await widest(60)).toBeLessThanOrEqual(60);
  expect(await widest(200)).toBeLessThanOrEqual(80);
  expect(await widest(80, { COLUMNS: '50' })).toBeLessThanOrEqual(50);
  expect(await widest(200, { COLUMNS: 'wide' })).toBeGreaterThan(60);
});

describe('words of other tools', () => {
  const words = synonyms.flatMap(([all, , ...lines]) =>
    all.split(' ').flatMap((word) => lines.map((line) => [word, line])),
  );
  const hintFor = async (word: string) => {
    const io = testIO({ cwd: '/' });
    expect(await main([word], io)).toBe(2);
    return /hint: (.*)/.exec(io.stderr.text)?.[1] ?? '';
  };

  test('are not commands, and occur once', () => {
    const names = commands.map(([name]) => name);
    expect(words.filter(([word = '']) => names.includes(word))).toEqual([]);
    const all = synonyms.flatMap(([one]) => one.split(' '));
    expect(all.filter((word, index) => all.indexOf(word) !== index)).toEqual([]);
  });

  test('lead to command lines with valid commands and options', () => {
    for (const [, line = ''] of words) {
      for (const [, name = '', rest = ''] of line.matchAll(/kseal ((?:webhook )?[\w-]+)([^|]*)/g)) {
        const command = commands.find(([known]) => known === name)?.[1];
        if (command === undefined) continue;
        const flags = command.options.flatMap(({ short, long }) => [short, long]);
        expect(flags).toEqual(expect.arrayContaining(rest.match(/(?<= )--?[a-z][\w-]*/g) ?? []));
      }
    }
  });

  test.each(['encrypt', 'encrpyt', 'encypt', 'enc'])('%s never leads to decrypt', async (word) => {
    expect(await hintFor(word)).toMatch(/kseal seal$/);
  });

  test.each(['unseal', 'unsael', 'unsea', 'decrpt', 'decyrpt', 'dec'])(
    '%s never leads to seal',
    async (word) => {
      expect(await hintFor(word)).toMatch(/kseal decrypt/);
    },
  );

  test.each(['ecrypt', 'dncrypt'])('%s may be either, and leads to neither', async (word) => {
    expect(await hintFor(word)).toBe('kseal --help');
  });
});

describe('the examples', () => {
  const KMS_KEY = 'projects/acme/locations/eu/keyRings/k/cryptoKeys/hr';
  const template = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-examples-')));
  let kms: KmsEmulator;
  /** Files that are only where an example names them, because `verify` would report some. */
  let extras: Readonly<Record<string, string>>;

  /** Runs kseal in a folder. */
  async function kseal(cwd: string, line: string, inputs: Partial<Surroundings> = {}) {
    const env = {
      ...{ HOME: cwd, PATH: `${process.env.PATH}`, KSEAL_KMS_ENDPOINT: kms.endpoint },
      ...{ KSEAL_WEBHOOK_HOST: '127.0.0.1', KSEAL_WEBHOOK_DRAIN: '0' },
      ...{ KSEAL_WEBHOOK_PORT: '0', KSEAL_WEBHOOK_METRICS_PORT: '0' },
    };
    const io = testIO({ cwd, env, ...inputs });
    stopOnceReady(io);
    const [program, ...words] = splitWords(line);
    expect(program).toBe('kseal');
    const code = await main(words, io);
    expect(code, `${io.stderr.text}${io.terminal?.shown ?? ''}`).toBe(0);
    return io.stdout.text;
  }

  function write(folder: string, files: Readonly<Record<string, string>>) {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }

  function git(args: string) {
    const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
    const env = { PATH: process.env.PATH, HOME: template, GIT_CONFIG_NOSYSTEM: '1' };
    execFileSync('git', [...who, ...args.split(' ')], { cwd: template, env });
  }

  // A repository with the key of the KMS and a sealed manifest.
  beforeAll(async () => {
    const algorithm = 'RSA_DECRYPT_OAEP_3072_SHA256';
    kms = await startKmsEmulator({ keys: { [KMS_KEY]: [{ id: 1, algorithm }] } });
    const { privateKey, pem = '' } = kms.version(`${KMS_KEY}/cryptoKeyVersions/1`) ?? {};
    write(template, {
      'prod.pub': pem,
      'keys/prod.pub': pem,
      'db.yaml': plainSecret('db', 'CANARY-db'),
    });
    git('init -q -b main');
    await kseal(template, 'kseal seal -f db.yaml -k prod.pub -i');
    const ask = "--ask 'password:Password of the mail server'";
    await kseal(template, `kseal request mail -n hr -k prod.pub ${ask} -o requests/db.yaml`);
    await writeServingPair(await makeAuthority(), template);
    const names = ['tls.crt', 'tls.key', 'ca.crt', 'requests/db.yaml'];
    extras = {
      ...Object.fromEntries(
        names.map((name) => [name, readFileSync(join(template, name), 'utf8')]),
      ),
      'prod.pem': `${privateKey?.export({ type: 'pkcs8', format: 'pem' })}`,
      'next.pub': (await makePair()).publicPem,
      'plain.yaml': plainSecret('plain', 'CANARY-plain'),
      'new.txt': 'CANARY-password',
    };
    for (const name of names) rmSync(join(template, name));
    const config = `prod: { file: prod.pub, source: 'gcpkms://${KMS_KEY}' }`;
    write(template, { '.kseal.yaml': `version: 1\nkeys:\n  ${config}\n` });
    git('add .');
    git('commit -qm Seal');
  }, 60_000);
  afterAll(() => {
    rmSync(template, { recursive: true });
    return kms.stop();
  });

  /** Stops a server as soon as it listens. */
  function stopOnceReady(io: TestIO): void {
    const write = io.stderr.write.bind(io.stderr);
    io.stderr.write = ((chunk: string, ...others: []) => {
      if (`${chunk}`.includes('reviews on port')) setImmediate(() => io.signal('SIGTERM'));
      return write(chunk, ...others);
    }) as typeof write;
  }

  // completion-shells.test.ts runs those of completion in their shells.
  const { completion: _, ...others } = topics;
  const lines = Object.values(others).flatMap(({ examples }) => examples.map(([line]) => line));

  test.each(lines)('%s', async (line) => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-example-')));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(template, folder, { recursive: true });
    // In another clone, there is one already.
    if (/^kseal init(?!.*--pre-commit)/.test(line)) rmSync(join(folder, '.kseal.yaml'));
    write(
      folder,
      Object.fromEntries(Object.entries(extras).filter(([name]) => line.includes(name))),
    );
    if (/--cluster|webhook sweep/.test(line)) {
      const server = await startServer(({ path }) => {
        const isList = path.endsWith('/secrets');
        return { status: isList ? 200 : 403, body: isList ? { items: [] } : {} };
      });
      write(folder, { '.kube/config': kubeconfigText({ server }) });
    }
    const stdin = line.includes('--stdin') ? Buffer.from('CANARY-piped') : undefined;
    // A large key takes seconds.
    const small = /^kseal keygen(?!.*--bits)/.test(line) ? ' --bits 2048' : '';
    await kseal(folder, `${line}${small}`, { stdin, typed: typed[line] });
  });
});

/** The lines to type at the questions of an example. */
const typed: Readonly<Record<string, readonly string[]>> = {
  'kseal seal': ['', '', 'y', 'username', 'type it', 'CANARY-typed', 'CANARY-typed', 'n', 'y'],
  'kseal request': [
    ...['mail', '', 'The cluster team', 'Thank you', '', 'hr', ''],
    ...['password', 'Password of the mail server', 'one line', 'y', 'n', ''],
  ],
  'kseal init': ['', 'y', '', '', '', '', '', '', '', ''],
  'kseal fill requests/db.yaml': ['y', 'CANARY-typed', 'CANARY-typed', 'y'],
  'kseal fill requests/db.yaml --from-file password=new.txt': ['y', 'y'],
  'kseal fill requests/db.yaml --stdin password': ['y', 'y'],
  'kseal seal --into db.yaml --from-file tls.key': ['y', 'y', 'y'],
  'kseal seal mail -n hr -k prod.pub --prompt password -o mail.yaml': [
    'CANARY-typed',
    'CANARY-typed',
  ],
};

describe('the man pages', async () => {
  const pages = await manPages(testIO({ cwd: '/' }));
  const { man, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

  test('are built, one for each command, and packed', async () => {
    const names = commands.map(
      ([name]) => `dist/man/${`kseal ${name}`.trim().replaceAll(' ', '-')}.1`,
    );
    expect([...pages.keys()].map((name) => `dist/man/${name}`)).toEqual(names);
    expect(man).toEqual(names.toSorted());
    expect(files).toContain('dist');
    const options = { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' } as const;
    const pack = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
    const [{ files: packed }] = JSON.parse(execFileSync('npm', pack, options));
    const paths = packed.map(({ path }: { path: string }) => path);
    expect(paths).toEqual(expect.arrayContaining([...names, 'dist/licenses.txt', 'LICENSE']));
    for (const [name, page] of pages) {
      expect(readFileSync(join(root, 'dist/man', name), 'utf8')).toBe(page);
    }
  });

  test('are packed with the licences of bundled packages', () => {
    const licenses = readFileSync(join(root, 'dist/licenses.txt'), 'utf8');
    for (const name of ['@inquirer/core', 'chalk', 'cli-progress', 'commander', 'jsep', 'valibot'])
      expect(licenses).toMatch(
        new RegExp(`^${name}\\n(?:[@a-z].*\\n)*\\n(?:.*\\n){0,4}.*Copyright`, 'm'),
      );
  });

  test.each([...pages])('%s is well-formed', (name, page) => {
    const requests = /^\.(?:TH|SH|SS|TP|PP|RS|RE|nf|fi|nh|ad)\b/;
    const [first, ...lines] = page.trimEnd().split('\n');
    expect(first).toMatch(/^\.TH "KSEAL[A-Z\\-]*" 1 /);
    expect(lines.filter((line) => line.startsWith('.') && !requests.test(line))).toEqual([]);
    // Nothing but ASCII, no apostrophe, which starts a request, and only known escapes.
    expect(lines.filter((line) => /[^ -~]|['`]/.test(line) || line === '')).toEqual([]);
    const sequences = page.match(/\\(?:\[u[0-9A-F]+\]|\(..|.)/g) ?? [];
    const known = /^\\(?:\[u[0-9A-F]{4,5}\]|\((?:aq|ga|ha|ti|dq)|[-e&]|f[BIR]?)$/;
    expect(sequences.filter((sequence) => !known.test(sequence))).toEqual([]);
    // A hyphen without a backslash becomes another character in some outputs.
    expect(lines.filter((line) => /(?<!\\)-/.test(line))).toEqual([]);
    const titles = lines.flatMap((line) => /^\.SH (.*)/.exec(line)?.[1] ?? []);
    const examples = name === 'kseal.1' ? [] : ['EXAMPLES'];
    const group = ['kseal.1', 'kseal-webhook.1'].includes(name) ? ['COMMANDS'] : [];
    expect(titles).toEqual([
      ...['NAME', 'SYNOPSIS', 'DESCRIPTION', ...group, 'OPTIONS', ...examples],
      ...['EXIT STATUS', 'ENVIRONMENT', 'SEE ALSO'],
    ]);
  });

  test.each(commands)('the page of "%s" has each option', (name, command) => {
    const page = pages.get(`${`kseal ${name}`.trim().replaceAll(' ', '-')}.1`) ?? '';
    const text = page.replaceAll('\\-', '-');
    for (const { long, hidden } of command.options) if (!hidden) expect(text).toContain(`${long}`);
  });
});
