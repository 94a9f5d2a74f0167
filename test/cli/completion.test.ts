import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { allowedCodes } from '../../src/seal/seal.ts';
import { leaksOf } from '../helpers/canary.ts';
import { testIO } from '../helpers/io.ts';
import { runBin } from '../helpers/spawn.ts';

const SOURCE = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k';

const config = `version: 1
keys:
  prod: {title: Production of HR, file: keys/prod.pub, source: ${SOURCE}}
  stage: {file: keys/stage.pub, state: deprecated}
rules:
  - {path: 'hr/**', namespace: hr}
  - {path: 'ops/**', namespace: ops}
`;

const secrets = `apiVersion: v1
kind: Secret
metadata: {name: db, namespace: hr}
type: kubernetes.io/tls
stringData: {password: CANARY-1, username: CANARY-2}
---
apiVersion: v1
kind: Secret
metadata: {name: mail, namespace: ops}
stringData: {token: CANARY-3}
`;

// The value has the place of the data key, and the reverse.
const odd = `apiVersion: v1
kind: Secret
metadata: {name: "a\\tb; touch x", namespace: "CANARY $(x)"}
stringData: {"CANARY 4\\n": password, "$(touch x)": b, -dash: c}
`;

const request = `ksealRequest: 1
title: CANARY-7
targets: [{file: db.yaml, namespace: hr, name: db, key: prod}]
values: {password: {label: Password}, username: {label: User}}
`;

