import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expected, KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import { fileError, isFile, readFile, statOf } from './read.ts';

interface WriteOptions {
  /** Overwrite an existing file; otherwise it is an error. */
  readonly force: boolean;
  /** Plaintext or a private key: mode 0600, whatever the file had before. */
  readonly confidential: boolean;
  /** As in `replaceFiles`. */
  readonly madeFrom?: Uint8Array | undefined;
  /** As in `replaceFiles`. */
  readonly makeFolders?: boolean | undefined;
}

/**
 * Writes a whole file or nothing, and follows links. A regular file is replaced in one step and
 * keeps its mode; a pipe or a device is written to. Throws OUTPUT_EXISTS or IO.
 */
export async function writeFile(
  path: string,
  shown: string,
  bytes: Uint8Array,
  { force, confidential, madeFrom, makeFolders = false }: WriteOptions,
): Promise<void> {
  if (!force) refuseExisting(path, shown);
  await replaceFiles([{ path, shown, bytes, confidential, madeFrom }], { makeFolders });
}

/** A file in a folder that is written. */
interface FolderFile {
  /** Its path in the folder. */
  readonly name: string;
  /** A string is written in UTF-8. */
  readonly bytes: Uint8Array | string;
  /** A private key: mode 0600, whatever the file had before. */
  readonly confidential?: boolean;
  /** Whether it is in place before the content of any other file is on the disk. */
  readonly early?: boolean;
}

interface Folder {
  /** The absolute path. */
  readonly path: string;
  /** The path in messages. */
  readonly shown: string;
  readonly files: readonly FolderFile[];
}

/**
 * Writes files into folders, all or none, and creates the folders if necessary. The files appear in
 * the order of the list. Without `force` an existing file is an error. Throws OUTPUT_EXISTS or IO.
 */
export async function writeFolders(folders: readonly Folder[], force: boolean): Promise<void> {
  const replacements = folders.flatMap((folder) =>
    folder.files.map(({ name, ...rest }) => ({
      path: join(folder.path, name),
      shown: join(folder.shown, name),
      ...rest,
    })),
  );
  if (!force) for (const { path, shown } of replacements) refuseExisting(path, shown);
  for (const { path, shown } of folders)
    if (statOf(path)?.isDirectory() === false)
      throw new KsealError('IO', 'is a file, not a folder', {
        thing: shown,
        hint: 'name a folder',
      });
  await replaceFiles(replacements, { makeFolders: true });
}

interface Replacement extends Omit<FolderFile, 'name'> {
  /** The absolute path. */
  readonly path: string;
  /** The path in messages. */
  readonly shown: string;
  /** The content that `bytes` were made from. A file that has changed since then is kept. */
  readonly madeFrom?: Uint8Array | string | undefined;
  /** Whether no file may be there. */
  readonly isNew?: boolean;
  /** Whether a new file is a program. */
  readonly executable?: boolean;
}

/**
 * Writes all files beside their targets before it replaces the first target. Replaces none if any
 * target has changed since its replacement was made from it. With `makeFolders` it creates missing
 * folders, and removes them again if it fails. Calls `onWritten` after each file, with the number of
 * files left. Throws IO.
 */
export async function replaceFiles(
  replacements: readonly Replacement[],
  {
    makeFolders = false,
    onWritten = () => {},
  }: { makeFolders?: boolean; onWritten?: (left: number) => void } = {},
): Promise<void> {
  const made: string[] = [];
  try {
    if (makeFolders) for (const file of replacements) made.unshift(...folderMadeFor(file));
    await replaceAll(replacements, onWritten);
  } catch (error) {
    for (const { path, early } of replacements)
      if (early && made.includes(dirname(path))) fs.rmSync(path, { force: true });
    for (const folder of made) if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
    throw error;
  }
}

/** Creates the folder of a file and those above it; returns the missing ones, the deepest first. */
function folderMadeFor({ path, shown }: Replacement): readonly string[] {
  const folder = dirname(path);
  const first = wrapped(dirname(shown), () => fs.mkdirSync(folder, { recursive: true }));
  const made: string[] = [];
  for (let at = folder; first !== undefined && at.length >= first.length; at = dirname(at))
    made.push(at);
  return made;
}

