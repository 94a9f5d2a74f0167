import { describe, expect, test } from 'vitest';
import { rules } from '../../src/verify/rules/index.ts';
import { verifyText } from '../../src/verify/verify.ts';
import {
  defaults,
  findingsIn,
  fixtureNames,
  openPolicy,
  policiesOf,
  readFixture,
} from './fixtures.ts';

const expected: Record<string, string[]> = JSON.parse(readFixture('expected.json').toString());
const policyAt = await policiesOf();

describe('verify reports the expected findings in', () => {
  test.each(fixtureNames('dirty'))('%s', (name) => {
    expect(findingsIn(name, policyAt(name))).toEqual(expected[name]);
  });
});

describe('verify reports nothing in', () => {
  test.each(fixtureNames('clean'))('%s', (name) => {
    expect(findingsIn(name, policyAt(name))).toEqual([]);
  });
});

test('expected.json lists findings for each dirty fixture, and none twice', () => {
  expect(Object.keys(expected).sort()).toEqual(fixtureNames('dirty'));
  for (const [name, lines] of Object.entries(expected)) {
    expect(new Set(lines).size, name).toBe(lines.length);
    expect(lines, name).not.toEqual([]);
  }
});

test('every rule has a dirty fixture', () => {
  const broken = Object.values(expected).flatMap((lines) =>
    lines.map((line) => line.split(' ')[2]),
  );
  expect([...new Set(broken)].sort()).toEqual(rules.map(({ id }) => id).sort());
});

test('no finding quotes the value of a fixture', () => {
  for (const name of fixtureNames('dirty')) {
    const found = verifyText({ path: name, content: readFixture(name) }, policyAt(name), defaults);
    expect(JSON.stringify(found), name).not.toMatch(/horse|battery|staple|Y29ycmVj/);
  }
});

test.each([
  ['clean/sops.yaml', ['SOPS 1:1']],
  ['dirty/plaintext-beside-sops.yaml', ['SOPS 1:1']],
  ['clean/sealed-secret.yaml', ['SealedSecret 1:1']],
  ['clean/external-secret.yaml', ['ExternalSecret 1:1']],
  ['clean/sealed.yaml', []],
])('the documents of other tools in %s are %j', (name, tools) => {
  const { foreign } = verifyText({ path: name, content: readFixture(name) }, openPolicy, defaults);
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
])('the numbers of Secrets, values and sealed values in %s are %j', (name, counts) => {
  const found = verifyText({ path: name, content: readFixture(name) }, openPolicy, defaults);
  expect([found.secrets, found.values, found.sealed]).toEqual(counts);
});
