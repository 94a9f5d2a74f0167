import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, test } from 'vitest';
import {
  refuseExisting,
  removeLeftovers,
  replaceEach,
  replaceFiles,
  writeFile,
  writeFolders,
} from '../../src/fs/write.ts';
import { unprivileged } from '../helpers/spawn.ts';
import { at, make, mode, names, text } from '../helpers/written.ts';
import { rejectionOf, thrownBy } from '../jwe/thrown.ts';

function write(
  name: string,
  options: { force?: boolean; confidential?: boolean } = {},
): Promise<void> {
  const { force = true, confidential = false } = options;
  return writeFile(at(name), name, Buffer.from('new'), { force, confidential });
}

async function withUmask(umask: number, run: () => Promise<void>): Promise<void> {
  const before = process.umask(umask);
  try {
    await run();
  } finally {
    process.umask(before);
  }
}

describe.each([false, true])('writing a file, confidential: %s', (confidential) => {
  test('creates a new file and nothing else', async () => {
    await write('a', { force: false, confidential });
    expect([text('a'), names()]).toEqual(['new', ['a']]);
  });

  test('replaces a file with force, and creates nothing else', async () => {
    make('a', 'old and longer');
    await write('a', { confidential });
    expect([text('a'), names()]).toEqual(['new', ['a']]);
  });

  test('keeps a file without force', async () => {
    make('a');
    const said = await rejectionOf(write('a', { force: false, confidential }));
    expect(said).toEqual({
      code: 'OUTPUT_EXISTS',
      message: 'a: already exists',
      hint: 'add --force to overwrite it',
    });
    expect([text('a'), names()]).toEqual(['old', ['a']]);
  });

  test('follows a chain of links, and keeps them', async () => {
    fs.mkdirSync(at('real'));
    make('real/a');
    fs.symlinkSync('real/a', at('b'));
    fs.symlinkSync(at('b'), at('c'));
    expect((await rejectionOf(write('c', { force: false, confidential }))).code).toBe(
      'OUTPUT_EXISTS',
    );
    await write('c', { confidential });
    expect([text('real/a'), fs.readlinkSync(at('b'))]).toEqual(['new', 'real/a']);
    expect(names()).toEqual(['b', 'c', 'real', 'real/a']);
  });

  test('follows a dangling link', async () => {
    fs.mkdirSync(at('real'));
    fs.symlinkSync('../real/a', at('real/b'));
    fs.symlinkSync('real/b', at('c'));
    await write('c', { force: false, confidential });
    expect([text('real/a'), fs.lstatSync(at('c')).isSymbolicLink()]).toEqual(['new', true]);
    expect(names()).toEqual(['c', 'real', 'real/a', 'real/b']);
  });

  test('follows a relative link from its real folder', async () => {
    fs.mkdirSync(at('x/y'), { recursive: true });
    fs.symlinkSync('x/y', at('short'));
    fs.symlinkSync('../a', at('x/y/link'));
    await write('short/link', { confidential });
    expect(fs.existsSync(at('a'))).toBe(false);
    expect(text('x/a')).toBe('new');
  });

  test('writes to a pipe, without force', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const reader = fs.openSync(at('pipe'), 'r+');
    await write('pipe', { force: false, confidential });
    const bytes = Buffer.alloc(10);
    expect(bytes.toString('utf8', 0, fs.readSync(reader, bytes))).toBe('new');
    fs.closeSync(reader);
    expect([fs.statSync(at('pipe')).isFIFO(), names()]).toEqual([true, ['pipe']]);
  });

  test('writes to a device', async () => {
    await writeFile('/dev/null', '/dev/null', Buffer.from('new'), { force: false, confidential });
    expect(fs.statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  // Only Linux has this device.
  test.runIf(fs.existsSync('/dev/full'))('reports that a device is full', async () => {
    fs.symlinkSync('/dev/full', at('full'));
    expect(await rejectionOf(write('full', { force: false, confidential }))).toMatchObject({
      code: 'IO',
      message: 'full: cannot write: no space left on device',
    });
    expect(names()).toEqual(['full']);
  });

  test.each([
    ['folder', 'is a folder, not a file'],
    ['missing/a', 'no such file'],
    ['file/a', 'no such file'],
    ['new/', undefined],
    ['loop', 'too many levels of symbolic links'],
    ['n'.repeat(300), 'file name too long'],
  ])('changes nothing if the path is impossible: %s', async (name, reason) => {
    fs.mkdirSync(at('folder'));
    make('file');
    fs.symlinkSync('loop', at('loop'));
    const { code, message } = await rejectionOf(write(name, { confidential }));
    expect(code).toBe('IO');
    expect(message).toContain(`${name}: cannot write: ${reason ?? ''}`);
    expect([text('file'), names()]).toEqual(['old', ['file', 'folder', 'loop']]);
  });
});

describe('the mode', () => {
  test.each([0o600, 0o640, 0o664, 0o755])('%o is kept', async (fileMode) => {
    make('a', 'old', fileMode);
    await withUmask(0o077, () => write('a'));
    expect([mode('a'), text('a')]).toEqual([fileMode.toString(8), 'new']);
  });

  test.each([
    [0o022, '644'],
    [0o077, '600'],
    [0, '666'],
  ])('of a new file follows the umask %o', async (umask, wanted) => {
    await withUmask(umask, () => write('a'));
    expect(mode('a')).toBe(wanted);
  });

  test.each([0, 0o022, 0o077])(
    'of a confidential file is 600 under umask %o, whatever it was',
    async (umask) => {
      make('a', 'old', 0o666);
      make('real', 'old', 0o777);
      fs.symlinkSync('real', at('b'));
      await withUmask(umask, async () => {
        for (const name of ['a', 'b', 'c']) await write(name, { confidential: true });
      });
      expect(['a', 'b', 'c'].map(mode)).toEqual(['600', '600', '600']);
    },
  );

  test('confidential content goes to a new file, which an open reader of the old one cannot see', async () => {
    make('a');
    const reader = fs.openSync(at('a'), 'r');
    await write('a', { confidential: true });
    expect(fs.readFileSync(reader, 'utf8')).toBe('old');
    fs.closeSync(reader);
  });
});

test('refuseExisting() accepts everything but regular files', () => {
  make('a');
  fs.symlinkSync('a', at('link'));
  for (const name of ['a', 'link']) {
    expect(thrownBy(() => refuseExisting(at(name), name)).code).toBe('OUTPUT_EXISTS');
  }
  for (const path of [at('gone'), at('.'), '/dev/null', at('a/x')]) {
    expect(() => refuseExisting(path, path)).not.toThrow();
  }
});

const replace = (...all: string[]) =>
  replaceFiles(
    all.map((name) => ({ path: at(name), shown: name, bytes: Buffer.from(`new ${name}`) })),
  );

describe('several files', () => {
  test('are replaced, keep their modes, follow links, and leave nothing behind', async () => {
    make('a', 'old', 0o600);
    make('b', 'old', 0o755);
    fs.symlinkSync('b', at('link'));
    await replace('a', 'link', 'c');
    expect(['a', 'b', 'c'].map(text)).toEqual(['new a', 'new link', 'new c']);
    expect(['a', 'b'].map(mode)).toEqual(['600', '755']);
    expect(names()).toEqual(['a', 'b', 'c', 'link']);
  });

  test.each(['a/x', 'missing/x', 'loop', 'folder', 'n'.repeat(256)])(
    'are unchanged if one of them cannot be written: %s',
    async (name) => {
      for (const other of ['a', 'z']) make(other);
      fs.mkdirSync(at('folder'));
      fs.symlinkSync('loop', at('loop'));
      const before = names();
      const { code, message } = await rejectionOf(replace('a', 'new', name, 'z'));
      expect([code, message]).toEqual(['IO', expect.stringContaining(`${name}: cannot write: `)]);
      expect(['a', 'z'].map(text)).toEqual(['old', 'old']);
      expect(names()).toEqual(before);
    },
  );

  test('may be many, and their progress counts down to 0', async () => {
    const many = Array.from({ length: 50 }, (_, at) => `f${at}`);
    const left: number[] = [];
    await replaceFiles(
      many.map((name) => ({ path: at(name), shown: name, bytes: Buffer.from(name) })),
      { onWritten: (count) => left.push(count) },
    );
    expect(many.map(text)).toEqual(many);
    expect(left).toEqual(Array.from({ length: 50 }, (_, done) => 49 - done));
    expect(names()).toEqual(many.toSorted());
  });

  test('may be none', async () => {
    await replace();
    expect(names()).toEqual([]);
  });
});

describe('a file that has changed since it was read', () => {
  const changes: Readonly<Record<string, (path: string) => void>> = {
    'was edited': (path) => fs.writeFileSync(path, 'own'),
    'was appended to': (path) => fs.appendFileSync(path, '\n'),
    'was emptied': (path) => fs.truncateSync(path),
    'was replaced': (path) => {
      fs.writeFileSync(`${path}~`, 'own');
      fs.renameSync(`${path}~`, path);
    },
    'was removed': (path) => fs.rmSync(path),
    'is a folder now': (path) => {
      fs.rmSync(path);
      fs.mkdirSync(path);
    },
    'is a pipe now': (path) => {
      fs.rmSync(path);
      execFileSync('mkfifo', [path]);
    },
    'is a dangling link now': (path) => {
      fs.rmSync(path);
      fs.symlinkSync('nothing', path);
    },
  };
  const stateOf = (path: string) => {
    const stats = fs.lstatSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? fs.readFileSync(path, 'utf8') : stats?.mode;
  };
  const replacing = (...all: string[]) =>
    replaceFiles(
      all.map((name) => ({
        path: at(name),
        shown: name,
        bytes: Buffer.from('new'),
        madeFrom: Buffer.from('old'),
      })),
    );

  test.each(Object.keys(changes))('stays as it is, like all others, if it %s', async (change) => {
    for (const name of ['a', 'b', 'c']) make(name);
    changes[change]?.(at('b'));
    const [before, listing] = [stateOf(at('b')), names()];
    expect((await rejectionOf(replacing('a', 'b', 'c'))).code).toBe('IO');
    expect(['a', 'c'].map(text)).toEqual(['old', 'old']);
    expect([stateOf(at('b')), names()]).toEqual([before, listing]);
  });

  test('is named, with what to do', async () => {
    make('a', 'own');
    expect(await rejectionOf(replacing('a'))).toEqual({
      code: 'IO',
      message: 'a: changed since it was read, so it is not overwritten',
      hint: 'run the command again',
    });
  });

  test('is kept, and so are all others, if it appeared where a new file was planned', async () => {
    make('b', 'own');
    const files = ['a', 'b'].map((name) => ({
      path: at(name),
      shown: name,
      bytes: Buffer.from('new'),
      isNew: true,
    }));
    expect((await rejectionOf(replaceFiles(files))).message).toContain(
      'b: changed since it was read',
    );
    expect([text('b'), names()]).toEqual(['own', ['b']]);
  });

  test('cannot be a pipe or a device, which keeps nothing', async () => {
    fs.symlinkSync('/dev/null', at('null'));
    expect((await rejectionOf(replacing('null'))).message).toBe(
      'null: is not a regular file, so it cannot be changed in place',
    );
  });

  test('is compared through links', async () => {
    fs.mkdirSync(at('real'));
    make('real/a', 'own');
    fs.symlinkSync('real/a', at('link'));
    expect((await rejectionOf(replacing('link'))).code).toBe('IO');
    make('real/a');
    await replacing('link');
    expect([text('real/a'), fs.lstatSync(at('link')).isSymbolicLink()]).toEqual(['new', true]);
  });

  test('is replaced if an editor has saved the same content again, or if it is given twice', async () => {
    make('a');
    make('again');
    fs.renameSync(at('again'), at('a'));
    await replacing('a', 'a');
    expect([text('a'), names()]).toEqual(['new', ['a']]);
  });
});

describe('files that are replaced independently', () => {
  const replaceOld = (...all: string[]) =>
    replaceEach(
      all.map((name) => ({ path: at(name), shown: name, bytes: `new ${name}`, madeFrom: 'old' })),
      () => {},
    );

  test('keep their modes, follow links, and leave nothing behind', async () => {
    make('a', 'old', 0o600);
    make('b', 'old', 0o755);
    fs.symlinkSync('b', at('link'));
    expect(await replaceOld('a', 'link')).toEqual([undefined, undefined]);
    expect(['a', 'b'].map(text)).toEqual(['new a', 'new link']);
    expect(['a', 'b'].map(mode)).toEqual(['600', '755']);
    expect([names(), fs.readlinkSync(at('link'))]).toEqual([['a', 'b', 'link'], 'b']);
  });

  test('are replaced although others cannot be, and each of those has its error in order', async () => {
    const all = Array.from({ length: 30 }, (_, i) => `f${i}`);
    for (const name of all) make(name);
    make('f3', 'own');
    fs.rmSync(at('f7'));
    fs.rmSync(at('f9'));
    fs.mkdirSync(at('f9'));
    const long = 'n'.repeat(256);
    const left: number[] = [];
    const outcomes = await replaceEach(
      [...all, long].map((name) => ({
        path: at(name),
        shown: name,
        bytes: 'new',
        madeFrom: 'old',
      })),
      (count) => left.push(count),
    );
    const errors = outcomes.flatMap((error) => (error === undefined ? [] : [error.message]));
    expect(errors).toEqual([
      'f3: changed since it was read, so it is not overwritten',
      'f7: changed since it was read, so it is not overwritten',
      'f9: cannot write: is a folder, not a file',
      `${long}: cannot write: file name too long`,
    ]);
    expect(left).toEqual(Array.from({ length: 31 }, (_, done) => 30 - done));
    const kept = ['f3', 'f7', 'f9'];
    for (const name of all) if (!kept.includes(name)) expect(text(name)).toBe('new');
    expect([text('f3'), names()]).toEqual(['own', all.filter((name) => name !== 'f7').sort()]);
  });

  test.each(['pipe', '/dev/null'])('cannot be a %s', async (name) => {
    if (name === 'pipe') execFileSync('mkfifo', [at(name)]);
    const path = name === 'pipe' ? at(name) : name;
    const [error] = await replaceEach(
      [{ path, shown: name, bytes: 'new', madeFrom: '' }],
      () => {},
    );
    expect(error?.message).toContain('is not a regular file');
  });
});

// In another process, because permissions do not bind root.
test('files in a read-only folder, and read-only files, stay as they are', () => {
  const entryPoints = [join(import.meta.dirname, '../../src/fs/write.ts')];
  buildSync({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: at('f.mjs') });
  fs.mkdirSync(at('folder'));
  for (const name of ['folder/a', 'folder/.kseal-999999999-a', 'b', 'c']) make(name, 'old', 0o666);
  fs.chmodSync(at('b'), 0o444);
  fs.chmodSync(at('folder'), 0o555);
  fs.chmodSync(at('.'), 0o777);
  const program = `import { removeLeftovers, replaceEach } from ${JSON.stringify(at('f.mjs'))};
    ${unprivileged === undefined ? '' : `process.setuid(${unprivileged});`}
    process.chdir(${JSON.stringify(at('.'))});
    const files = ['folder/a', 'b', 'c'].map((path) => ({ path, shown: path, bytes: 'new', madeFrom: 'old' }));
    removeLeftovers(['folder', 'missing']);
    for (const error of await replaceEach(files, () => {})) console.log(error?.message ?? 'written');`;
  const words = ['--input-type=module', '-e', program];
  const said = execFileSync(process.execPath, words, { encoding: 'utf8' });
  fs.chmodSync(at('folder'), 0o755);
  expect(said.trim().split('\n')).toEqual([
    'folder/a: cannot write: permission denied',
    'b: cannot write: permission denied',
    'written',
  ]);
  expect(['folder/a', 'b', 'c'].map(text)).toEqual(['old', 'old', 'new']);
  expect(names()).toEqual(['b', 'c', 'f.mjs', 'folder', 'folder/.kseal-999999999-a', 'folder/a']);
});

describe('removeLeftovers', () => {
  test('removes the temporary files of processes that have ended, and no others', () => {
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const kept = [
      `.kseal-${process.pid}-abc`,
      `.kseal-${process.pid}-9`,
      '.kseal.yaml',
      '.kseal-',
      `.kseal-${dead}`,
      `.kseal-${dead}-`,
      `.kseal-${dead}-xyz`,
      `.kseal-${dead}-abc.yaml`,
      `x.kseal-${dead}-abc`,
      `.KSEAL-${dead}-abc`,
    ];
    for (const name of [...kept, `.kseal-${dead}-abc`, `.kseal-${dead}-0123456789abc`]) make(name);
    fs.mkdirSync(at('deep'));
    make(`deep/.kseal-${dead}-abc`);
    removeLeftovers([at('.')]);
    expect(names()).toEqual([...kept, 'deep', `deep/.kseal-${dead}-abc`].sort());
  });

  test('ignores a folder that is missing, and a folder with such a name', () => {
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    fs.mkdirSync(at(`.kseal-${dead}-abc`));
    removeLeftovers([at('missing'), at('.')]);
    expect(names()).toEqual([`.kseal-${dead}-abc`]);
  });
});

// In another process, because only an ending process emits `exit`.
test('a process that ends while it waits for the disk leaves nothing behind', () => {
  const entryPoints = [join(import.meta.dirname, '../../src/fs/write.ts')];
  buildSync({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: at('f.mjs') });
  make('f0');
  const program = `import { readdirSync } from 'node:fs';
    import { replaceFiles } from ${JSON.stringify(at('f.mjs'))};
    const files = Array.from({ length: 20 }, (_, at) => ({
      path: ${JSON.stringify(at('f'))} + at, shown: 'f', bytes: Buffer.from('new'),
    }));
    replaceFiles(files);
    console.log(readdirSync(${JSON.stringify(at('.'))}).filter((name) => name.startsWith('.')).length);
    process.exit();`;
  const words = ['--input-type=module', '-e', program];
  const staged = execFileSync(process.execPath, words, { encoding: 'utf8' });
  expect(Number(staged)).toBeGreaterThan(0);
  expect([text('f0'), names()]).toEqual(['old', ['f.mjs', 'f0']]);
});

// In another process, because the limit applies to a whole process.
describe('a file that outgrows the limit', () => {
  const program = () => {
    const entryPoints = [join(import.meta.dirname, '../../src/fs/write.ts')];
    buildSync({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: at('f.mjs') });
    const [path, confidential] = ['process.argv[1]', 'process.argv[2] === "true"'];
    return `import { writeFile } from ${JSON.stringify(at('f.mjs'))};
      try { await writeFile(${path}, 'a', Buffer.alloc(1e6), { force: true, confidential: ${confidential} }); }
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

const files = [
  { name: 'open', bytes: Buffer.from('1') },
  { name: 'kept', bytes: Buffer.from('2'), confidential: true },
];

function writeAll(folder: string, force = false, written = files): Promise<void> {
  return writeFolders([{ path: at(folder), shown: folder, files: written }], force);
}

describe('writeFolders', () => {
  test('creates the folder and its files, confidential ones with mode 600', async () => {
    await writeAll('a/b');
    expect(names()).toEqual(['a', 'a/b', 'a/b/kept', 'a/b/open']);
    expect([text('a/b/open'), text('a/b/kept'), mode('a/b/kept')]).toEqual(['1', '2', '600']);
  });

  test('writes into an existing folder', async () => {
    fs.mkdirSync(at('a'));
    make('a/other');
    await writeAll('a');
    expect(names()).toEqual(['a', 'a/kept', 'a/open', 'a/other']);
  });

  test('overwrites only with force, and otherwise writes nothing', async () => {
    fs.mkdirSync(at('a'));
    make('a/kept', 'old', 0o644);
    expect(await rejectionOf(writeAll('a'))).toMatchObject({
      code: 'OUTPUT_EXISTS',
      message: `${join('a', 'kept')}: already exists`,
    });
    expect(names()).toEqual(['a', 'a/kept']);
    await writeAll('a', true);
    expect([text('a/kept'), mode('a/kept')]).toEqual(['2', '600']);
  });

  test('leaves nothing behind if one of the files cannot be written', async () => {
    const wrong = [...files, { name: 'long'.repeat(100), bytes: Buffer.from('3') }];
    expect(await rejectionOf(writeAll('a/b', false, wrong))).toMatchObject({ code: 'IO' });
    expect(names()).toEqual([]);
  });

  test('writes several folders, and none of them if one cannot be written', async () => {
    make('f');
    const folder = (name: string) => ({ path: at(name), shown: name, files });
    const rejected = await rejectionOf(writeFolders([folder('a'), folder('f')], false));
    expect(rejected).toMatchObject({ code: 'IO', message: 'f: is a file, not a folder' });
    expect(names()).toEqual(['f']);
    await writeFolders([folder('a'), folder('b/c')], false);
    expect(names()).toEqual(['a', 'a/kept', 'a/open', 'b', 'b/c', 'b/c/kept', 'b/c/open', 'f']);
  });

  test('refuses a file in place of the folder or of a parent', async () => {
    make('a');
    expect(await rejectionOf(writeAll('a'))).toMatchObject({ code: 'IO', hint: 'name a folder' });
    expect(await rejectionOf(writeAll('a/b'))).toMatchObject({ code: 'IO' });
    expect(fs.statSync(at('a')).isFile()).toBe(true);
  });
});

describe('replaceFiles with makeFolders', () => {
  const file = (name: string, executable = false) => ({
    path: at(name),
    shown: name,
    bytes: Buffer.from(name),
    executable,
  });

  test('puts an early file in place before it writes the others', async () => {
    const early = { ...file('a/.gitignore'), early: true };
    const seen: boolean[] = [];
    const onWritten = () => seen.push(fs.existsSync(early.path));
    await replaceFiles([file('a/key'), early], { makeFolders: true, onWritten });
    expect(seen).toEqual([false, true]);
  });

  test('leaves no early file and no folder if another file cannot be written', async () => {
    fs.mkdirSync(at('b'));
    const early = { ...file('a/.gitignore'), early: true };
    const rejected = await rejectionOf(replaceFiles([early, file('b')], { makeFolders: true }));
    expect(rejected).toMatchObject({ code: 'IO' });
    expect(names()).toEqual(['b']);
  });

  test('creates the missing folders, and programs that can be run', async () => {
    fs.mkdirSync(at('a'));
    await replaceFiles([file('a/b/c'), file('d/e', true)], { makeFolders: true });
    expect(names()).toEqual(['a', 'a/b', 'a/b/c', 'd', 'd/e']);
    expect([mode('a/b/c'), mode('d/e')]).toEqual(['644', '755']);
  });

  test('removes the folders that it created, and no others, if it fails', async () => {
    fs.mkdirSync(at('a'));
    make('f');
    const wrong = [file('a/b/c'), file('d/e'), file('f/g')];
    expect((await rejectionOf(replaceFiles(wrong, { makeFolders: true }))).code).toBe('IO');
    expect(names()).toEqual(['a', 'f']);
  });
});