async function replaceAll(
  replacements: readonly Replacement[],
  onWritten: (left: number) => void,
): Promise<void> {
  const early = replacements.filter((one) => one.early);
  const others = replacements.filter((one) => !one.early);
  for (const batch of [early, others].filter(({ length }) => length > 0))
    await withStaged(async (staged) => {
      await inLanes(batch, async (replacement, left) => {
        await stageInto(staged, replacement);
        onWritten(left());
      });
      for (const replacement of batch) refuseChanged(replacement);
      for (const { shown, commit } of staged) wrapped(shown, commit);
    });
}

/**
 * Replaces files independently of each other: each as soon as its content is on the disk, if it has
 * not changed since its replacement was made from it. Calls `onWritten` after each file, with the
 * number of files left. Returns, in order, the error of each file that stays as it is, or undefined.
 */
export async function replaceEach(
  replacements: readonly Replacement[],
  onWritten: (left: number) => void,
): Promise<readonly (KsealError | undefined)[]> {
  const errors = new Map<Replacement, KsealError>();
  await withStaged((staged) =>
    inLanes(replacements, async (replacement, left) => {
      try {
        const { shown, commit } = await stageInto(staged, replacement);
        refuseChanged(replacement);
        wrapped(shown, commit);
      } catch (error) {
        errors.set(replacement, expected(error));
      }
      onWritten(left());
    }),
  );
  return replacements.map((replacement) => errors.get(replacement));
}

/** Calls `action` with a list, and removes the temporary files in it whatever happens. */
async function withStaged(action: (staged: Staged[]) => Promise<void>): Promise<void> {
  const staged: Staged[] = [];
  const discard = () => {
    for (const { temporary } of staged)
      if (temporary !== undefined) fs.rmSync(temporary, { force: true });
  };
  // A signal may end the process while this waits for the disk.
  process.on('exit', discard);
  try {
    await action(staged);
  } finally {
    process.off('exit', discard);
    discard();
  }
}

/** The files that are flushed at the same time: a disk flushes several as fast as one. */
const PARALLEL = 8;

