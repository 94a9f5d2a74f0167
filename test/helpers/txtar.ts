/** A line of a script, split into words. */
export interface ScriptLine {
  readonly number: number;
  readonly text: string;
  readonly words: readonly string[];
}

export interface ScriptText {
  readonly lines: readonly ScriptLine[];
  /** The inline files by name. */
  readonly files: ReadonlyMap<string, Buffer>;
}

const MARKER = /^-- (\S+)(?: (bare|base64))? --$/;

/**
 * Parses a script in the format of Go's testscript (txtar): commands, then files. A file begins at
 * `-- name --` and ends at the next marker. `-- name bare --` omits the last line break, and
 * `-- name base64 --` has bytes in base64.
 */
export function parseTxtar(text: string): ScriptText {
  // With the line break the script may begin with a file, and its first line is number 1.
  const [head = '', ...sections] = `\n${text}`.split(/^(?=-- \S+(?: \S+)? --$)/m);
  const files = new Map<string, Buffer>();
  for (const section of sections) {
    const end = section.indexOf('\n');
    const marker = MARKER.exec(end < 0 ? section : section.slice(0, end));
    if (marker === null) throw new Error(`not a file marker: ${section.slice(0, end)}`);
    const [, name = '', form] = marker;
    if (files.has(name)) throw new Error(`duplicate file ${name}`);
    files.set(name, contentOf(end < 0 ? '' : section.slice(end + 1), form));
  }
  return { lines: head.split('\n').flatMap(readLine), files };
}

function contentOf(text: string, form: string | undefined): Buffer {
  if (form === 'base64') return Buffer.from(text, 'base64');
  return Buffer.from(form === 'bare' ? text.replace(/\n$/, '') : text);
}

function readLine(text: string, index: number): ScriptLine[] {
  const words = splitWords(text);
  return words.length === 0 ? [] : [{ number: index, text: text.trim(), words }];
}

/** Splits a line into words as a shell does, with single quotes and comments. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let rest = line.trimStart();
  while (rest !== '' && !rest.startsWith('#')) {
    const [word = ''] = /^(?:'[^']*'|[^\s'])+/.exec(rest) ?? [];
    const after = rest.slice(word.length);
    if (word === '' || /^'/.test(after)) throw new Error(`a quote is not closed: ${line}`);
    words.push(word.replaceAll("'", ''));
    rest = after.trimStart();
  }
  return words;
}
