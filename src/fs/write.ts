import * as fs from 'node:fs';
import { mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import { fileError, isFile, statOf } from './read.ts';

interface WriteOptions {
  /** Overwrite what is there; without it an existing file is an error. */
  readonly force: boolean;
  /** The bytes are plaintext or a private key: 0600, whatever was there. */
  readonly confidential: boolean;
}

/**
 * Writes a whole file or nothing, following links. A regular file is replaced in one step and
 * keeps its mode; a pipe or a device is written to. Throws OUTPUT_EXISTS or IO.
 */
export function writeFile(
  path: string,
  shown: string,
  bytes: Uint8Array,
  { force, confidential }: WriteOptions,
): void {
  if (!force) refuseExisting(path, shown);
  replaceFiles([{ path, shown, bytes, confidential }]);
}

/** A file to replace: its absolute path, how messages call it, and its new content. */
interface Replacement {
  readonly path: string;
  readonly shown: string;
  readonly bytes: Uint8Array;
  /** Plaintext or a private key: 0600, whatever was there. */
  readonly confidential?: boolean;
}

/** Replaces all of the files or, as long as nothing pulls the plug in between, none. Throws IO. */
export function replaceFiles(replacements: readonly Replacement[]): void {
  const staged: Staged[] = [];
  try {
    for (const replacement of replacements) {
      staged.push(wrapped(replacement.shown, () => stage(replacement)));
    }
    for (const { shown, commit } of staged) wrapped(shown, commit);
  } finally {
    for (const { temporary } of staged) if (temporary !== undefined) removeFile(temporary);
  }
}

function wrapped<T>(shown: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(shown, 'write', error);
  }
}

/** Throws IO where a file could not be made: at a folder, or in one that is missing or closed. */
export function checkWritable(path: string, shown: string): void {
  const stats = statOf(path);
  const folder = dirname(path);
  if (stats?.isDirectory()) {
    throw new KsealError('IO', `${shown}: is a folder, not a file`, { hint: 'name a file in it' });
  }
  if (stats === undefined && !isLink(path) && statOf(folder)?.isDirectory() !== true) {
    throw new KsealError('IO', `${shown}: cannot write: there is no such folder`, {
      hint: `mkdir -p ${shellWord(dirname(shown))}`,
    });
  }
  if (stats === undefined && !isLink(path))
    wrapped(shown, () => fs.accessSync(folder, fs.constants.W_OK));
}

/** Throws OUTPUT_EXISTS where a regular file is; a pipe or a device may be written to. */
export function refuseExisting(path: string, shown: string): void {
  if (!isFile(path)) return;
  throw new KsealError('OUTPUT_EXISTS', `${shown}: exists already`, {
    hint: 'add --force to overwrite it',
  });
}

/** The path behind any links, also where the last one leads to a file still to be made. */
function targetOf(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw error;
    const link = isLink(path) ? fs.readlinkSync(path) : undefined;
    return link === undefined ? path : targetOf(resolve(fs.realpathSync(dirname(path)), link));
  }
}

function isLink(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

interface Staged {
  readonly shown: string;
  readonly temporary: string | undefined;
  /** Puts the new content into its place. */
  readonly commit: () => void;
}

/** Writes the new content beside the file: a reader sees the old or the new, at every moment. */
function stage({ path, shown, bytes, confidential = false }: Replacement): Staged {
  if (isSpecial(path)) {
    return { shown, temporary: undefined, commit: () => fs.writeFileSync(path, bytes) };
  }
  const target = targetOf(path);
  const mode = fs.statSync(target, { throwIfNoEntry: false })?.mode;
  // Renaming over a file asks no leave of the file itself, so this does.
  if (mode !== undefined) fs.accessSync(target, fs.constants.W_OK);
  const temporary = siblingOf(target);
  // What stands in it may be plaintext: others see it no sooner than under its own name.
  createWhole(temporary, bytes, mode === undefined && !confidential ? 0o666 : 0o600);
  if (mode !== undefined && !confidential) fs.chmodSync(temporary, mode & 0o7777);
  return { shown, temporary, commit: () => fs.renameSync(temporary, target) };
}

/** Whether `path` leads to a pipe or a device. Throws for a folder, as writing to it would. */
function isSpecial(path: string): boolean {
  const stats = statOf(path);
  if (stats?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  return stats?.isFile() === false;
}

/** A short name that is unlikely to be taken; if it is, creating it fails and nothing is lost. */
function siblingOf(target: string): string {
  return join(dirname(target), `.kseal-${Math.random().toString(16).slice(2)}`);
}

/** Creates a file that must not exist yet; if it cannot be written whole, it is removed. */
function createWhole(path: string, bytes: Uint8Array, mode: number): void {
  const file = fs.openSync(path, 'wx', mode);
  try {
    fs.writeFileSync(file, bytes);
    fs.fsyncSync(file);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw error;
  } finally {
    fs.closeSync(file);
  }
}

/** Removes a file that may not be there. */
export function removeFile(path: string): void {
  fs.rmSync(path, { force: true });
}

/** A file of a folder that is written. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** A private key: 0600, whatever was there. */
  readonly confidential?: boolean;
}

/**
 * Writes files into a folder, which is made if there is none: all of them or none. Without
 * `force` an existing file is an error. Throws OUTPUT_EXISTS or IO.
 */
export function writeFolder(
  folder: string,
  shown: string,
  files: readonly FolderFile[],
  force: boolean,
): void {
  const replacements = files.map(({ name, ...rest }) => ({
    path: join(folder, name),
    shown: join(shown, name),
    ...rest,
  }));
  if (!force) for (const { path, shown } of replacements) refuseExisting(path, shown);
  const made = makeFolder(folder, shown);
  try {
    replaceFiles(replacements);
  } catch (error) {
    if (made !== undefined) removeFolders(folder, made);
    throw error;
  }
}

/** Returns the uppermost folder that had to be made. */
function makeFolder(folder: string, shown: string): string | undefined {
  if (statOf(folder)?.isDirectory() === false) {
    throw new KsealError('IO', `${shown}: is a file, not a folder`, { hint: 'name a folder' });
  }
  try {
    return mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw fileError(shown, 'write', error);
  }
}

/** Removes `folder` and those above it up to `first`, all of them empty. */
function removeFolders(folder: string, first: string): void {
  for (let at = folder; at.length >= first.length; at = dirname(at)) rmdirSync(at);
}