/** Calls `action` for several items at a time. An error in one lane ends the queue of all. */
async function inLanes<T>(
  items: readonly T[],
  action: (item: T, left: () => number) => Promise<void>,
): Promise<void> {
  let left = items.length;
  const queue = (function* () {
    yield* items;
  })();
  const lanes = Array.from({ length: PARALLEL }, async () => {
    for (const item of queue) await action(item, () => --left);
  });
  const failed = (await Promise.allSettled(lanes)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Writes and flushes the new content of a file, which is in `staged` before it is flushed. */
async function stageInto(staged: Staged[], replacement: Replacement): Promise<Staged> {
  const file = wrapped(replacement.shown, () => stage(replacement));
  staged.push(file);
  await flush(file);
  return file;
}

const fsync = promisify(fs.fsync);

async function flush({ shown, file }: Staged): Promise<void> {
  if (file === undefined) return;
  try {
    await fsync(file);
  } catch (error) {
    throw fileError(shown, 'write', error);
  } finally {
    fs.closeSync(file);
  }
}

function wrapped<T>(shown: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(shown, 'write', error);
  }
}

interface Staged {
  readonly shown: string;
  /** The new content; undefined if a pipe or a device is written to. */
  readonly temporary?: string;
  /** The open file, which is not flushed yet. */
  readonly file?: number;
  /** Puts the new content in place. */
  readonly commit: () => void;
}

/** Writes the new content beside the file, so that readers see the old or the new content. */
function stage({ path, shown, bytes, confidential = false, executable }: Replacement): Staged {
  if (isSpecial(path)) return { shown, commit: () => fs.writeFileSync(path, bytes) };
  const target = targetOf(path);
  const mode = fs.statSync(target, { throwIfNoEntry: false })?.mode;
  // A rename does not need write permission for the file that it replaces.
  if (mode !== undefined) fs.accessSync(target, fs.constants.W_OK);
  // If the name is taken, creating the file fails, and nothing is lost.
  const random = Math.random().toString(16).slice(2);
  const temporary = join(dirname(target), `.kseal-${process.pid}-${random}`);
  // 0600 until the end, because the content may be plaintext.
  const fresh = executable ? 0o777 : 0o666;
  const file = fs.openSync(temporary, 'wx', mode === undefined && !confidential ? fresh : 0o600);
  try {
    fs.writeFileSync(file, bytes);
    if (mode !== undefined && !confidential) fs.fchmodSync(file, mode & 0o7777);
  } catch (error) {
    fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  return { shown, temporary, file, commit: () => fs.renameSync(temporary, target) };
}

const leftover = /^\.kseal-(\d+)-[0-9a-f]+$/;

/**
 * Removes the temporary files that killed processes have left in folders. A folder that cannot be
 * changed keeps them.
 */
export function removeLeftovers(folders: Iterable<string>): void {
  for (const folder of folders) {
    try {
      for (const name of fs.readdirSync(folder)) {
        const [, pid] = leftover.exec(name) ?? [];
        if (pid !== undefined && !isRunning(Number(pid))) fs.rmSync(join(folder, name));
      }
    } catch {
      // Also if another process removes one at the same time.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * Throws IO if the content of a file is not what its replacement was made from. A person
 * or another process may have edited it meanwhile, for example during a prompt.
 */
function refuseChanged({ path, shown, madeFrom, isNew }: Replacement): void {
  if (isNew && statOf(path) !== undefined) throw changed(shown);
  if (madeFrom === undefined) return;
  if (statOf(path)?.isFile() === false) {
    throw new KsealError('IO', 'is not a regular file, so it cannot be changed in place', {
      thing: shown,
      hint: 'write the result to another file with -o',
    });
  }
  try {
    const before = Buffer.from(madeFrom as Uint8Array);
    if (readFile(path, shown, before.length).equals(before)) return;
  } catch {
    // It is gone, larger or unreadable.
  }
  throw changed(shown);
}

function changed(thing: string): KsealError {
  return new KsealError('IO', 'changed since it was read, so it is not overwritten', {
    thing,
    hint: 'run the command again',
  });
}

/** Whether `path` leads to a pipe or a device. Throws for a folder, as writing to it would. */
function isSpecial(path: string): boolean {
  const stats = statOf(path);
  if (stats?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  return stats?.isFile() === false;
}

/** The target of a path after all links, of which the last may dangle. */
function targetOf(path: string): string {
  try {
    return fs.realpathSync.native(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw error;
    if (!isLink(path)) return path;
    return targetOf(resolve(fs.realpathSync.native(dirname(path)), fs.readlinkSync(path)));
  }
}

function isLink(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/**
 * Throws IO if a file cannot be created at a path: a folder is there, or its parent is unsuitable.
 * With `makeFolders`, the folders that are missing will be created.
 */
export function checkWritable(path: string, shown: string, makeFolders = false): void {
  const stats = statOf(path);
  if (stats?.isDirectory()) {
    throw new KsealError('IO', 'is a folder, not a file', {
      thing: shown,
      hint: 'name a file in it',
    });
  }
  if (stats !== undefined || isLink(path)) return;
  let folder = dirname(path);
  while (makeFolders && statOf(folder) === undefined) folder = dirname(folder);
  if (statOf(folder)?.isDirectory() !== true) {
    throw new KsealError('IO', 'cannot write: no such folder', {
      thing: shown,
      hint: `mkdir -p ${shellWord(dirname(shown))}`,
    });
  }
  wrapped(shown, () => fs.accessSync(folder, fs.constants.W_OK));
}

/** Throws OUTPUT_EXISTS if a regular file is there; a pipe or a device may be written to. */
export function refuseExisting(path: string, shown: string): void {
  if (!isFile(path)) return;
  throw new KsealError('OUTPUT_EXISTS', 'already exists', {
    thing: shown,
    hint: 'add --force to overwrite it',
  });
}
