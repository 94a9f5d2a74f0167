import { type Command, Help } from 'commander';
import { commandLines, type Entry, nameOf, type Page, pageOf } from './help.ts';
import { type IO, version } from './io.ts';
import { wholeProgram } from './program.ts';

// Not part of the program: build.config.mjs runs it, and writes the pages to dist/man/.

/** The man page of each command in roff, by file name, such as `kseal-webhook-serve.1`. */
export async function manPages(io: IO): Promise<ReadonlyMap<string, string>> {
  const program = await wholeProgram(io);
  return new Map(withChildren(program).map((command) => [`${fileOf(command)}.1`, roffOf(command)]));
}

function withChildren(command: Command): Command[] {
  return [command, ...new Help().visibleCommands(command).flatMap(withChildren)];
}

const fileOf = (command: Command) => nameOf(command).replaceAll(' ', '-');

function roffOf(command: Command): string {
  const page = pageOf(command);
  const related = [...(command.parent ? [command.parent] : []), ...withChildren(command).slice(1)];
  const references = related.map((other) => `${bold(fileOf(other))}(1)`);
  const guide = page.guide && `${escaped(page.guide)} in the repository of kseal`;
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['NAME', [`${escaped(fileOf(command))} \\- ${escaped(page.summary)}`]],
    ['SYNOPSIS', page.usage.flatMap(([line]) => ['.PP', `${bold(page.name)} ${escaped(line)}`])],
    ['DESCRIPTION', [escaped(page.about || page.summary)]],
    ['COMMANDS', page.commands.flatMap(listed)],
    ['OPTIONS', page.options.flatMap(listed)],
    ['EXAMPLES', page.examples.flatMap(exampleOf)],
    ['EXIT STATUS', page.exits.flatMap(tagged)],
    ['ENVIRONMENT', page.variables.flatMap(tagged)],
    ['SEE ALSO', [[...references, guide].filter(Boolean).join(', ')]],
  ];
  const shown = sections.filter(([, lines]) => lines.length > 0);
  return [
    `.TH "${escaped(fileOf(command).toUpperCase())}" 1 "" "kseal ${version}" "kseal manual"`,
    // Neither hyphenated nor justified: both damage names of options.
    ...['.nh', '.ad l'],
    ...shown.flatMap(([title, lines]) => [`.SH ${title}`, ...lines]),
    '',
  ].join('\n');
}

function listed({ title, entries }: Page['options'][number]): string[] {
  return [`.SS ${escaped(title)}`, ...entries.flatMap(tagged)];
}

/** A term and, indented below it, its explanation. */
function tagged([term, text]: Entry): string[] {
  return ['.TP', termOf(term), escaped(text)];
}

/** Options are bold and their arguments italic: `-o, --output <file>`. */
function termOf(term: string): string {
  const parts = term.split(/(<[^>]*>)/);
  return parts
    .map((part) => {
      const [, name] = /^<(.*)>$/.exec(part) ?? [];
      return name === undefined ? bold(part) : `\\fI${escaped(name)}\\fR`;
    })
    .join('');
}

/** In a terminal of 80 columns, with the margins of man. */
const EXAMPLE_WIDTH = 69;

function exampleOf([command, note]: Entry): string[] {
  const title = note.replace(/^./, (letter) => letter.toUpperCase());
  const lines = commandLines(command, EXAMPLE_WIDTH).map(bold);
  return ['.PP', `${escaped(title)}:`, '.PP', '.RS 4', '.nf', ...lines, '.fi', '.RE'];
}

const bold = (text: string) => (text === '' ? '' : `\\fB${escaped(text)}\\fR`);

const characters: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
  '"': '\\(dq',
};

/** One line of text, in which roff finds no commands. Other characters than ASCII are escaped. */
function escaped(text: string): string {
  return text
    .replace(/[\\'`^~"-]/g, (character) => characters[character] ?? '')
    .replace(/^\./, '\\&.')
    .replace(/[^\x20-\x7e]/gu, (character) => {
      const code = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
      return `\\[u${code}]`;
    });
}
