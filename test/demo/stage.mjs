// Runs, prints and checks the steps of the demo. No process or file that it makes outlives it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { styleText } from 'node:util';

/** The program: another one to try an installed package. */
const bin = process.env.KSEAL_DEMO_BIN ?? join(import.meta.dirname, '../../bin/kseal.js');

/** The time limit of a step, long enough for a busy machine; milliseconds. */
export const LIMIT = 60_000;

const children = new Set();
let title = 'setup';
let lastOutput = '';
let isEnding = false;

/** Ends all children, deletes the folder, and exits. */
export async function end(code) {
  isEnding = true;
  const exits = [...children].map((child) => once(child, 'exit'));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(exits);
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }))
  process.on(signal, () => end(code));

// A rejected top-level await arrives here, too.
process.on('uncaughtException', (error) => {
  if (isEnding) return;
  const problem = error?.message || error?.code || error;
  process.stderr.write(`\ndemo: ${title}: ${problem}\n${lastOutput.replace(/^(?=.)/gm, '    ')}`);
  end(1);
});

export const folder = mkdtempSync(join(tmpdir(), 'kseal-demo-'));
if (!existsSync(join(dirname(bin), '../dist/main.cjs')))
  throw new Error('kseal is not built: npm ci');

const hasColour = process.stdout.isTTY && !process.env.NO_COLOR;

export function print(text, style) {
  const shown = style && hasColour ? styleText(style, text, { validateStream: false }) : text;
  process.stdout.write(`${shown}\n`);
}

/** Breaks lines of more than 74 columns at blanks. */
const wrap = (text) => text.replace(/(?=.{75})(.{10,73}) +/g, '$1\n    ');

export function persona(name, text) {
  title = name;
  print(`\n── ${name} ${'─'.repeat(76 - name.length)}`, 'cyan');
  print(`${text}\n`);
}

/** Prints a command. Breaks long lines before options, as in a shell script. */
export function printCommand(line) {
  print(line.replace(/(?=.{79})(.{10,74}) (?=-|2>|&)/g, '$1 \\\n    '), 'bold');
}

export function printOutput(text, style) {
  print(wrap(text.replace(/\n+/g, '\n').trimEnd()).replace(/^/gm, '  '), style);
}

/** Prints a claim that is true, and throws if it is false. */
export function check(claim, isTrue) {
  if (!isTrue) throw new Error(`expected: ${claim}`);
  print(wrap(`✓ ${claim}`), 'green');
}

/**
 * Starts a Node program in the folder. Its property `text` collects what it prints; `isClosed` is
 * true after its end, when `text` is complete.
 */
export function start(args) {
  if (isEnding) throw new Error('the demo is ending');
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1' },
    // Ctrl-C must reach the demo alone: it ends its children itself.
    detached: true,
  });
  if (child.pid !== undefined) children.add(child);
  child.on('exit', () => children.delete(child));
  child.on('close', () => {
    child.isClosed = true;
  });
  child.text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      child.text += chunk;
      child.emit('text');
    });
  }
  // A program that fails early does not read its stdin.
  child.stdin.on('error', () => {});
  return child;
}

/** Resolves to the first match of `pattern` in the output of a program. */
export function printed(child, pattern) {
  return new Promise((resolve, reject) => {
    const fail = (problem) => reject(new Error(`${child.spawnargs[1]}: ${problem}`));
    const timer = setTimeout(fail, LIMIT, `expected ${pattern} within ${LIMIT / 1000} s`);
    const look = () => {
      lastOutput = child.text;
      const match = pattern.exec(child.text);
      if (!match) return;
      clearTimeout(timer);
      resolve(match);
    };
    child.on('text', look).on('close', () => fail('exited early'));
    look();
  });
}

/** Starts kseal in the background. */
export function startKseal(line) {
  printCommand(`$ kseal ${line} &`);
  return start([bin, ...line.split(' ')]);
}

const filters = {
  '': (text) => text,
  ' 2>&1 | tail -n 1': (text) => text.trimEnd().split('\n').at(-1),
  ' | cut -c -74': (text) => text.replace(/^(.{74}).*/gm, '$1'),
};

/** Runs kseal, prints its output, and checks its exit code. Resolves to the output. */
export async function kseal(line, { input = '', exit = 0, filter = '' } = {}) {
  const source = input && `printf ${input} | `;
  printCommand(`$ ${source}kseal ${line}${filter}`);
  const child = start([bin, ...line.split(' ')]);
  child.stdin.end(input);
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  lastOutput = child.text;
  if (code !== exit)
    throw new Error(`kseal ${line}: expected exit code ${exit}, got ${code ?? signal}`);
  printOutput(filters[filter](child.text), exit && 'red');
  return child.text;
}

/** Waits until a URL of `child` answers with a 2xx status. Throws at once if `child` has exited. */
export async function ready(url, child) {
  const deadline = Date.now() + LIMIT;
  const attempt = () =>
    fetch(url, { signal: AbortSignal.timeout(LIMIT) }).catch((error) => ({
      status: error.cause?.code ?? error.name,
    }));
  for (let answer = await attempt(); !answer.ok; answer = await attempt()) {
    if (Date.now() > deadline) throw new Error(`${url}: not ready: ${answer.status}`);
    if (child.isClosed) {
      lastOutput = child.text;
      throw new Error(`${child.spawnargs[1]}: exited before ${url} was ready`);
    }
    await pause(100);
  }
}
