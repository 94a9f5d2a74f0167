import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Column, tableOf } from '../../src/cli/table.ts';
import { widthOf } from '../../src/text.ts';

interface Row {
  readonly name: string;
  readonly title?: string;
  readonly kid?: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'TITLE', cell: ({ title }) => title ?? '', prose: true },
  { title: 'KEY', cell: ({ kid }) => (kid ?? '').slice(0, 4), only: 'narrow' },
  { title: 'KID', cell: ({ kid }) => kid ?? '', only: 'wide' },
];
const rows = [
  { name: 'prod', title: 'the production key of HR', kid: 'abcdefgh' },
  { name: 'staging', kid: 'ijklmnop' },
];
const narrow = (width: number) => ({ wide: false, width });
const pipe = narrow(Number.POSITIVE_INFINITY);

describe('a table', () => {
  test('has one line for each row in a pipe', () => {
    expect(tableOf(rows, columns, pipe)).toBe(
      [
        'NAME     TITLE                     KEY',
        'prod     the production key of HR  abcd',
        'staging                            ijkl',
        '',
      ].join('\n'),
    );
  });

  test('has no column without cells', () => {
    const [, untitled] = rows;
    expect(tableOf(untitled ? [untitled] : [], columns, pipe)).toBe(
      'NAME     KEY\nstaging  ijkl\n',
    );
  });

  test('shows everything in full with -o wide, however narrow the terminal is', () => {
    expect(tableOf(rows, columns, { wide: true, width: 20 })).toBe(
      [
        'NAME     TITLE                     KID',
        'prod     the production key of HR  abcdefgh',
        'staging                            ijklmnop',
        '',
      ].join('\n'),
    );
  });

  test('omits spare columns to fit, the last one first', () => {
    const spare = ({ name }: Row): string => `${name}.pub`;
    const all: readonly Column<Row>[] = [
      ...columns,
      { title: 'FILE', cell: spare, spare: true },
      { title: 'SOURCE', cell: spare, spare: true },
    ];
    const titles = (width: number) => tableOf(rows, all, narrow(width)).split(/\n/)[0];
    expect(titles(66)).toBe('NAME     TITLE                     KEY   FILE         SOURCE');
    expect(titles(40)).toBe('NAME     TITLE         KEY   FILE');
    expect(titles(28)).toBe('NAME     TITLE          KEY');
    expect(tableOf(rows, all, narrow(20))).toContain('\nFILE    prod.pub\nSOURCE  prod.pub\n');
  });

  test('wraps prose to fit', () => {
    expect(tableOf(rows, columns, narrow(30))).toBe(
      [
        'NAME     TITLE            KEY',
        'prod     the production   abcd',
        '         key of HR',
        'staging                   ijkl',
        '',
      ].join('\n'),
    );
  });

  test('is a line for each cell if even wrapped prose does not fit', () => {
    expect(tableOf(rows, columns, narrow(20))).toBe(
      [
        'NAME   prod',
        'TITLE  the',
        '       production',
        '       key of HR',
        'KEY    abcd',
        '',
        'NAME   staging',
        'KEY    ijkl',
        '',
      ].join('\n'),
    );
  });

  test('aligns characters that take two columns or none', () => {
    const wide = [
      { name: '日本語', title: 'x' },
      { name: 'cafe\u0301', title: 'x' },
      { name: '🔑', title: 'x' },
    ];
    expect(tableOf(wide, columns, pipe)).toBe(
      ['NAME    TITLE', '日本語  x', 'cafe\u0301    x', '🔑      x', ''].join('\n'),
    );
  });

  test('colours a cell without changing the alignment', () => {
    const painted: readonly Column<Row>[] = [
      { title: 'NAME', cell: ({ name }) => name, paint: (_, text) => `<${text}>` },
      { title: 'KEY', cell: ({ kid }) => kid ?? '' },
    ];
    expect(tableOf(rows, painted, pipe)).toBe(
      'NAME     KEY\n<prod   >  abcdefgh\n<staging>  ijklmnop\n',
    );
  });

  const word = fc.string({
    minLength: 1,
    maxLength: 12,
    unit: fc.constantFrom('a', '日', 'é', '🔑'),
  });
  const anyRow = fc.record({
    name: word,
    title: fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
    kid: word,
  });

  test('fits whenever its longest words do, and loses none', () => {
    fc.assert(
      fc.property(
        fc.array(anyRow, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 40, max: 100 }),
        (any, width) => {
          const table = tableOf(any, columns, narrow(width));
          for (const line of table.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width);
          for (const text of any.flatMap(({ name, title }) => [name, ...title.split(' ')]))
            expect(table).toContain(text);
        },
      ),
    );
  });
});