const files = {
  '.kseal.yaml': config,
  'request.yaml': request,
  'db.yaml': secrets,
  'my db.yaml': secrets,
  'odd.yaml': odd,
  'broken.yaml': `${secrets}---\n"unterminated: CANARY-5\n`,
  'invalid/.kseal.yaml': 'version: 1\nkeys: [CANARY-6]\n',
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kseal-complete-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Returns the answer to the script of a shell, which must consist of lines only. */
async function answerTo(line: string, shell = 'fish', replaced = '', below = '.') {
  const stdin = Buffer.from(`${line}\0${replaced}\0`);
  const io = testIO({ cwd: join(folder, below), stdin, env: { HOME: folder } });
  expect(await main(['completion', shell, '--words'], io), line).toBe(0);
  expect(io.stderr.text).toBe('');
  expect(io.stdout.text).toMatch(/^(?:(?:words|files|folders)\t.*\n(?:[^\t\n]+\t.*\n)*)?$/);
  expect(leaksOf(Buffer.from('CANARY'), io.stdout.bytes), line).toEqual([]);
  const [head = '', ...rows] = io.stdout.text.split('\n').slice(0, -1);
  const [kind, prefix] = head.split('\t');
  return { kind, prefix, words: rows.map((row) => row.split('\t')[0]), rows };
}

async function wordsFor(line: string): Promise<readonly (string | undefined)[]> {
  const { kind, words } = await answerTo(line);
  return kind === 'words' ? words : [...words, `(${kind})`];
}

const shells = ['bash', 'zsh', 'fish', 'powershell'];
const scopes = ['strict', 'namespace-wide', 'cluster-wide'];

test.each<[line: string, words: readonly string[]]>([
  ['kseal se', ['seal']],
  ['kseal --debug se', ['seal']],
  ['NO_COLOR=1 /usr/bin/kseal se', ['seal']],
  ['kseal --he', ['--help']],
  ['kseal webhook ', ['serve', 'manifests', 'sweep']],
  ['kseal webhook serve --dr', ['--drain']],
  ['kseal help web', ['webhook']],
  ['kseal help seal ', []],
  ['kseal nosuch ', []],
  ['kseal completion ', shells],
  ['kseal keys --de', ['--debug']],

  ['kseal seal --sc', ['--scope']],
  ['kseal seal -n', ['-n']],
  ['kseal seal --scope ', scopes],
  ['kseal seal --scope=st', ['--scope=strict']],
  ['kseal seal --scope --sc', []],
  ['kseal seal --type kubernetes.io/t', ['kubernetes.io/tls']],
  ['kseal seal --allow ', allowedCodes],
  ['kseal verify --format s', ['sarif']],
  ['kseal verify --explain string', ['string-data']],
  ['kseal seal -- --sc', []],
  ['kseal seal --color ', ['always', 'never', 'auto']],
  ['kseal --color=ne', ['--color=never']],
  ['kseal --color al', ['always']],
  ['kseal --color always ver', ['verify', 'version']],

  // Options that are given already.
  ['kseal seal --scope strict --sc', []],
  ['kseal seal --scope=strict --sc', []],
  ['kseal seal -i --in-p', []],
  ['kseal seal -fi --in-p', ['--in-place']],
  ['kseal seal -if db.yaml --in-p', []],
  ['kseal seal --in-place --in-p', []],
  ['kseal seal --prompt a --prom', ['--prompt']],
  ['kseal seal --label a=b --lab', ['--label']],
  ['kseal seal --prompt --scope --sc', ['--scope']],

  // Keys.
  ['kseal seal -k p', ['prod', '(files)']],
  ['kseal seal -kp', ['-kprod', '(files)']],
  ['kseal seal --key=p', ['--key=prod', '(files)']],
  ['kseal seal -k gcpkms:', [SOURCE]],
  [`kseal seal -k ${SOURCE} --scope st`, ['strict']],
  ['kseal fetch-pubkey ', ['prod', 'stage', '(files)']],
  ['kseal fetch-pubkey prod --ou', ['--output']],
  ['kseal fetch-pubkey --check prod s', ['stage']],
  ['kseal verify --fail-if-kid ', ['prod', 'stage']],
  ['kseal init -k p', ['(files)']],

  // Secrets and data keys of a file.
  ['kseal seal -n ', ['hr', 'ops']],
  ['kseal seal new -n h', ['hr']],
  ['kseal seal --into db.yaml ', ['db', 'mail']],
  ['kseal seal --into "my db.yaml" ', ['db', 'mail']],
  ['kseal seal --into ~/db.yaml ', ['db', 'mail']],
  ['kseal seal --into db.yaml mail --remove ', ['token']],
  ['kseal seal --into db.yaml -n ops --remove ', ['token']],
  ['kseal seal --into db.yaml db --prompt ', ['password', 'username', 'tls.crt', 'tls.key']],
  ['kseal seal --into db.yaml --remove token --stdin t', ['tls.crt', 'tls.key']],
  ['kseal seal db --type kubernetes.io/tls --prompt ', ['tls.crt', 'tls.key']],
  ['kseal seal --into odd.yaml --remove ', ['-dash']],
  ['kseal seal --into odd.yaml ', []],
  ['kseal decrypt db.yaml --name db --only ', ['password', 'username']],
  ['kseal decrypt -f db.yaml --only t', ['token']],
  ['kseal decrypt --only t', []],
  ['kseal fill request.yaml --stdin ', ['password', 'username']],
  ['kseal fill db.yaml --stdin ', []],

  // Files, where a file belongs.
  ['kseal seal --into ', ['(files)']],
  ['kseal seal -f db.yaml ', ['(files)']],
  ['kseal inspect db.yaml ', ['(files)']],
  ['kseal decrypt ', ['(files)']],
  ['kseal webhook manifests -o ', ['(folders)']],
  ['kseal seal --from-literal ', []],
  ['kseal seal --from-literal=password=x', []],
  ['kseal seal --from-literal p=CANARY --sc', ['--scope']],
  ['kseal verify > ', ['(files)']],
  ['kseal verify 2>&1 --qu', ['--quiet']],
  ['kseal verify > out --qu', ['--quiet']],
  ['kseal verify &>out --qu', ['--quiet']],
  ['kseal decrypt db.yaml>out --only to', ['token']],
])('%s', async (line, words) => {
  expect(await wordsFor(line)).toEqual(words);
});

test('options are offered where nothing else can be', async () => {
  expect(await wordsFor('kseal keys ')).toEqual(expect.arrayContaining(['--config', '--debug']));
  expect(await wordsFor('kseal seal ')).toContain('--into');
});

test('a file after a prefix is completed without it', async () => {
  expect(await answerTo('kseal seal --into=d')).toMatchObject({ prefix: '--into=' });
  expect(await answerTo('kseal seal --from-file a.b=d')).toMatchObject({ prefix: 'a.b=' });
  expect(await answerTo('kseal seal --from-file=a.b=d')).toMatchObject({
    prefix: '--from-file=a.b=',
  });
});

test('the place of a bare JWE is offered', async () => {
  const io = testIO({ cwd: folder, stdin: Buffer.from('CANARY-8') });
  const key = join(inject('keys'), 'k.pub');
  const line = `seal db -n hr -k ${key} --stdin password --raw -o value.jwe`;
  expect(await main(line.split(' '), io), io.stderr.text).toBe(0);
  expect(await wordsFor('kseal decrypt --raw value.jwe --name ')).toEqual(['db']);
  expect(await wordsFor('kseal decrypt --raw value.jwe --data-key ')).toEqual(['password']);
});

test('a key is shown with its title and state, and an option with its description', async () => {
  const { rows } = await answerTo('kseal seal -k ');
  expect(rows).toEqual(['prod\tProduction of HR', 'stage\tdeprecated']);
  expect((await answerTo('kseal seal --pi')).rows).toEqual([
    '--pin\tthe fingerprint that the key must have',
  ]);
});

test.each([
  ['a file that does not exist', 'seal --into nosuch.yaml --prompt '],
  ['a folder', 'seal --into . --prompt '],
  ['a device', 'seal --into /dev/zero --prompt '],
  ['a file that is not YAML', 'seal --into broken.yaml --prompt x'],
  ['stdin', 'seal --into - --prompt '],
  ['a configuration that does not exist', 'seal --config nosuch.yaml -n '],
  ['a configuration with errors', 'seal --config invalid/.kseal.yaml -n '],
])('nothing is offered from %s', async (_, line) => {
  expect(await answerTo(`kseal ${line}`)).toMatchObject({ kind: 'words', words: [] });
});

test('a broken configuration does not prevent the completion of options and files', async () => {
  const at = (line: string) => answerTo(line, 'fish', '', 'invalid');
  expect(await at('kseal seal --sc')).toMatchObject({ words: ['--scope'] });
  expect(await at('kseal seal -k ')).toMatchObject({ kind: 'files', words: [] });
});

test('bash gets only the part of a word that it replaces', async () => {
  const reply = async (line: string, replaced: string) =>
    (await answerTo(line, 'bash', replaced)).words;
  expect(await reply('kseal seal --scope=st', 'st')).toEqual(['strict']);
  expect(await reply('kseal seal --scope=', '')).toEqual(scopes);
  expect(await reply('kseal seal --scope=st', '--scope=st')).toEqual(['--scope=strict']);
  expect(await reply('kseal seal -k gcpkms://', '//')).toEqual([SOURCE.slice('gcpkms:'.length)]);
  expect(await reply('kseal seal -k "gcpkms://', 'gcpkms://')).toEqual([SOURCE]);
  expect(await reply('kseal seal --type "kubernetes.io/tl', 'kubernetes.io/tl')).toEqual([
    'kubernetes.io/tls',
  ]);
});

test('PowerShell quotes with a backtick, and not with a backslash', async () => {
  const words = async (file: string) =>
    (await answerTo(`kseal seal --into ${file} --remove t`, 'powershell')).words;
  expect(await words('my` db.yaml')).toEqual(['token']);
  expect(await words("'my db.yaml'")).toEqual(['token']);
  expect(await words('.\\db.yaml')).toEqual(process.platform === 'win32' ? ['token'] : []);
});

const valid = [
  'kseal --debug seal db -n hr -k prod --prompt password -o out.yaml --force',
  "kseal seal --into 'my db.yaml' --from-file=tls.crt=server.crt --stdin=CANARY-7 --strict",
  'kseal seal -if db.yaml -kprod -- other.yaml',
  'kseal decrypt "my db.yaml" -k key.pem --name db --only password > secret.txt 2>&1',
  'kseal verify --staged --format json --explain string-data --allow x',
  `kseal fetch-pubkey ${SOURCE} -o keys/prod.pub`,
  'kseal webhook manifests --image kseal --tls files --max-scope strict -o deploy',
  'FOO=bar kseal help webhook',
  'kseal completion powershell --words',
];

test('every beginning of a command line gets lines as an answer', async () => {
  for (const line of valid) {
    for (let end = 0; end <= line.length; end++) {
      const typed = line.slice(0, end);
      await answerTo(typed, 'bash', /[^\s'"=:]*$/.exec(typed)?.[0]);
    }
  }
});

test('any text gets lines as an answer', async () => {
  const part = fc.oneof(
    fc.constantFrom(...valid.flatMap((line) => line.split(' ')), ' ', "'", '"', '\\', '--', '='),
    fc.string({ unit: 'binary' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...shells), fc.array(part), fc.string(), (shell, parts, end) =>
      answerTo(`kseal ${parts.join(' ')}${end}`, shell, end).then(() => {}),
    ),
  );
});

test('an offered option can be completed, and is offered again only if it may be repeated', async () => {
  const repeated = new Set<string>();
  const lines = ['seal', 'verify', 'decrypt', 'inspect', 'keygen', 'webhook serve'];
  for (const line of lines.map((command) => `kseal ${command} `)) {
    const offered = await wordsFor(`${line}--`);
    expect(offered.length).toBeGreaterThan(2);
    for (const option of offered.map(String)) {
      expect(await wordsFor(`${line}${option}`)).toContain(option);
      const again = await wordsFor(`${line}${option}=x --`);
      if (again.includes(option)) repeated.add(option);
      else expect(again).toEqual(offered.filter((other) => other !== option));
    }
  }
  expect([...repeated].sort()).toEqual([
    '--accept-unbound',
    '--allow',
    '--annotation',
    '--client-name',
    '--deprecated-kid',
    '--fail-if-kid',
    '--file',
    '--from-env-file',
    '--from-file',
    '--from-jwe',
    '--from-literal',
    '--key',
    '--label',
    '--prompt',
    '--ref',
    '--remove',
    '--revoked-kid',
  ]);
});

test('a word is split from a line as sh splits it', async () => {
  const quotings = [
    (text: string) => `'${text.replaceAll("'", `'\\''`)}'`,
    (text: string) => `"${text.replaceAll(/["$`\\]/g, '\\$&')}"`,
    (text: string) => text.replaceAll(/[^a-z]/g, '\\$&'),
  ];
  const name = fc
    .string({ unit: fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '$', '`', '>', '=', 'ü') })
    .filter((text) => /[a-z]/.test(text));
  const names = fc.sample(name, 30);
  const quoted = names.flatMap((text) => quotings.map((quote) => quote(text)));
  const printed = await runBin([], {
    cwd: folder,
    command: ['sh', '-c', `printf '%s\\0' ${quoted.join(' ')}`],
  });
  expect(printed.stdout.toString().split('\0').slice(0, -1)).toEqual(
    names.flatMap((text) => [text, text, text]),
  );
  for (const [index, word] of quoted.entries()) {
    const file = names[Math.floor(index / quotings.length)] ?? '';
    writeFileSync(join(folder, file), secrets);
    expect(await wordsFor(`kseal seal --into ${word} --remove t`), word).toEqual(['token']);
    rmSync(join(folder, file));
  }
});

async function instructions(shell: string, isTTY: boolean) {
  const io = testIO({ cwd: folder, env: { SHELL: shell } });
  Object.assign(io.stdout, { isTTY });
  return { code: await main(['completion'], io), stdout: io.stdout.text, stderr: io.stderr.text };
}

test('without a shell, a person on a terminal gets the line for the shell in use', async () => {
  const { code, stdout } = await instructions('/usr/bin/zsh', true);
  expect(code).toBe(0);
  expect(stdout).toContain('~/.zshrc:\n\n  eval "$(kseal completion zsh)"\n');
  expect((await instructions('/usr/bin/bash.exe', true)).stdout).toContain('~/.bashrc:');
});

test.each([
  ['/bin/tcsh', true],
  ['', true],
  ['/bin/bash', false],
])(
  'without a shell, with SHELL=%s on a terminal: %s, the error lists all',
  async (shell, isTTY) => {
    const { code, stdout, stderr } = await instructions(shell, isTTY);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('use one of bash, zsh, fish, powershell');
  },
);

test.each(['tcsh', 'constructor'])('%s is not a known shell', async (name) => {
  const io = testIO({ cwd: folder });
  expect(await main(['completion', name], io)).toBe(2);
  expect(io.stdout.text).toBe('');
  expect(io.stderr.text).toContain(`${name}: not one of bash, zsh, fish, powershell`);
});

test('pwsh is PowerShell', async () => {
  const io = testIO({ cwd: folder });
  expect(await main(['completion', 'pwsh'], io)).toBe(0);
  expect(io.stdout.text).toContain('Register-ArgumentCompleter');
});
