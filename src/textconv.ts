import { createHash } from 'node:crypto';
import { KsealError } from './errors.ts';
import { describeBinding } from './jwe/binding.ts';
import { readSealedValue } from './jwe/sealed-value.ts';
import { entryNamed } from './manifest/literal.ts';
import { type Entry, fieldNames, type Manifest, type SecretDocument } from './manifest/manifest.ts';
import { applySplices, type Splice } from './manifest/splice.ts';

/**
 * The text of a manifest for `git diff`: in place of each value of a Secret stands what can be
 * told of it without a key, with a short hash of the sealed text, so that a change shows. A text
 * with problems is returned as it is.
 */
export function textconv(manifest: Manifest): string {
  if (manifest.problems.length > 0) return manifest.source;
  return applySplices(manifest.source, manifest.secrets.flatMap(splicesOf));
}

function splicesOf({ node, entries }: SecretDocument): readonly Splice[] {
  const byPlace = new Map(entries.map((entry) => [`${entry.field}/${entry.key}`, entry]));
  return fieldNames.flatMap((field) => {
    const map = entryNamed(node, field)?.value;
    return (map?.kind === 'map' ? map.entries : []).flatMap(({ key, value }): Splice[] => {
      const entry = key.kind === 'scalar' ? byPlace.get(`${field}/${key.text}`) : undefined;
      return entry === undefined
        ? []
        : [
            {
              start: value.start,
              end: value.end,
              text: `${summaryOf(entry)}${value.kind === 'scalar' && value.style === 'block' ? '\n' : ''}`,
            },
          ];
    });
  });
}

/** A plaintext gets no hash: it could be guessed by hashing. */
function summaryOf({ octets }: Entry): string {
  try {
    const jwe = readSealedValue(octets);
    if (jwe === undefined) return 'PLAINTEXT (not shown)';
    const hash = createHash('sha256').update(octets).digest('hex').slice(0, 12);
    const { binding, kid = 'unnamed' } = jwe.header;
    const place = binding === undefined ? 'bound to no place' : `for ${describeBinding(binding)}`;
    return `sealed ${hash}, ${place}, key ${kid}`;
  } catch (error) {
    if (!(error instanceof KsealError)) throw error;
    return `DAMAGED: ${error.message}`;
  }
}
