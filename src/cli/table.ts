import { printable } from '../text.ts';

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Colours a cell that has been padded already. */
  readonly paint?: (row: T, padded: string) => string;
}

/** A table for people. A column that is empty throughout is left out. */
export function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const shown = columns
    .map((column) => ({ ...column, cells: rows.map((row) => printable(column.cell(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({
      ...column,
      width: column.cells.reduce(
        (width, { length }) => Math.max(width, length),
        column.title.length,
      ),
    }));
  const lines = rows.map((row, index) =>
    shown.map(({ cells, width, paint = (_, padded) => padded }) =>
      paint(row, (cells[index] ?? '').padEnd(width)),
    ),
  );
  return [shown.map(({ title, width }) => title.padEnd(width)), ...lines]
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('');
}
