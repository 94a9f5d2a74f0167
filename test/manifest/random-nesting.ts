import fc from 'fast-check';
import { stringify } from 'yaml';

// Documents with a Secret at any depth, in any form that another tool applies.

const CANARY = 'CANARY-nested';
const encoded = Buffer.from(CANARY).toString('base64');

/** Words that are neither a kind nor a field of a Secret. */
const word = fc.stringMatching(/^[a-z]{1,6}$/).map((text) => `w${text}`);

/** How a Secret is written. */
const secret = fc
  .record({
    version: fc.constantFrom('v1', '/v1'),
    name: fc.constantFrom('db', `\${NAME}`, '{{request.object.metadata.name}}', undefined),
    key: word,
    isData: fc.boolean(),
    form: fc.constantFrom('whole', 'generated', 'spec', 'list', 'operations', 'literals'),
  })
  .map(({ version, name, key, isData, form }): unknown => {
    const body = isData ? { data: { [key]: encoded } } : { stringData: { [key]: CANARY } };
    const identity = { apiVersion: version, kind: 'Secret' };
    if (form === 'generated') return { ...identity, name, data: body };
    if (form === 'spec') return { ...identity, spec: body };
    if (form === 'list') return { apiVersion: version, kind: 'SecretList', items: [body] };
    const operation = { op: 'add', path: `/stringData/${key}`, value: CANARY };
    if (form === 'operations') return [{ op: 'remove', path: '/metadata/labels/a' }, operation];
    if (form === 'literals') return { secretGenerator: [{ name, literals: [`${key}=${CANARY}`] }] };
    return { ...identity, metadata: { name }, ...body };
  });

type Wrap = (inner: unknown) => unknown;

const block = { lineWidth: 0, blockQuote: 'literal' } as const;

/** A level around a Secret: an object, a sequence, or a string. */
const wrap: fc.Arbitrary<Wrap> = fc.oneof(
  fc.tuple(word, word, word).map(([key, before, after]): Wrap => {
    return (inner) => ({ [`a${before}`]: before, [key]: inner, [`z${after}`]: [after] });
  }),
  fc.constant((inner: unknown) => ['first', inner, { last: true }]),
  fc.constant((inner: unknown) => ({ apiVersion: 'x.io/v1', kind: 'Template', objects: [inner] })),
  fc.constant((inner: unknown) => ({ kind: 'ConfigMap', data: { json: JSON.stringify(inner) } })),
  fc.constant((inner: unknown) => ({ patch: stringify(inner, block) })),
  fc.constant((inner: unknown) => ({ values: `# ${CANARY}\n${stringify(inner, block)}` })),
);

const forms: readonly ((value: unknown) => string)[] = [
  (value) => stringify(value, block),
  (value) => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }),
  (value) => stringify(value, { defaultStringType: 'QUOTE_DOUBLE', lineWidth: 40 }),
  (value) => stringify(value, { indent: 4, defaultStringType: 'QUOTE_SINGLE', lineWidth: 0 }),
  (value) => stringify(value, { ...block, lineWidth: 60 }).replaceAll('\n', '\r\n'),
  (value) => JSON.stringify(value),
];

/** Texts that contain `CANARY-nested` as a value of a Secret inside another object. */
export const nestings: fc.Arbitrary<string> = fc
  .record({
    secret,
    wraps: fc.array(wrap, { minLength: 1, maxLength: 5 }),
    form: fc.constantFrom(...forms),
    before: fc.constantFrom('', `# ${CANARY}\n`, 'kind: Other\n---\n'),
  })
  .map(({ secret: inner, wraps, form, before }) => {
    return `${before}${form(wraps.reduce((value, around) => around(value), inner))}`;
  });
