// Measures verify.
import { linkSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kseal, node, peakMemory, plainSecret, ratio, writeManifests } from './measure.mjs';

const MANIFESTS = 10_000;
const SEEDS = 100;
const SIZES = [MANIFESTS / 10, MANIFESTS, 5 * MANIFESTS];

const folderOf = (count) => `sealed-${count}`;

/** A program that reads and parses each manifest once. */
const parseAll = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { parse } from ${JSON.stringify(import.meta.resolve('yaml'))};
  const folder = '${folderOf(MANIFESTS)}/';
  for (const name of readdirSync(folder, { recursive: true }))
    if (name.endsWith('.yaml')) parse(readFileSync(folder + name, 'utf8'));
`;

/**
 * Writes manifests of 5 sealed values each. Sealing takes longer than verifying, so all of them use
 * the values of a few Secrets, sealed for the whole namespace.
 */
function writeSealed() {
  writeManifests('seeds', SEEDS, (i) => plainSecret(`seed-${i}`, 5));
  kseal('seal -f seeds -i -k k.pub --scope namespace-wide');
  const seeds = Array.from({ length: SEEDS }, (_, i) => readFileSync(`seeds/0/${i}.yaml`, 'utf8'));
  const textOf = (i) => seeds[i % SEEDS].replace(/seed-\d+/, `s${i}`);
  for (const count of SIZES.slice(0, 2)) writeManifests(folderOf(count), count, textOf);
  writeLinks(folderOf(MANIFESTS), folderOf(5 * MANIFESTS), 5);
}

/** Fills a folder with `times` hard links to each manifest of another. */
function writeLinks(from, to, times) {
  for (const path of readdirSync(from, { recursive: true })) {
    if (!path.endsWith('.yaml')) continue;
    for (let i = 0; i < times; i++) {
      const link = join(to, `${i}`, path);
      mkdirSync(dirname(link), { recursive: true });
      linkSync(join(from, path), link);
    }
  }
}

const verify = (count) => `verify ${folderOf(count)} -k k.pub`;

function memory(...nodeOptions) {
  return `${SIZES.map((count) => peakMemory(verify(count), ...nodeOptions)).join('/')} MB`;
}

export default {
  name: 'verify',
  columns: ['result', 'aim'],
  prepare: writeSealed,
  rows: [
    {
      title: `verify ${MANIFESTS} manifests / parse them with yaml`,
      aim: '<= 1 x',
      measure: () =>
        ratio(
          5,
          () => kseal(verify(MANIFESTS)),
          () => node(['--input-type=module', '-e', parseAll]),
        ),
    },
    {
      title: `memory of verify for ${SIZES.join('/')} manifests`,
      aim: 'the same',
      measure: () => memory(),
    },
    {
      // V8 keeps garbage while the heap may grow: growth that disappears with a limit is garbage.
      title: 'the same with a heap limit of 32 MB',
      aim: 'the same',
      measure: () => memory('--max-old-space-size=32'),
    },
  ],
};
