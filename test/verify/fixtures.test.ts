import { describe, expect, test } from 'vitest';
import { rules } from '../../src/verify/rules/index.ts';
import { verifyText } from '../../src/verify/verify.ts';
import {
  allowancesOf,
  defaults,
  findingsIn,
  fixtureNames,
  openAllowance,
  readFixture,
} from './fixtures.ts';

const expected: Record<string, string[]> = JSON.parse(readFixture('expected.json').toString());
const allowedAt = await allowancesOf();

describe('dirty: what is found in each', () => {
  test.each(fixtureNames('dirty'))('%s', (name) => {
    expect(findingsIn(name, allowedAt(name))).toEqual(expected[name]);
  });

  test('the table names these files and no other', () => {
    expect(Object.keys(expected).sort()).toEqual(fixtureNames('dirty'));
  });

  test('every rule is broken somewhere', () => {
    const broken = Object.values(expected).flatMap((lines) =>
      lines.map((line) => line.split(' ')[2]),
    );
    expect([...new Set(broken)].sort()).toEqual(rules.map(({ id }) => id).sort());
  });

  test('no fault is told twice', () => {
    for (const [name, lines] of Object.entries(expected)) {
      expect(new Set(lines).size, name).toBe(lines.length);
      expect(lines, name).not.toEqual([]);
    }
  });
});

describe('clean', () => {
  test.each(fixtureNames('clean'))('%s', (name) => {
    expect(findingsIn(name, allowedAt(name))).toEqual([]);
  });
});

test('nothing quotes the value of a fixture', () => {
  for (const name of fixtureNames('dirty')) {
    const found = verifyText({ path: name, content: readFixture(name) }, allowedAt(name), defaults);
    expect(JSON.stringify(found), name).not.toMatch(/horse|battery|staple|Y29ycmVj/);
  }
});

test.each([
  ['clean/sops.yaml', ['SOPS 1:1']],
  ['dirty/plaintext-beside-sops.yaml', ['SOPS 1:1']],
  ['clean/sealed-secret.yaml', ['SealedSecret 1:1']],
  ['clean/external-secret.yaml', ['ExternalSecret 1:1']],
  ['clean/sealed.yaml', []],
])('%s: the documents of other tools are named', (name, tools) => {
  const { foreign } = verifyText(
    { path: name, content: readFixture(name) },
    openAllowance,
    defaults,
  );
  expect(
    foreign.map(({ tool, position: { line, column } }) => `${tool} ${line}:${column}`),
  ).toEqual(tools);
});

test.each([
  ['clean/sealed.yaml', [1, 2, 2]],
  ['clean/several.yaml', [2, 2, 2]],
  ['clean/suppressed.yaml', [1, 2, 0]],
  ['clean/no-values.yaml', [1, 0, 0]],
  ['clean/sops.yaml', [0, 0, 0]],
  ['dirty/plaintext-list-item.yaml', [1, 2, 1]],
  ['dirty/plaintext-not-base64.yaml', [1, 1, 0]],
  ['dirty/duplicate-in-both-fields.yaml', [1, 2, 2]],
])('%s: Secrets, values, sealed values', (name, counts) => {
  const found = verifyText({ path: name, content: readFixture(name) }, openAllowance, defaults);
  expect([found.secrets, found.values, found.sealed]).toEqual(counts);
});
