import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWithKeys } from '../helpers/folder.ts';
import { kidOfPem } from '../helpers/jwe.ts';
import { openScreen } from '../helpers/screen.ts';
import { kseal } from '../helpers/spawn.ts';

// The output of the built kseal in a real pseudo-terminal.

const large = { columns: 80, rows: 24 };
const small = { columns: 40, rows: 20 };

/** Makes a clock that runs a hundred times as fast, so that no test waits for the second second. */
const clock = 'const now=Date.now,start=now();Date.now=()=>start+(now()-start)*100';
const FAST_CLOCK = `data:text/javascript,${encodeURIComponent(clock)}`;

function openIn(
  cwd: string,
  size: typeof large,
  args: readonly string[],
  { env = {}, command }: { env?: Record<string, string>; command?: readonly string[] } = {},
) {
  const own = { PATH: process.env.PATH ?? '', HOME: cwd, TERM: 'xterm', ...env };
  return openScreen(args, { ...size, cwd, env: own, ...(command && { command }) });
}

async function screenOf(cwd: string, size: typeof large, args: readonly string[]) {
  const screen = openIn(cwd, size, args);
  const code = await screen.end();
  return { code, lines: screen.lines() };
}

/** Writes `count` manifests to the folder `many`. */
function writeMany(cwd: string, count: number, text: (index: number) => string): void {
  mkdirSync(join(cwd, 'many'));
  for (let index = 0; index < count; index++)
    writeFileSync(join(cwd, 'many', `${String(index).padStart(4, '0')}.yaml`), text(index));
}

const secret = (index: number) =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: db${index}, namespace: hr}\nstringData: {}\n`;

test('a table fits 80 columns, and is a list in 40', async () => {
  const cwd = folderWithKeys();
  writeFileSync(
    join(cwd, '.kseal.yaml'),
    'version: 1\nkeys:\n  prod: { title: "人事部 key of the HR department, kept in Frankfurt", file: k.pub }\n',
  );
  const kid = kidOfPem(readFileSync(join(cwd, 'k.pub')));
  const short = `${Buffer.from(kid, 'base64url').toString('hex').slice(0, 4)}…`;
  expect((await screenOf(cwd, large, ['keys'])).lines).toEqual([
    'NAME  TITLE                       STATE   PIN         FINGERPRINT  VALUES  FILE',
    `prod  人事部 key of the HR        active  not pinned  ${short}        0       k.pub`,
    '      department, kept in',
    '      Frankfurt',
  ]);
  expect((await screenOf(cwd, small, ['keys'])).lines).toEqual([
    'NAME         prod',
    'TITLE        人事部 key of the HR',
    '             department, kept in',
    '             Frankfurt',
    'STATE        active',
    'PIN          not pinned',
    `FINGERPRINT  ${short}`,
    'VALUES       0',
    'FILE         k.pub',
  ]);
});

test('two thousand warnings are ten lines and a count', async () => {
  const cwd = folderWithKeys();
  writeMany(cwd, 2000, () => 'kind: Secret\ndata: [CANARY\n');
  const { code, lines } = await screenOf(cwd, large, ['inspect', 'many']);
  expect([code, lines.length]).toEqual([0, 12]);
  expect(lines[0]).toMatch(/^kseal: warning: not inspected: many\/0000\.yaml:/);
  expect(lines.slice(-2)).toEqual([
    'kseal: and 1,990 more warnings; --debug prints all',
    'kseal: no Secret with values found',
  ]);
});

/** Verifies 300 files and a pipe, and waits for the bar; the run ends when the pipe is closed. */
async function untilBar(size: typeof large) {
  const cwd = folderWithKeys();
  writeMany(cwd, 300, secret);
  execFileSync('mkfifo', [join(cwd, 'pipe')]);
  const pipe = openSync(join(cwd, 'pipe'), 'r+');
  writeSync(pipe, 'kind: ConfigMap\n');
  const screen = openIn(cwd, size, ['verify', 'many', '-'], {
    env: { NODE_OPTIONS: `--import ${FAST_CLOCK}` },
    command: ['sh', '-c', 'exec "$0" "$@" <pipe', ...kseal],
  });
  await screen.wait('300 of 301 files checked');
  return { screen, close: () => closeSync(pipe) };
}

test.each([
  ['80', large, /^\[#{8,30}\.+\] 300 of 301 files checked, \d+ (?:s|min) left$/],
  ['40', small, /^300 of 301 files checked, \d+ (?:s|min) left$/],
])('a bar with %s columns is gone after Ctrl-C', async (_, size, bar) => {
  const { screen, close } = await untilBar(size);
  expect(screen.lines().at(-1)).toMatch(bar);
  screen.type('\\x03');
  expect(await screen.end()).toBe(130);
  expect(screen.lines()).toEqual([]);
  close();
});

test('long work ends in one line of totals, and the bar is gone', async () => {
  const { screen, close } = await untilBar(large);
  close();
  expect(await screen.end()).toBe(0);
  expect(screen.lines()).toEqual(['no findings in 301 files; no values in 300 Secrets']);
});
