import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rules } from '../../src/verify/rules/index.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { leaksOf } from '../helpers/canary.ts';
import { defaults, fixtureNames, policiesOf, readFixture } from './fixtures.ts';
import { base64, manifest, sealedValue, withValue } from './values.ts';

const policyAt = await policiesOf();

function verify(text: string | Buffer, path = 'db.yaml') {
  return verifyText({ path, content: Buffer.from(text) }, policyAt(path), defaults);
}

/** Manifests with a text anywhere but in the names that findings show. */
const positions: Record<string, (canary: string) => string> = {
  'a value of stringData': (c) => manifest(`stringData:\n  a: ${c}`),
  'a value of data': (c) => manifest(`data:\n  a: ${base64(c)}`),
  'a value of data that is not base64': (c) => manifest(`data:\n  a: ${c}`),
  'a block scalar': (c) => manifest(`stringData:\n  a: |\n    ${c}\n    # kseal-ignore ${c}: ${c}`),
  'a value that is not a string': (c) => manifest(`stringData:\n  a: [${c}]\n  b: { ${c}: ${c} }`),
  'a value with an anchor': (c) => manifest(`stringData:\n  a: &${c} ${c}\n  b: *${c}`),
  'a value with a tag': (c) => manifest(`stringData:\n  a: !${c} ${c}`),
  'an alias without an anchor': (c) => manifest(`stringData:\n  a: *${c}`),
  'a line without a colon': (c) => manifest(`stringData:\n  ${c}`),
  'a flow mapping without a value': (c) => manifest(`stringData: { ${c} }`),
  'an illegal data key': (c) => manifest(`stringData:\n  "${c} ${c}": x`),
  'a scalar in place of a mapping': (c) => manifest(`stringData: ${c}\ndata: ${c}`),
  'a field of the Secret': (c) => manifest(`${c}: ${c}\npassword: ${c}\nData: { a: ${c} }`),
  'a field of the metadata': (c) =>
    manifest('', `{ name: db, namespace: hr, ${c}: ${c}, data: ${c} }`),
  'an annotation': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"${c}"}}' } }`,
    ),
  'an annotation that is not JSON': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: ${c} } }`,
    ),
  'a comment': (c) => manifest(`# ${c}\n# kseal-ignore ${c}\n# kseal-ignore ${c}, ${c}: r`),
  'a text that is not YAML': (c) => manifest(`stringData:\n  a: "${c}\n  b: ${c}: ${c}\n ${c}`),
  'a template': (c) => manifest(`stringData:\n  a: {{ ${c} }}\n  b: "{{ ${c} }}"\n  c: {{ ${c}`),
  'a document of another kind': (c) =>
    `apiVersion: v1\nKind: Secret\ndata: { a: ${c} }\n---\n${c}\n`,
  'a SOPS file': (c) => manifest(`stringData: { a: ${c} }\nsops: { mac: ${c}, ${c}: ${c} }`),
  'the kid of another tool': (c) => withValue(sealedValue({ kseal: undefined, kid: c })),
  'the header of a JWE': (c) => withValue(sealedValue({ [c]: c, kseal: { scope: c } })),
  'the algorithm of a JWE': (c) => withValue(sealedValue({ alg: `RSA-${c}` })),
  'characters after a JWE': (c) => withValue(`${sealedValue()}${c}`),
  'a JWE in JSON': (c) => withValue(`{"protected":"eyJhbGciOiJSU0E","ciphertext":"${c}"}`),
  'a bare JWE under data': (c) => manifest(`data:\n  a: eyJhbGciOiJSU0E.${c}`),
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

describe('no finding quotes', () => {
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

/** The fixtures with a few parts replaced by characters that are special in YAML or templates. */
const damaged = fc
  .record({
    name: fc.constantFrom(...fixtureNames('dirty'), ...fixtureNames('clean')),
    cuts: fc.array(
      fc.record({
        at: fc.nat(),
        length: fc.nat(40),
        replacement: fc.constantFrom(
          ...['', '\n', ' ', ':', '- ', '{', '}', '"', '#', '&a ', '*a', '{{', '|', '---\n', '\t'],
          ...['\u0000', '<<: '],
        ),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ name, cuts }) => {
    let text = readFixture(name).subarray(0, 12_000).toString();
    for (const { at, length, replacement } of cuts) {
      const offset = at % (text.length + 1);
      text = text.slice(0, offset) + replacement + text.slice(offset + length);
    }
    return text;
  });

describe('for any text', () => {
  const anything = fc.oneof(damaged, fc.string({ unit: 'binary' }), fc.json());
  const ids = rules.map(({ id }) => id);

  test('verify throws nothing, and findings are stable, sorted and within the text', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const found = verify(text);
        expect(verify(text)).toEqual(found);
        const lines = text.split('\n');
        for (const { position, code, message } of found.findings) {
          expect(ids).toContain(code);
          expect(message).not.toBe('');
          expect(position.line).toBeLessThanOrEqual(lines.length);
          expect(position.column).toBeLessThanOrEqual((lines[position.line - 1]?.length ?? 0) + 1);
        }
        const order = found.findings.map(({ position }) => position.line * 1e6 + position.column);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(found.sealed).toBeLessThanOrEqual(found.values);
      }),
      { numRuns: 1500 },
    );
  });

  test('no finding is reported twice', () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const reported = verify(text).findings.map((finding) => JSON.stringify(finding));
        expect(new Set(reported).size).toBe(reported.length);
      }),
      { numRuns: 500 },
    );
  });
});
