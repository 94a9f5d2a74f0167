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
    yield {
      path,
      typed: path,
      file: `/${path}`,
      walked,
      content: Buffer.from('a: b\n'),
      left: count - i - 1,
    };
  }
}

const judge = async ({ path, content }: NamedText) =>
  verifyText({ path, content }, openPolicy, { severities: new Map() });

function onTerminal(isTTY: boolean) {
  const stderr = Object.assign(new Capture(), { isTTY });
  return { ...testIO({ cwd: '/' }), stderr };
}

test('a long run shows its progress on a terminal, and clears it at the end', async () => {
  const io = onTerminal(true);
  const { files } = await reportOn(io, texts(1200), judge, flags);
  expect([files.length, io.stderr.text]).toEqual([
    1200,
    '\r\x1b[K500 files\r\x1b[K1000 files\r\x1b[K',
  ]);
});

test('the progress is cleared before an error is printed', async () => {
  const io = onTerminal(true);
  const failing = async (text: NamedText) => {
    if (text.path === '700.yaml') throw new Error('out');
    return judge(text);
  };
  await expect(reportOn(io, texts(1200), failing, flags)).rejects.toThrow('out');
  expect(io.stderr.text).toBe('\r\x1b[K500 files\r\x1b[K');
});

test('a short run shows no progress, nor does a run without a terminal', async () => {
  for (const [io, count] of [
    [onTerminal(true), 499],
    [onTerminal(false), 1200],
  ] as const) {
    await reportOn(io, texts(count), judge, flags);
    expect(io.stderr.text).toBe('');
  }
});

test('a run without manifests fails, except for --staged or an ignored file that was named', async () => {
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
