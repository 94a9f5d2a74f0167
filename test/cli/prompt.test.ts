import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { IO } from '../../src/cli/io.ts';
import {
  askPath,
  askText,
  askYesNo,
  choose,
  promptLines,
  promptValue,
  search,
} from '../../src/cli/prompt.ts';
import { exitCodes } from '../../src/errors.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { openScreen } from '../helpers/screen.ts';

const terminal = (typed: readonly string[], cwd = '/') => testIO({ cwd, typed });

const hidden = {
  question: 'Value',
  thing: 'the value',
  hints: { noTerminal: 'use a pipe', severalLines: 'use a file' },
};

test('without a terminal no question is asked', async () => {
  const io = testIO({ cwd: '/' });
  expect(await askYesNo(io, 'Go on?')).toBeUndefined();
  expect(await choose(io, 'Which?', [{ value: 1, label: 'one' }])).toBeUndefined();
  expect(await askText(io, 'Name?')).toBeUndefined();
  await expect(promptLines(io, hidden)).rejects.toMatchObject({ code: 'USAGE' });
});

test.each([
  ['', true, true],
  ['', false, false],
  ['y', false, true],
  ['no', true, false],
])('the answer "%s" with the preset %s is %s', async (line, preset, answer) => {
  expect(await askYesNo(terminal([line]), 'Go on?', preset)).toBe(answer);
});

test('a signal ends a question', async () => {
  const io = terminal(['y']);
  const answer = askYesNo(io, 'Go on?');
  process.emit('SIGHUP');
  await expect(answer).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(io.terminal?.restored).toBe(true);
  expect(process.listenerCount('SIGHUP')).toBe(0);
});

test('the lines before a question are printed above it', async () => {
  const io = terminal(['y']);
  await askYesNo(io, 'The key\n  abcd ef01\nIs it right?');
  expect(String(io.terminal?.shown)).toMatch(/^The key\n {2}abcd ef01\n\? Is it right\? \(y\/N\)/);
});

test('a choice is made by its first letters, by arrow keys or by the preset', async () => {
  const choices = ['remove', 'keep', 'type again'].map((label) => ({ value: label, label }));
  const answerTo = (line: string) => choose(terminal([line]), 'What now?', choices, 'keep');
  expect(await answerTo('ty')).toBe('type again');
  expect(await answerTo('\\e[A')).toBe('remove');
  expect(await answerTo('')).toBe('keep');
});

test('a text is asked again until the check accepts it', async () => {
  const io = terminal(['Wrong', '\\x15right ']);
  const check = (text: string) => (text === 'right' ? undefined : 'only lower-case letters');
  expect(await askText(io, 'Name?', { check })).toBe('right');
  expect(String(io.terminal?.shown)).toContain('only lower-case letters');
});

test('typing filters what is offered, and can be the answer itself', async () => {
  const names = ['hr', 'hr-staging', 'mail'];
  const source = (typed: string) =>
    [...names.filter((name) => name.includes(typed)), ...(typed === '' ? [] : [typed])].map(
      (label) => ({ value: label, label }),
    );
  expect(await search(terminal(['stag']), 'Where?', source)).toBe('hr-staging');
  expect(await search(terminal(['new']), 'Where?', source)).toBe('new');
});

/** A terminal with keys that were typed before the question, and an event when it is drawn. */
function drawnOn(io: IO, drawn: (input: PassThrough) => void, early = ''): IO {
  const openTerminal = () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.write(early);
    output.once('data', () => setImmediate(drawn, input));
    return { input, output, close: () => input.destroy() };
  };
  return { ...io, openTerminal };
}

test('Enter counts if it arrives together with the text before it', async () => {
  const source = (typed: string) => ['hr', 'mail', typed].map((value) => ({ value, label: value }));
  const filtered = (typed: string) => source(typed).filter(({ value }) => value.includes(typed));
  const io = drawnOn(testIO({ cwd: '/' }), (input) => input.write('ma\r'));
  expect(await search(io, 'Where?', filtered)).toBe('mail');
});

test('a text without a choice is answered with what can be typed', async () => {
  const io = terminal(['!!', '\\x15hr']);
  const source = (typed: string) => (/^\w+$/.test(typed) ? [{ value: typed, label: typed }] : []);
  expect(await search(io, 'Where?', source, undefined, 'type letters')).toBe('hr');
  expect(String(io.terminal?.shown)).toContain('! type letters');
});

