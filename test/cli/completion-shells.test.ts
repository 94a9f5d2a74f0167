import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Workplace, workplace } from '../helpers/repository.ts';
import { openScreen } from '../helpers/screen.ts';

// The scripts of `kseal completion` in real shells. A shell that is not installed is skipped.

const SOURCE = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k';

function workplaceWithKeys(): Workplace {
  const place = workplace();
  place.write({
    '.kseal.yaml': `version: 1\nkeys:\n  prod: {file: keys/prod.pub, source: ${SOURCE}}\n`,
    'my db.yaml':
      'apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {token: CANARY-1}\n',
    'keys/prod.pub': '',
    'invalid/.kseal.yaml': 'version: 2\n',
  });
  return place;
}

const BASH_COMPLETION = '/usr/share/bash-completion/bash_completion';

/** Prints what Tab would offer, a word per line and `==` after each command line. */
interface Driver {
  readonly name: string;
  /** Missing programs and files are named in the title. */
  readonly needs: readonly string[];
  readonly command: readonly string[];
  /** The same for all command lines; each is an argument of the program. */
  readonly program: string;
  /** Further command lines, with the files that the shell offers. */
  readonly files?: Cases;
}

type Cases = readonly (readonly [line: string, words: readonly string[]])[];

const bashProgram = `
eval "$(kseal completion bash)"
for COMP_LINE; do
  COMP_POINT=\${#COMP_LINE}
  _kseal kseal "\${COMP_LINE##*[ =:]}"
  # With -u, bash 3.2 takes an empty array for an unset variable.
  printf '%s\\n' \${COMPREPLY[@]+"\${COMPREPLY[@]}"} ==
done`;

const drivers: readonly Driver[] = [
  {
    name: 'bash',
    needs: ['bash'],
    command: ['bash', '--norc', '-u', '-c'],
    program: bashProgram,
  },
  {
    name: 'bash with bash-completion',
    needs: ['bash', BASH_COMPLETION],
    command: ['bash', '--norc', '-c'],
    program: `. ${BASH_COMPLETION}\n${bashProgram}`,
  },
  {
    name: 'fish',
    needs: ['fish'],
    command: ['fish', '--no-config', '-c'],
    program: `
kseal completion fish | source
for line in $argv
  complete -C $line | string replace -r '\\t.*' ''
  echo ==
end`,
    files: [
      ['kseal seal --into my', ['my db.yaml']],
      ["kseal seal --into 'my d", ['my db.yaml']],
      ['kseal seal --into my\\ d', ['my db.yaml']],
      ['kseal seal --into=my', ['--into=my db.yaml']],
      ['kseal seal --from-file a=my', ['a=my db.yaml']],
      ['kseal seal -k k', ['k.pem', 'k.pub', 'keys/']],
      ['kseal seal --into (touch executed)', []],
      ['kseal webhook manifests -o ke', ['keys/']],
    ],
  },
  {
    name: 'PowerShell',
    needs: ['pwsh'],
    command: ['pwsh', '-NoProfile', '-Command'],
    program: `& {
kseal completion powershell | Out-String | Invoke-Expression
foreach ($line in $args) {
  (TabExpansion2 $line $line.Length).CompletionMatches | ForEach-Object { $_.CompletionText } | Where-Object { $_ }
  '=='
} }`,
  },
];

function isInstalled(name: string): boolean {
  const folders = name.startsWith('/') ? ['/'] : (process.env.PATH ?? '').split(':');
  return folders.some((folder) => existsSync(join(folder, name)));
}

/** A suite that is skipped, with the reason in its title, if a program is missing. */
function describeIf(name: string, needs: readonly string[], suite: () => void): void {
  const missing = needs.filter((program) => !isInstalled(program));
  const title = missing.length === 0 ? name : `${name}, skipped: ${missing.join(', ')} is missing`;
  describe.skipIf(missing.length > 0)(title, suite);
}

