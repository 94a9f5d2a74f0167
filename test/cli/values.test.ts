import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readValues } from '../../src/cli/values.ts';
import { testIO } from '../helpers/io.ts';

async function fromStdin(stdin: Buffer, keepNewline: boolean): Promise<Buffer> {
  const [value] = await readValues(
    testIO({ cwd: '/', stdin }),
    [{ kind: 'stdin', text: 'password' }],
    {
      keepNewline,
      allowEmpty: true,
      type: undefined,
      policy: { strict: false, allow: new Set() },
    },
  );
  return Buffer.from(value?.bytes ?? []);
}

const unit = fc.constantFrom('a', 'ü', ' ', '\n', '\r', '\r\n', '\0');
const text = fc.string({ unit }).map((value) => Buffer.from(value));
const bytes = fc.uint8Array().map((value) => Buffer.from(value));
const input = fc.oneof(
  text,
  bytes,
  bytes.map((value) => Buffer.concat([value, Buffer.from('\n')])),
);

test('stdin loses only the final newline of one line of text', async () => {
  await fc.assert(
    fc.asyncProperty(input, async (stdin) => {
      const value = await fromStdin(stdin, false);
      if (value.equals(stdin)) return;
      expect(value.includes('\n')).toBe(false);
      expect(value.includes(0)).toBe(false);
      expect(Buffer.from(value.toString()).equals(value)).toBe(true);
      expect(['\n', '\r\n']).toContain(stdin.subarray(value.length).toString());
      expect(stdin.subarray(0, value.length).equals(value)).toBe(true);
    }),
  );
});

test('stdin loses the final newline of every line of text', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'ü', ' ', '\t', '"') });
  await fc.assert(
    fc.asyncProperty(line, fc.constantFrom('\n', '\r\n', ''), async (value, end) => {
      expect(String(await fromStdin(Buffer.from(value + end), false))).toBe(value);
    }),
  );
});

test('stdin stays as it is with --keep-newline', async () => {
  await fc.assert(
    fc.asyncProperty(input, async (stdin) => {
      expect((await fromStdin(stdin, true)).equals(stdin)).toBe(true);
    }),
  );
});
