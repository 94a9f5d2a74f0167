import type { Inspection, ValueState } from '../inspect.ts';
import { describeBinding } from '../jwe/binding.ts';
import type { IO } from './io.ts';
import { type Colour, paint } from './print.ts';
import { type Column, tableOf } from './table.ts';

const colours: Record<ValueState, Colour> = {
  sealed: 'green',
  unbound: 'yellow',
  misplaced: 'red',
  damaged: 'red',
  plaintext: 'red',
};

/** The table that `kseal inspect` prints. */
export function inspectionTable(io: IO, values: readonly Inspection[]): string {
  const columns: readonly Column<Inspection>[] = [
    { title: 'FILE', cell: ({ path, line }) => `${path}:${line}` },
    { title: 'SECRET', cell: ({ secret }) => secret },
    { title: 'DATA KEY', cell: ({ key }) => key ?? '' },
    {
      title: 'STATE',
      cell: ({ state }) => state,
      paint: ({ state }, padded) => paint(io, io.stdout, colours[state], padded),
    },
    { title: 'OPENS IN', cell: opensIn },
    { title: 'OCTETS', cell: ({ plaintextOctets: size }) => size?.join(' to ') ?? '' },
    {
      title: 'KEY',
      cell: ({ keyBits, kid }) => (keyBits ? `RSA-${keyBits} ${kid ?? '(not named)'}` : ''),
    },
  ];
  return tableOf(values, columns);
}

function opensIn({ key, state, binding, reason }: Inspection): string {
  if (reason !== undefined) return reason;
  if (state === 'unbound') return 'wherever unbound values are accepted';
  if (binding === undefined) return '';
  const here = key !== undefined && state === 'sealed' && binding.scope === 'strict';
  return `${here ? 'here only' : describeBinding(binding)} (${binding.scope})`;
}
