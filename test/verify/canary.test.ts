import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rules } from '../../src/verify/rules/index.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { leaksOf } from '../helpers/canary.ts';
import { allowancesOf, defaults, fixtureNames, readFixture } from './fixtures.ts';
import { base64, manifest, sealedValue, withValue } from './values.ts';

const allowedAt = await allowancesOf();

function verify(text: string | Buffer, path = 'db.yaml') {
  return verifyText({ path, content: Buffer.from(text) }, allowedAt(path), defaults);
}

/** Wherever a plaintext may turn up, by mistake or by bad indentation; not in what names a Secret. */
const positions: Record<string, (canary: string) => string> = {
  'a value of stringData': (c) => manifest(`stringData:\n  a: ${c}`),
  'a value of data': (c) => manifest(`data:\n  a: ${base64(c)}`),
  'a value of data, not encoded': (c) => manifest(`data:\n  a: ${c}`),
  'a block scalar': (c) => manifest(`stringData:\n  a: |\n    ${c}\n    # kseal-ignore ${c}: ${c}`),
  'a value that is no string': (c) => manifest(`stringData:\n  a: [${c}]\n  b: { ${c}: ${c} }`),
  'a value with an anchor': (c) => manifest(`stringData:\n  a: &${c} ${c}\n  b: *${c}`),
  'a value with a tag': (c) => manifest(`stringData:\n  a: !${c} ${c}`),
  'an alias without an anchor': (c) => manifest(`stringData:\n  a: *${c}`),
  'a line without a key': (c) => manifest(`stringData:\n  ${c}`),
  'a flow mapping without a value': (c) => manifest(`stringData: { ${c} }`),
  'an illegal data key': (c) => manifest(`stringData:\n  "${c} ${c}": x`),
  'the place of a mapping': (c) => manifest(`stringData: ${c}\ndata: ${c}`),
  'a field of the Secret': (c) => manifest(`${c}: ${c}\npassword: ${c}\nData: { a: ${c} }`),
  'a field of its metadata': (c) =>
    manifest('', `{ name: db, namespace: hr, ${c}: ${c}, data: ${c} }`),
  'an annotation': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"${c}"}}' } }`,
    ),
  'an annotation that is no JSON': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: ${c} } }`,
    ),
  'a comment': (c) => manifest(`# ${c}\n# kseal-ignore ${c}\n# kseal-ignore ${c}, ${c}: r`),
  'a broken text': (c) => manifest(`stringData:\n  a: "${c}\n  b: ${c}: ${c}\n ${c}`),
  'a template': (c) => manifest(`stringData:\n  a: {{ ${c} }}\n  b: "{{ ${c} }}"\n  c: {{ ${c}`),
  'a document that is no Secret': (c) =>
    `apiVersion: v1\nKind: Secret\ndata: { a: ${c} }\n---\n${c}\n`,
  'a file of SOPS': (c) => manifest(`stringData: { a: ${c} }\nsops: { mac: ${c}, ${c}: ${c} }`),
  'the kid of another tool': (c) => withValue(sealedValue({ kseal: undefined, kid: c })),
  'the header of a JWE': (c) => withValue(sealedValue({ [c]: c, kseal: { scope: c } })),
  'the algorithm of a JWE': (c) => withValue(sealedValue({ alg: `RSA-${c}` })),
  'a JWE that was cut': (c) => withValue(`${sealedValue()}${c}`),
  'a JWE in JSON': (c) => withValue(`{"protected":"eyJhbGciOiJSU0E","ciphertext":"${c}"}`),
  'a JWE that was put under data': (c) => manifest(`data:\n  a: eyJhbGciOiJSU0E.${c}`),
  JSON: (c) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      data: { a: c },
      [c]: c,
      stringData: { [`${c} `]: c },
    }),
  'a docker configuration': (c) =>
    manifest(`type: kubernetes.io/dockercfg\nstringData: { .dockercfg: ${c} }`),
};

describe('no finding holds what stands in', () => {
  test.each(Object.entries(positions))('%s', (_, textWith) => {
    for (const canary of ['CANARY-9f3Ab7', 'canary-9f3ab7', 'canary9f3ab7x']) {
      const { findings, suppressed } = verify(textWith(canary));
      expect(findings).not.toEqual([]);
      expect(
        leaksOf(Buffer.from(canary), Buffer.from(JSON.stringify([findings, suppressed]))),
      ).toEqual([]);
    }
  });
});

/** The fixtures, damaged: lines lost, doubled or swapped, and characters put in that mean something. */
const damaged = fc
  .record({
    name: fc.constantFrom(...fixtureNames('dirty'), ...fixtureNames('clean')),
    cuts: fc.array(
      fc.record({
        at: fc.nat(),
        length: fc.nat(40),
        put: fc.constantFrom(
          '',
          '\n',
          ' ',
          ':',
          '- ',
          '{',
          '}',
          '"',
          '#',
          '&a ',
          '*a',
          '{{',
          '|',
          '---\n',
          '\t',
          '\u0000',
          '<<: ',
        ),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ name, cuts }) => {
    let text = readFixture(name).subarray(0, 12_000).toString();
    for (const { at, length, put } of cuts) {
      const offset = at % (text.length + 1);
      text = text.slice(0, offset) + put + text.slice(offset + length);
    }
    return text;
  });

describe('whatever a text holds', () => {
  const anything = fc.oneof(damaged, fc.string({ unit: 'binary' }), fc.json());
  const ids = rules.map(({ id }) => id);

  test('nothing is thrown, two runs say the same, in order, at places that are there', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const [one, two] = [verify(text), verify(text)];
        expect(one).toEqual(two);
        const lines = text.split('\n');
        for (const { position, code, message } of one.findings) {
          expect(ids).toContain(code);
          expect(message).not.toBe('');
          expect(position.line).toBeLessThanOrEqual(lines.length);
          expect(position.column).toBeLessThanOrEqual((lines[position.line - 1]?.length ?? 0) + 1);
        }
        const places = one.findings.map(({ position }) => position.line * 1e6 + position.column);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(one.sealed).toBeLessThanOrEqual(one.values);
      }),
      { numRuns: 1500 },
    );
  });

  test('no fault is told twice', () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const told = verify(text).findings.map((finding) => JSON.stringify(finding));
        expect(new Set(told).size).toBe(told.length);
      }),
      { numRuns: 500 },
    );
  });
});
