import fc from 'fast-check';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { scalarSource } from '../../src/manifest/scalars.ts';

export const scalarText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.stringMatching(/^[-+.:_0-9abefox~ynNtT]{0,6}$/),
  fc.base64String(),
);
const contexts = [(source: string) => `k: ${source} # c\n`, (source: string) => `{k: ${source}}`];

/** A scalar is read as the same string in YAML 1.1 and 1.2, in block and in flow style. */
export const readsScalarBack = fc.property(
  scalarText,
  fc.constantFrom('plain', 'single', 'double'),
  (value, quotes) => {
    const source = scalarSource(value, quotes);
    for (const context of contexts) {
      expect(parse(context(source), { version: '1.1' })).toEqual({ k: value });
      expect(parse(context(source), { version: '1.2' })).toEqual({ k: value });
    }
  },
);