const cases: Cases = [
  ['kseal se', ['seal']],
  ['kseal seal --sc', ['--scope']],
  ['kseal seal --scope ', ['cluster-wide', 'namespace-wide', 'strict']],
  ['kseal seal --scope strict --sc', []],
  ['kseal seal --from-literal ', []],
  ['kseal seal --from-literal "p=$(touch executed)" --sc', ['--scope']],
  [`kseal seal -k ${SOURCE} --scope st`, ['strict']],
  ["kseal seal --into 'my db.yaml' --remove ", ['token']],
  ['kseal seal --config invalid/.kseal.yaml -n ', []],
];

for (const { name, needs, command, program, files = [] } of drivers) {
  describeIf(name, needs, () => {
    test('what follows is offered, and nothing on the command line is run', async () => {
      const { folder, run } = workplaceWithKeys();
      const all = [...cases, ...files];
      const lines = all.map(([line]) => line);
      const self = command[0] === 'bash' ? ['bash'] : [];
      const { stdout, stderr } = await run([...command, program, ...self, ...lines]);
      const offered = `${stdout}`
        .split(/^==$\n?/m)
        .slice(0, -1)
        .map((part) => part.split('\n').filter(Boolean).sort());
      expect(offered).toEqual(all.map(([, words]) => words));
      expect(existsSync(join(folder, 'executed'))).toBe(false);
      // compopt works only while Tab is handled; the script hides what it prints.
      expect(`${stderr}`).toBe('');
    });
  });
}

/** Keys that are typed before Tab, and the line after it. */
const typed: readonly (readonly [keys: string, line: string])[] = [
  ['kseal seal --sc', 'kseal seal --scope '],
  ['kseal seal --scope=st', 'kseal seal --scope=strict '],
  ['kseal seal -k p', 'kseal seal -k prod '],
  ['kseal seal -k keys/p', 'kseal seal -k keys/prod.pub '],
  ['kseal seal -k gcpkms:', `kseal seal -k ${SOURCE} `],
  ["kseal seal -k 'gcpkms:", `kseal seal -k '${SOURCE}' `],
  ['kseal seal --into my', 'kseal seal --into my\\ db.yaml '],
  ['kseal seal --into "my d', 'kseal seal --into "my db.yaml" '],
  ['kseal seal --into=my', 'kseal seal --into=my\\ db.yaml '],
  ['kseal seal --into my\\\\ db.yaml --remove t', 'kseal seal --into my\\ db.yaml --remove token '],
  ['kseal seal --from-file a=my', 'kseal seal --from-file a=my\\ db.yaml '],
  ['kseal verify > my', 'kseal verify > my\\ db.yaml '],
  ['kseal seal --config invalid/.kseal.yaml -n ', 'kseal seal --config invalid/.kseal.yaml -n '],
];

const interactive = [
  { name: 'bash', args: ['--norc', '--noprofile', '-i'], first: "PS1='rea''dy> '" },
  { name: 'zsh', args: ['-f', '-i'], first: "PS1='rea''dy> '; setopt no_beep" },
];

for (const { name, args, first } of interactive) {
  describeIf(`${name} in a pseudo-terminal`, [name], () => {
    test('Tab completes words and files, in quotes and after `=` and `:`', async () => {
      const { folder } = workplaceWithKeys();
      const screen = openScreen(args, {
        command: [name],
        columns: 160,
        rows: 40,
        cwd: folder,
        env: { HOME: folder, PATH: `${join(folder, '.bin')}:${process.env.PATH}` },
      });
      screen.type(`${first}; eval "$(kseal completion ${name})"\\r`);
      await screen.wait('ready>');
      for (const [keys, line] of typed) {
        // Ctrl-E appears as itself after Ctrl-V, so that the end of the completion is visible.
        screen.type(`${keys}\\t\\x16\\x05`);
        await screen.wait('^E');
        expect(screen.lines().at(-1)).toBe(`ready> ${line}^E`);
        screen.type('\\x15\\x0c');
        await screen.wait('ready>');
      }
      screen.type('exit\\r');
      expect(await screen.end()).toBe(0);
    });
  });
}
