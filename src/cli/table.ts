import { type Command, Option } from 'commander';
import { padded, printable, widthOf, wrapped } from '../text.ts';
import { type IO, widthOn } from './io.ts';

/** The option of every command that prints a table. */
export interface TableFlags {
  readonly output?: 'wide';
}

/** Adds `-o wide`. */
export function addTableOption(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <form>', 'show all columns, and fingerprints in full').choices([
      'wide',
    ]),
  );
}

/** The form of a table. */
export interface TableForm {
  /** Whether everything is shown in full, however wide the table is. */
  readonly wide: boolean;
  /** The columns that a table that is not wide may take. */
  readonly width: number;
}

/** Returns the form that the options and the width of stdout require. */
export function tableForm(io: IO, { output }: TableFlags): TableForm {
  return { wide: output === 'wide', width: widthOn(io.stdout) };
}

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Colours a cell that is already padded. */
  readonly paint?: (row: T, padded: string) => string;
  /** The only form of the table that has this column. */
  readonly only?: 'wide' | 'narrow';
  /** The cells are prose, which may be wrapped. */
  readonly prose?: true;
  /** May be omitted so that the others fit; the last one first. */
  readonly spare?: true;
}

/** A column with its cells, as shown. */
interface Shown<T> extends Column<T> {
  readonly cells: readonly string[];
  readonly width: number;
}

const GAP = '  ';

/**
 * A table for people, without empty columns. To fit, it wraps prose, then omits spare columns, or
 * else prints a line for each cell, like `\x` in psql; nothing is cut off.
 */
export function tableOf<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { wide, width }: TableForm,
): string {
  const shown = columns
    .filter(({ only }) => only !== (wide ? 'narrow' : 'wide'))
    .map((column): Shown<T> => {
      const cells = rows.map((row) => printable(column.cell(row)));
      return { ...column, cells, width: widest([column.title, ...cells]) };
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  const fitting = wide ? shown : fitted(shown, width);
  return fitting === undefined ? records(rows, shown, width) : gridOf(rows, fitting);
}

function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, widthOf(text)), 0);
}

/** The columns with narrower prose, or without spare ones; undefined if even these do not fit. */
function fitted<T>(columns: readonly Shown<T>[], width: number): readonly Shown<T>[] | undefined {
  const total = columns.reduce((sum, column) => sum + column.width + GAP.length, -GAP.length);
  let excess = total - width;
  const narrowed = columns.map((column) => {
    if (excess <= 0 || !column.prose) return column;
    const least = widest([column.title, ...column.cells.flatMap((cell) => cell.split(' '))]);
    const narrow = Math.max(column.width - excess, least);
    excess -= column.width - narrow;
    return { ...column, width: narrow };
  });
  if (excess <= 0) return narrowed;
  const spare = columns.findLastIndex((column) => column.spare);
  return spare < 0 ? undefined : fitted(columns.toSpliced(spare, 1), width);
}

function gridOf<T>(rows: readonly T[], columns: readonly Shown<T>[]): string {
  const titles = columns.map(({ title, width }) => padded(title, width));
  const lines = rows.flatMap((row, index) => {
    const cells = columns.map(({ cells, width }) => wrapped(cells[index] ?? '', width));
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) =>
      columns.map(({ width, paint = (_, text) => text }, at) => {
        const text = cells[at]?.[line] ?? '';
        return text === '' ? padded('', width) : paint(row, padded(text, width));
      }),
    );
  });
  return [titles, ...lines].map((cells) => `${cells.join(GAP).trimEnd()}\n`).join('');
}

function records<T>(rows: readonly T[], columns: readonly Shown<T>[], width: number): string {
  const titles = widest(columns.map(({ title }) => title));
  const blocks = rows.map((row, index) =>
    columns.flatMap(({ title, cells, prose, paint = (_, text) => text }) => {
      const cell = cells[index] ?? '';
      if (cell === '') return [];
      const lines = prose ? wrapped(cell, width - titles - GAP.length) : [cell];
      return lines.map(
        (line, at) => `${padded(at === 0 ? title : '', titles)}${GAP}${paint(row, line)}\n`,
      );
    }),
  );
  return blocks.map((lines) => lines.join('')).join('\n');
}
