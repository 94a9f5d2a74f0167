import { expect, test } from 'vitest';
import { reportOn, type VerifyFlags } from '../../src/cli/verify.ts';
import type { NamedText } from '../../src/sources/texts.ts';
import { testIO } from '../helpers/io.ts';

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
      isKeyFile: false,
      mayBeCommitted: () => true,
      content: Buffer.from('a: b\n'),
      left: count - i - 1,
      beside: () => undefined,
    };
  }
}

test('a run without manifests fails, except for --staged or an ignored file that was named', async () => {
  const ignored = async () => undefined;
  const io = testIO({ cwd: '/' });
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
