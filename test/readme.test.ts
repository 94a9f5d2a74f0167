import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { main } from '../src/cli/main.ts';
import { rules } from '../src/verify/rules/index.ts';
import { leaksOf } from './helpers/canary.ts';
import { testIO } from './helpers/io.ts';
import { workplace } from './helpers/repository.ts';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** The lines of the blocks in this language, in order. */
function linesOf(language: string): string[] {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))];
  return blocks.flatMap(([, text = '']) => text.trimEnd().split('\n'));
}

/** What is typed where a line asks for a value. */
const PASSWORD = 'CANARY-typed';

test('every command of README does what it says, in the order in which it stands there', async () => {
  const { folder, run } = workplace();
  const lines = linesOf('sh');
  expect(lines.length).toBeGreaterThan(20);
  for (const line of lines) {
    const { code, said } = line.includes('--prompt')
      ? await typed(line, folder)
      : await spawned(line);
    const wanted = Number(/# exits (\d+)/.exec(line)?.[1] ?? 0);
    expect(code, `${line}\n${said}`).toBe(wanted);
    if (!line.includes('decrypt')) expect(leaksOf(Buffer.from(PASSWORD), said), line).toEqual([]);
  }

  async function spawned(line: string) {
    const { code, stdout, stderr } = await run(['sh', '-e', '-c', line]);
    return { code, said: Buffer.concat([stdout, stderr]) };
  }
}, 120_000);

/** Runs a line that asks on a terminal, with somebody there who types the value twice. */
async function typed(line: string, cwd: string) {
  const [program, ...argv] = line.split(' ');
  expect(program).toBe('kseal');
  const io = testIO({ cwd, env: { HOME: cwd }, typed: [PASSWORD, PASSWORD] });
  const code = await main(argv, io);
  return { code, said: Buffer.concat([io.stdout.bytes, io.stderr.bytes]) };
}

describe('README', () => {
  test('says of every rule how grave it is and what it reports', () => {
    const rows = readme
      .split('\n')
      .filter((line) => /^\| `[a-z-]+` \| (?:error|warning) \|/.test(line));
    expect(rows).toEqual(
      rules.map(({ id, severity, summary }) => `| \`${id}\` | ${severity} | ${summary} |`),
    );
  });

  test('leads to files that are there', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path = '']) => path);
    for (const path of links)
      expect(readFileSync(join(import.meta.dirname, '..', path))).toBeDefined();
  });
});
