import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';

export interface SourceFile {
  /** The path below src/, with `/`. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  /** Files below src/, package names and `node:` modules. */
  readonly imports: readonly string[];
}

const SPECIFIER =
  /\b(?:import|export)\b(?:[^'";()]*?\bfrom)?\s*(['"])([^'"\n]+)\1|\bimport\s*\(\s*(['"`])([^'"`\n]+)\3/g;

/** The modules that a text imports, re-exports or loads: values, types and `import()`. */
export function importsOf(code: string): string[] {
  return [...code.matchAll(SPECIFIER)].map((match) => match[2] ?? match[4] ?? '');
}

/** The text without comments. `//` in a string is kept unless it follows white space. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

/** All files below src/. */
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
export function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  if (specifier.startsWith('node:')) return specifier;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
