import type { Config } from '../config/config.ts';
import type { Inspection, ValueState } from '../inspect/inspect.ts';
import { describeBinding } from '../jwe/binding.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import type { KeyFile } from '../keys/key-file.ts';
import { standingsIn } from '../keys/key-status.ts';
import { printable } from '../text.ts';
import type { IO } from './io.ts';
import { type Colour, paint, say } from './print.ts';
import { type Column, tableOf } from './table.ts';

/** What was found: values of manifests, and keys that were given as files. */
export interface Found {
  readonly values: readonly Inspection[];
  readonly keys: readonly (KeyFile & { readonly path: string })[];
}

/** From kid to the name that the configuration gives it. */
export type KeyNames = ReadonlyMap<string, string>;

export async function keyNames(config: Config | undefined): Promise<KeyNames> {
  if (config === undefined) return new Map();
  const { kids, of } = await standingsIn(config);
  return new Map(kids.map((kid) => [kid, of(kid).names[0] ?? '']));
}

const colours: Record<ValueState, Colour> = {
  sealed: 'green',
  unbound: 'yellow',
  misplaced: 'red',
  damaged: 'red',
  plaintext: 'red',
};

const place: readonly Column<Inspection>[] = [
  { title: 'FILE', cell: ({ path, line }) => `${path}:${line}` },
  { title: 'SECRET', cell: ({ secret }) => secret },
  { title: 'DATA KEY', cell: ({ key }) => key ?? '' },
];

/** What `kseal inspect` prints: a line a key file, then a table of the values. */
export function printedInspection(
  io: IO,
  { values, keys }: Found,
  names: KeyNames,
  json: boolean,
): string {
  if (json)
    return asJson({ values: values.map((value) => named(value, names)), keys: keys.map(keyFacts) });
  const lines = keys.map(
    ({ path, kind, form, bits, kid }) =>
      `${printable(path)}: ${kind} key, ${form}, RSA-${bits}, ${describeKid(kid)}\n`,
  );
  if (values.length === 0 && keys.length === 0) say(io, 'note', 'no Secret found');
  const columns: readonly Column<Inspection>[] = [
    ...place,
    {
      title: 'STATE',
      cell: ({ state }) => state,
      paint: ({ state }, padded) => paint(io, io.stdout, colours[state], padded),
    },
    { title: 'OPENS IN', cell: opensIn },
    { title: 'OCTETS', cell: ({ plaintextOctets: size }) => size?.join(' to ') ?? '' },
    { title: 'BITS', cell: ({ keyBits }) => String(keyBits ?? '') },
    { title: 'NAME', cell: ({ kid }) => names.get(kid ?? '') ?? '' },
    { title: 'KEY', cell: ({ keyBits, kid }) => (keyBits ? (kid ?? UNNAMED) : '') },
  ];
  return lines.join('') + (values.length > 0 ? tableOf(values, columns) : '');
}

/**
 * What `kseal inspect --by-key` prints: for each key what needs it, and so what its loss would
 * cost. A configured key to which nothing is sealed is listed, too.
 */
export function byKey(_io: IO, { values }: Found, names: KeyNames, json: boolean): string {
  const groups = new Map<string, Inspection[]>([...names.keys()].map((kid) => [kid, []]));
  for (const value of values.filter(({ keyBits }) => keyBits !== undefined)) {
    const kid = value.kid ?? UNNAMED;
    const group = groups.get(kid);
    if (group === undefined) groups.set(kid, [value]);
    else group.push(value);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  if (json) {
    return asJson({
      keys: sorted.map(([kid, group]) => ({
        kid: kid === UNNAMED ? null : kid,
        name: names.get(kid) ?? null,
        values: group,
      })),
    });
  }
  if (sorted.length === 0) return 'no sealed value found\n';
  const blocks = sorted.map(([kid, group]) => {
    const name = names.get(kid);
    const count = `${group.length} ${group.length === 1 ? 'value' : 'values'}`;
    const table = group.length === 0 ? '' : tableOf(group, place).replace(/^(?=.)/gm, '  ');
    return `${printable(kid)}${name ? ` (${name})` : ''}: ${count}\n${table}`;
  });
  return blocks.join('\n');
}

const UNNAMED = '(not named)';

function named(value: Inspection, names: KeyNames) {
  return { ...value, keyName: names.get(value.kid ?? '') };
}

function keyFacts({ path, kind, form, bits, kid }: Found['keys'][number]) {
  return { path, kind, form, bits, kid, fingerprint: describeKid(kid) };
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function opensIn({ key, state, binding, reason }: Inspection): string {
  if (reason !== undefined) return reason;
  if (state === 'unbound') return 'wherever unbound values are accepted';
  if (binding === undefined) return '';
  const here = key !== undefined && state === 'sealed' && binding.scope === 'strict';
  return `${here ? 'here only' : describeBinding(binding)} (${binding.scope})`;
}