describe('what was typed before the question', () => {
  const early = (keys: string) => drawnOn(testIO({ cwd: '/' }), (input) => input.write('\r'), keys);

  test('does not answer it', async () => {
    expect(await askYesNo(early('y\r'), 'Go on?')).toBe(false);
    expect(await promptLines(early('CANARY-early\r'), hidden)).toBe('');
  });

  test('interrupts if it is Ctrl-C', async () => {
    await expect(askYesNo(early('\x03'), 'Go on?')).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await expect(promptLines(early('\x03'), hidden)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});

test.each([
  ['a question', (io: IO) => askYesNo(io, 'Go on?')],
  ['a hidden question', (io: IO) => promptValue(io, hidden)],
  ['hidden lines', (io: IO) => promptLines(io, hidden)],
])('a signal interrupts %s', async (_, asked) => {
  const io = testIO({ cwd: '/' });
  const asking = asked(drawnOn(io, () => io.signal('SIGTERM')));
  await expect(asking).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

describe('the path of a file', () => {
  const folder = () => {
    const cwd = folderWithKeys();
    mkdirSync(join(cwd, 'certs'));
    for (const name of ['certs/tls.crt', 'certs/tls.key', '.hidden'])
      writeFileSync(join(cwd, name), '');
    return cwd;
  };

  test('is completed by Tab, and Enter opens a folder', async () => {
    const cwd = folder();
    expect(await askPath(terminal(['ce\\ttls.k'], cwd), 'File?')).toBe('certs/tls.key');
    expect(await askPath(terminal(['ce', 'tls.c'], cwd), 'File?')).toBe('certs/tls.crt');
  });

  test('must exist', async () => {
    const io = terminal(['none', '\\x15.hid'], folder());
    expect(await askPath(io, 'File?')).toBe('.hidden');
    expect(String(io.terminal?.shown)).toContain('no such file');
  });
});

describe('hidden lines', () => {
  test.each([
    ['end at an empty line', 'one\\rtwo\\r', 'one\ntwo\n'],
    ['end at Ctrl-D', 'one\\rtwo\\x04', 'one\ntwo\n'],
    ['have no line break if there is only one', 'one\\r', 'one'],
    ['keep empty lines in a paste', '\\e[200~one\\r\\rtwo\\r\\e[201~', 'one\n\ntwo\n'],
    ['keep empty lines in a paste without brackets', 'one\\r\\rtwo\\r', 'one\n\ntwo\n'],
    ['count CRLF as one line break', '\\e[200~one\\r\\ntwo\\r\\n\\e[201~', 'one\ntwo\n'],
    ['can be corrected', 'onf\\x7fe\\rwrong\\x15two\\r', 'one\ntwo\n'],
  ])('%s', async (_, line, lines) => {
    const io = terminal([line]);
    expect(await promptLines(io, hidden)).toBe(lines);
    expect(String(io.terminal?.shown)).not.toContain('one');
  });

  test('end with an error at Ctrl-C', async () => {
    const typing = promptLines(terminal(['one\\x03']), hidden);
    await expect(typing).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});

test('a hidden value is asked again while the check finds a problem', async () => {
  const io = terminal(['short', 'long enough', 'long enough']);
  const check = (value: string) => (value.length < 8 ? 'at least 8 characters' : undefined);
  expect(await promptValue(io, { ...hidden, check })).toBe('long enough');
  expect(String(io.terminal?.shown)).toContain('at least 8 characters');
});

test('keys that are typed before a hidden question are neither shown nor taken', async () => {
  const cwd = folderWithKeys();
  const args = 'seal db -n hr -k k.pub --prompt a --prompt b -o db.yaml'.split(' ');
  const env = { PATH: process.env.PATH ?? '', HOME: cwd };
  const screen = openScreen(args, { columns: 80, rows: 24, cwd, env });
  for (const question of ['Value for "a"', 'Repeat the value']) {
    await screen.wait(question);
    screen.type('one \\r');
  }
  await screen.wait('letters, then Enter');
  screen.type('k\\rCANARY-early');
  await screen.wait('Value for "b"');
  screen.type('\\x03');
  expect(await screen.end()).toBe(exitCodes.INTERRUPTED);
  expect(leaksOf(Buffer.from('CANARY-early'), screen.shown())).toEqual([]);
});
