import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { KsealError } from '../errors.ts';
import { gitEnv, type LocalGit } from './ask.ts';
import type { GitFile } from './objects.ts';

/** What a file holds; undefined for one that is larger than the limit. */
export interface GitContent {
  readonly file: GitFile;
  readonly octets: Buffer | undefined;
}

/** Reads files one after the other, through one process of git, and holds no more than one. */
export async function* contentsOf(
  git: LocalGit,
  files: readonly GitFile[],
  limit: number,
): AsyncGenerator<GitContent> {
  if (files.length === 0) return;
  const child = spawn('git', ['cat-file', '--batch'], {
    cwd: git.folder,
    env: gitEnv(git),
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  // Where git cannot be started or ends early, its output ends early too, and that is noticed.
  for (const source of [child, child.stdin]) source.on('error', () => {});
  try {
    child.stdin.end(files.map(({ blob }) => `${blob}\n`).join(''));
    const output = new Output(child.stdout);
    for (const file of files) {
      // `HASH blob SIZE`, or `HASH missing`.
      const [, kind, size] = (await output.line()).split(' ');
      if (kind !== 'blob') throw lost(file.path);
      yield { file, octets: await output.take(Number(size), limit) };
      await output.take(1, 1);
    }
  } finally {
    // A reader that stops early leaves a git that waits for ever.
    child.kill();
  }
}

function lost(path: string): KsealError {
  return new KsealError('IO', 'git does not have its content', {
    thing: path,
    hint: 'solve its conflict, if it is in one; else git fsck, in a partial clone: git fetch --refetch --no-filter',
  });
}

/** A stream, to be read in pieces of known length. */
class Output {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const parts: Buffer[] = [];
    let end = this.#rest.indexOf('\n');
    for (; end < 0; end = this.#rest.indexOf('\n')) {
      parts.push(this.#rest);
      await this.#more();
    }
    parts.push(this.#rest.subarray(0, end));
    this.#rest = this.#rest.subarray(end + 1);
    return Buffer.concat(parts).toString('latin1');
  }

  /** The next octets; undefined, but taken all the same, if they are more than `limit`. */
  async take(length: number, limit: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > this.#rest.length) {
      missing -= this.#rest.length;
      if (length <= limit) parts.push(this.#rest);
      await this.#more();
    }
    parts.push(this.#rest.subarray(0, missing));
    this.#rest = this.#rest.subarray(missing);
    return length <= limit ? Buffer.concat(parts) : undefined;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done)
      throw new KsealError('IO', 'git ended before it had given every file', { hint: 'git fsck' });
    this.#rest = value;
  }
}
