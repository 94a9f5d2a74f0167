import { expect, test } from 'vitest';
import { reportOn, type VerifyFlags } from '../../src/cli/verify.ts';
import type { NamedText } from '../../src/sources/texts.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { Capture, testIO } from '../helpers/io.ts';
import { openPolicy } from '../verify/fixtures.ts';

const flags: VerifyFlags = {
  ...{ file: [], ref: [], key: [], failIfKid: [] },
  ...{ format: 'text', failOn: 'error' },
};

async function* texts(count: number, walked = true): AsyncGenerator<NamedText> {
  for (let i = 0; i < count; i++) {
    const path = `${i}.yaml`;
    yield { path, typed: path, file: `/${path}`, walked, content: Buffer.from('a: b\n') };
  }
}

const judge = async ({ path, content }: NamedText) =>
  verifyText({ path, content }, openPolicy, { severities: new Map() });

function onTerminal(isTTY: boolean) {
  const stderr = Object.assign(new Capture(), { isTTY });
  return { ...testIO({ cwd: '/' }), stderr };
}

test('a long run shows on a terminal how far it is, and wipes that when it ends', async () => {
  const io = onTerminal(true);
  const { files } = await reportOn(io, texts(1200), judge, flags);
  expect([files.length, io.stderr.text]).toEqual([
    1200,
    '\r\x1b[K500 files\r\x1b[K1000 files\r\x1b[K',
  ]);
});

test('it is wiped before an error is printed, too', async () => {
  const io = onTerminal(true);
  const failing = async (text: NamedText) => {
    if (text.path === '700.yaml') throw new Error('out');
    return judge(text);
  };
  await expect(reportOn(io, texts(1200), failing, flags)).rejects.toThrow('out');
  expect(io.stderr.text).toBe('\r\x1b[K500 files\r\x1b[K');
});

test('a short run shows nothing, and neither does one whose words go to a file', async () => {
  for (const [io, count] of [
    [onTerminal(true), 499],
    [onTerminal(false), 1200],
  ] as const) {
    await reportOn(io, texts(count), judge, flags);
    expect(io.stderr.text).toBe('');
  }
});

test('nothing at all is an error, unless it was asked for: in the index, or by name', async () => {
  const ignored = async () => undefined;
  const io = onTerminal(false);
  const read = (...args: [AsyncGenerator<NamedText>, VerifyFlags]) =>
    reportOn(io, args[0], ignored, args[1]).then(
      ({ files }) => files.length,
      ({ code }) => code,
    );
  expect(await read(texts(0), flags)).toBe('IO');
  expect(await read(texts(3), flags)).toBe('IO');
  expect(await read(texts(3, false), flags)).toBe(0);
  expect(await read(texts(0), { ...flags, staged: true })).toBe(0);
});
