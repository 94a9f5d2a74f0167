import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { exitCodes } from '../../src/errors.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { openScreen } from '../helpers/screen.ts';
import { changedPaths, snapshot } from '../helpers/snapshot.ts';
import { kseal } from '../helpers/spawn.ts';

/** Every question of the form, with an answer. */
const answers: readonly (readonly [question: string, keys: string])[] = [
  ['Which key do you want to use?', '\\r'],
  ['Which application is it for?', '\\r'],
  ['Which set of values? Choose one', '\\e[B\\r'],
  ['What is the new set of values called, such as db?', 'db'],
  ['such as db? (Secret) db ❯ db', '\\r'],
  ['Which file do you want to write?', '\\r'],
  ['Is this the fingerprint', 'y\\r'],
  ['What is the value called?', '\\r'],
  ['How do you want to give password?', '\\r'],
  ['Value for "password"', 'CANARY-typed \\r'],
  ['Repeat the value:', 'CANARY-typed \\r'],
  ['It ends with a space.', '\\r'],
  ['Another value?', 'y\\r'],
  ['What is the value called?', '\\r'],
  ['How do you want to give username?', 'type or\\r'],
  ['Value for "username"', 'CANARY-line\\r\\x04'],
  ['Another value?', 'y\\r'],
  ['What is the value called?', '\\r'],
  ['How do you want to give token?', 'let\\r'],
  ['How many characters?', '\\r'],
  ['Which characters?', '\\r'],
  ['Show it once', 'y\\r'],
  ['Press Enter to clear', '\\r'],
  ['Another value?', '\\r'],
  ['Write it?', 'n\\r'],
  ['What do you want to change?', '\\e[B\\r'],
  ['Which key do you want to use?', '\\r'],
  ['Which application is it for?', '\\r'],
  ['Which set of values? Choose one', 'db'],
  ['db (new)', '\\r'],
  ['Which file do you want to write?', '\\r'],
  ['Write it?', '\\r'],
];

const config = `version: 1
keys:
  prod: { title: Production HR, file: keys/prod.pub }
  test: { title: Test, file: keys/test.pub }
`;
const existing = 'apiVersion: v1\nkind: Secret\nmetadata: { name: mail, namespace: hr }\n';

function repository(): string {
  const cwd = folderWithKeys();
  mkdirSync(join(cwd, 'keys'));
  cpSync(join(cwd, 'k.pub'), join(cwd, 'keys/prod.pub'));
  cpSync(join(cwd, 'other.pub'), join(cwd, 'keys/test.pub'));
  writeFileSync(join(cwd, '.kseal.yaml'), config);
  writeFileSync(join(cwd, 'mail.yaml'), existing);
  execFileSync('git', ['init', '-q'], { cwd });
  return cwd;
}

/** Answers the first questions, and presses Ctrl-C at the next one, if there is one. */
async function fillIn(cwd: string, home: string, count: number) {
  const env = { PATH: process.env.PATH ?? '', HOME: home };
  const screen = openScreen(['seal'], { columns: 80, rows: 24, cwd, env });
  for (const [question, keys] of answers.slice(0, count)) {
    await screen.wait(question);
    screen.type(keys);
  }
  const [next] = answers[count] ?? [];
  if (next !== undefined) {
    await screen.wait(next);
    screen.type('\\x03');
  }
  return { exit: await screen.end(), shown: screen.shown() };
}

test('all questions lead to a file', async () => {
  const cwd = repository();
  const before = snapshot(cwd);
  const { exit, shown } = await fillIn(cwd, folderWithKeys(), answers.length);
  expect([exit, changedPaths(before, snapshot(cwd))]).toEqual([0, ['db.yaml']]);
  expect(leaksOf(Buffer.from('CANARY-'), shown)).toEqual([]);
}, 60_000);

// The questions after it are the first ones again.
const last = answers.findIndex(([question]) => question.startsWith('What do you want to change'));

test('Ctrl-C at each question leaves no file, and restores the terminal', async () => {
  const cwd = repository();
  const home = folderWithKeys();
  const before = snapshot(cwd);
  for (let count = 0; count <= last; count++) {
    const [question = ''] = answers[count] ?? [];
    const keys = [...answers.slice(0, count).map(([, each]) => each), '\\x03'].join('');
    // A line for each question; Enter is added to it.
    const typed = keys.split(/\\r(?!\\x04)|(?<=\\x04)/);
    const env = { PATH: process.env.PATH ?? '', HOME: join(home, `${count}`) };
    const io = testIO({ cwd, env, typed });
    // Into a pipe it would print the manifest, and not ask for a file.
    Object.assign(io.stdout, { isTTY: true });
    const exit = await main(['seal'], io);
    const { shown = Buffer.alloc(0), left, restored } = io.terminal ?? {};
    const ended = { question, exit, left, restored };
    const interrupted = { exit: exitCodes.INTERRUPTED, left: 0, restored: true };
    expect(ended).toEqual({ question, ...interrupted });
    expect(`${shown}`.replaceAll(/\s/g, '')).toContain(question.replaceAll(/\s/g, ''));
    expect(leaksOf(Buffer.from('CANARY-'), shown)).toEqual([]);
  }
  expect(changedPaths(before, snapshot(cwd))).toEqual([]);
});

// One question of each kind: a list, a search, a text, a hidden one, one of several lines, a value
// that is shown, and a yes or no.
test.each([
  'Which key do you want to use?',
  'Which set of values? Choose one',
  'Which file do you want to write?',
  'Repeat the value:',
  'Value for "username"',
  'Press Enter to clear',
  'Write it?',
])(
  'Ctrl-C at "%s" restores a real terminal',
  async (question) => {
    const cwd = repository();
    const before = snapshot(cwd);
    const count = answers.findIndex(([each]) => each === question);
    const { exit, shown } = await fillIn(cwd, folderWithKeys(), count);
    expect(exit).toBe(exitCodes.INTERRUPTED);
    expect(leaksOf(Buffer.from('CANARY-'), shown)).toEqual([]);
    expect(changedPaths(before, snapshot(cwd))).toEqual([]);
  },
  60_000,
);

test.each([
  ['SIGINT', exitCodes.INTERRUPTED],
  ['SIGTERM', exitCodes.INTERRUPTED],
] as const)('%s at a question restores the terminal', async (signal, code) => {
  const cwd = repository();
  const env = { PATH: process.env.PATH ?? '', HOME: folderWithKeys() };
  const withPid = ['sh', '-c', 'echo $$ >"$HOME/pid"; exec "$@"', 'sh', ...kseal];
  const screen = openScreen(['seal'], { columns: 80, rows: 24, cwd, env, command: withPid });
  await screen.wait('Which key do you want to use?');
  process.kill(Number(readFileSync(join(env.HOME, 'pid'), 'utf8')), signal);
  expect(await screen.end()).toBe(code);
});
