import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { replaceFiles } from '../../src/fs/write.ts';
import { at, make, mode, names, text } from '../helpers/written.ts';
import { thrownBy } from '../jwe/thrown.ts';

const replace = (...all: string[]) =>
  replaceFiles(
    all.map((name) => ({ path: at(name), shown: name, bytes: Buffer.from(`new ${name}`) })),
  );

describe('several files', () => {
  test('are replaced, keep their modes, follow links, and leave nothing behind', () => {
    make('a', 'old', 0o600);
    make('b', 'old', 0o755);
    fs.symlinkSync('b', at('link'));
    replace('a', 'link', 'c');
    expect(['a', 'b', 'c'].map(text)).toEqual(['new a', 'new link', 'new c']);
    expect(['a', 'b'].map(mode)).toEqual(['600', '755']);
    expect(names()).toEqual(['a', 'b', 'c', 'link']);
  });

  test.each(['a/x', 'missing/x', 'loop', 'folder', 'n'.repeat(256)])(
    'are unchanged if one of them cannot be written: %s',
    (name) => {
      for (const other of ['a', 'z']) make(other);
      fs.mkdirSync(at('folder'));
      fs.symlinkSync('loop', at('loop'));
      const before = names();
      const { code, message } = thrownBy(() => replace('a', 'new', name, 'z'));
      expect([code, message]).toEqual(['IO', expect.stringContaining(`${name}: cannot write: `)]);
      expect(['a', 'z'].map(text)).toEqual(['old', 'old']);
      expect(names()).toEqual(before);
    },
  );

  test('may be none', () => {
    replace();
    expect(names()).toEqual([]);
  });
});

// In another process, because the limit applies to a whole process.
describe('a file that outgrows the limit', () => {
  const program = () => {
    const entryPoints = [join(import.meta.dirname, '../../src/fs/write.ts')];
    buildSync({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: at('f.mjs') });
    const [path, confidential] = ['process.argv[1]', 'process.argv[2] === "true"'];
    return `import { writeFile } from ${JSON.stringify(at('f.mjs'))};
      try { writeFile(${path}, 'a', Buffer.alloc(1e6), { force: true, confidential: ${confidential} }); }
      catch ({ code, message }) { console.log(code, message); }`;
  };

  test.each([
    ['true', 'new'],
    ['true', 'existing'],
    ['false', 'new'],
    ['false', 'existing'],
  ])('changes nothing: confidential %s, %s', (confidential, state) => {
    if (state === 'existing') make('a', 'old', 0o640);
    const words = [process.execPath, '--input-type=module', '-e', program(), at('a'), confidential];
    const shell = ['-c', 'ulimit -f 1; exec "$@"', 'sh', ...words];
    const said = execFileSync('sh', shell, { encoding: 'utf8' });
    expect(said).toBe('IO a: cannot write: file too large\n');
    expect(names()).toEqual(state === 'existing' ? ['a', 'f.mjs'] : ['f.mjs']);
    if (state === 'existing') expect([text('a'), mode('a')]).toEqual(['old', '640']);
  });
});
