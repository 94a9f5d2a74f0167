import type { Inspection, ValueState } from '../inspect.ts';
import { describeBinding } from '../jwe/binding.ts';
import type { IO } from './io.ts';
import { type Colour, paint, printable } from './print.ts';

interface Column {
  readonly title: string;
  readonly cell: (value: Inspection) => string;
}

const columns: readonly Column[] = [
  { title: 'FILE', cell: ({ path, line }) => `${path}:${line}` },
  { title: 'SECRET', cell: ({ secret }) => secret },
  { title: 'DATA KEY', cell: ({ key }) => key ?? '' },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'OPENS IN', cell: opensIn },
  { title: 'OCTETS', cell: ({ plaintextOctets: size }) => size?.join(' to ') ?? '' },
  {
    title: 'KEY',
    cell: ({ keyBits, kid }) => (keyBits ? `RSA-${keyBits} ${kid ?? '(not named)'}` : ''),
  },
];

const colours: Record<ValueState, Colour> = {
  sealed: 'green',
  unbound: 'yellow',
  misplaced: 'red',
  damaged: 'red',
  plaintext: 'red',
};

/** A table of values for people; a column that is empty throughout is left out. */
export function tableOf(io: IO, values: readonly Inspection[]): string {
  const shown = columns
    .map(({ title, cell }) => ({ title, cells: values.map((value) => printable(cell(value))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map(({ title, cells }) => ({
      title,
      cells,
      width: Math.max(title.length, ...cells.map((cell) => cell.length)),
    }));
  const lines = values.map(({ state }, row) =>
    shown.map(({ title, cells, width }) => {
      const cell = (cells[row] ?? '').padEnd(width);
      return title === 'STATE' ? paint(io, io.stdout, colours[state], cell) : cell;
    }),
  );
  return [shown.map(({ title, width }) => title.padEnd(width)), ...lines]
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('');
}

function opensIn({ state, binding, reason }: Inspection): string {
  if (reason !== undefined) return reason;
  if (state === 'unbound') return 'wherever unbound values are accepted';
  if (binding === undefined) return '';
  const place =
    state === 'sealed' && binding.scope === 'strict' ? 'here only' : describeBinding(binding);
  return `${place} (${binding.scope})`;
}
