import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';

export interface SourceFile {
  /** Its path below src/, with `/`. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  /** Files below src/, package names and `node:` modules. */
  readonly imports: readonly string[];
}

const SPECIFIER =
  /\b(?:import|export)\b(?:[^'";()]*?\bfrom)?\s*(['"])([^'"\n]+)\1|\bimport\s*\(\s*(['"`])([^'"`\n]+)\3/g;

/** What a source text imports, re-exports or loads: values, types and `import()` alike. */
export function importsOf(code: string): string[] {
  return [...code.matchAll(SPECIFIER)].map((match) => match[2] ?? match[4] ?? '');
}

/** The text without comments. A `//` within a string stays: nothing but a blank or a line's begin stands before a comment. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

/** Every file below src/. */
export function sourceFiles(folder: string): SourceFile[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return names.sort().map((name) => {
    const path = name.replaceAll(sep, '/');
    const text = readFileSync(join(folder, name), 'utf8');
    const code = withoutComments(text);
    return { path, text, code, imports: importsOf(code).map((from) => targetOf(path, from)) };
  });
}

/** `../errors.ts` in `jwe/json.ts` is `errors.ts`; `jose/util` is `jose`. */
function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  if (specifier.startsWith('node:')) return specifier;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
