import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hideProgress, say, withProgress } from '../../src/cli/print.ts';
import { askYesNo } from '../../src/cli/prompt.ts';
import { Capture, testIO } from '../helpers/io.ts';

// The clock is moved by the tests; nothing waits.

beforeEach(() => vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

function onTerminal(columns: number, env: Record<string, string> = {}, isTTY = true) {
  const stderr = Object.assign(new Capture(), { isTTY, columns });
  return { ...testIO({ cwd: '/', env }), stderr };
}

/** Goes through `count` files, each of which takes `each` milliseconds. */
async function work(
  io: ReturnType<typeof onTerminal>,
  count: number,
  each: number,
  during: (index: number) => unknown = () => {},
): Promise<void> {
  const items = Array.from({ length: count }, (_, index) => index);
  for await (const index of withProgress(io, 'checked', items, (_, at) => count - at - 1)) {
    vi.advanceTimersByTime(each);
    await vi.dynamicImportSettled();
    await during(index);
  }
}

/** The texts that the line showed, one after the other. */
function shownOn({ stderr }: ReturnType<typeof onTerminal>): readonly string[] {
  const parts = stderr.text.split(/\x1b\[1G/).map((part) => stripVTControlCharacters(part).trim());
  return parts.filter(Boolean);
}

test('from the second second on, a bar shows the count and the time left', async () => {
  const io = onTerminal(80);
  await work(io, 40, 100, (index) => {
    if (index < 10) expect(io.stderr.text).toBe('');
  });
  const shown = shownOn(io);
  expect(shown[0]).toMatch(/^\[#+\.+\] 1\d of 40 files checked, [34] s left$/);
  expect(shown.at(-1)).toBe('[##############################] 40 of 40 files checked, 0 s left');
});

test('a narrow terminal shows no bar, and the line fits', async () => {
  const io = onTerminal(40);
  await work(io, 40, 100);
  expect(shownOn(io)[0]).toMatch(/^1\d of 40 files checked, [34] s left$/);
});

test('minutes are shown for longer work', async () => {
  const io = onTerminal(80);
  await work(io, 400, 1000, (index) => {
    if (index === 5) expect(shownOn(io).at(-1)).toMatch('files checked, 8 min left');
  });
});

test.each([
  ['work of less than a second', onTerminal(80), 9],
  ['a pipe', onTerminal(80, {}, false), 40],
  ['a terminal that cannot move the cursor', onTerminal(80, { TERM: 'dumb' }), 40],
])('%s shows nothing', async (_, io, count) => {
  await work(io, count, 100);
  expect(io.stderr.text).toBe('');
});

test('the line is cleared at the end, also after an error', async () => {
  for (const fail of [false, true]) {
    const io = onTerminal(80);
    const done = work(io, 40, 100, (index) => {
      if (fail && index === 20) throw new Error('out');
    });
    await (fail ? expect(done).rejects.toThrow('out') : done);
    expect(io.stderr.text).toMatch(/\x1b\[1G\x1b\[2K$/);
    expect(vi.getTimerCount()).toBe(0);
  }
});

test('the cursor is never hidden, and lines wrap, so that Ctrl-C has nothing to restore', async () => {
  const io = onTerminal(80);
  await work(io, 40, 100);
  expect(io.stderr.text).not.toMatch(/\x1b\[\?\d+[hl]/);
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('the line is cleared when the process ends', async () => {
  const io = onTerminal(80);
  const before = process.listeners('exit');
  await work(io, 40, 100, (index) => {
    if (index !== 20) return;
    const [clear] = process.listeners('exit').filter((listener) => !before.includes(listener));
    clear?.(130);
    expect(io.stderr.text).toMatch(/\x1b\[1G\x1b\[2K$/);
  });
  expect(process.listeners('exit')).toEqual(before);
});

test('a message has a line of its own, and the bar returns below it', async () => {
  const io = onTerminal(80);
  await work(io, 40, 100, (index) => {
    if (index === 20) say(io, 'note', 'in between');
  });
  expect(io.stderr.text).toMatch(/\x1b\[2Kkseal: in between\n\x1b7/);
  expect(shownOn(io).at(-1)).toMatch('40 of 40');
});

test('a question clears the line', async () => {
  const io = {
    ...onTerminal(80),
    ...{ openTerminal: testIO({ cwd: '/', typed: ['y'] }).openTerminal },
  };
  await work(io, 40, 100, async (index) => {
    if (index !== 20) return;
    await askYesNo(io, 'Go on');
    expect(io.stderr.text).toMatch(/\x1b\[1G\x1b\[2K$/);
    hideProgress(io);
  });
});
