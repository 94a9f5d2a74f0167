// Measures sealing of many values.
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import {
  durations,
  kseal,
  median,
  peakMemory,
  percent,
  plainSecret,
  ratio,
  rawOperations,
  run,
  writeManifests,
} from './measure.mjs';

const MANIFESTS = 5_000;
const VALUES_EACH = 2;
const VALUES = MANIFESTS * VALUES_EACH;
const SIZES = [MANIFESTS / 2, MANIFESTS, 2 * MANIFESTS];

const secret = (i) => plainSecret(`s${i}`, VALUES_EACH);

/** Copies the manifests, because they are sealed in place. */
function copyManifests() {
  rmSync('work', { recursive: true, force: true });
  cpSync('plain', 'work', { recursive: true });
}

const sealFolder = () => kseal('seal -f work -i -k k.pub');
const sealFile = () => kseal('seal -f plain.yaml -k k.pub -o sealed.yaml --force');
const kubeseal = () =>
  run('kubeseal', '--cert k.crt -o yaml -f plain.yaml -w kubeseal.yaml'.split(' '));

/** Values per second, whole process, as a fraction of the raw public operations. */
function shareOfRaw() {
  const shares = Array.from({ length: 3 }, () => {
    const before = rawOperations(1).publicKey;
    const [[milliseconds]] = durations(1, [sealFolder], copyManifests);
    const raw = (before + rawOperations(1).publicKey) / 2;
    return VALUES / (milliseconds / 1000) / raw;
  });
  return percent(median(shares));
}

function memory() {
  const peaks = SIZES.map((count) => {
    writeManifests(`plain-${count}`, count, secret);
    return peakMemory(`seal -f plain-${count} -i -k k.pub`);
  });
  return `${peaks.join('/')} MB`;
}

export default {
  name: 'bulk',
  columns: ['result', 'aim'],
  prepare() {
    writeManifests('plain', MANIFESTS, secret);
    writeFileSync(
      'plain.yaml',
      Array.from({ length: MANIFESTS }, (_, i) => secret(i)).join('---\n'),
    );
  },
  rows: [
    {
      title: `seal ${VALUES} values in ${MANIFESTS} files / kubeseal of one file`,
      aim: '<= 0.6 x',
      needs: ['kubeseal'],
      measure: () => ratio(3, sealFolder, kubeseal, copyManifests),
    },
    {
      title: `seal ${VALUES} values in ${MANIFESTS} files / raw public operations`,
      aim: '>= 25 %',
      measure: shareOfRaw,
    },
    {
      title: `seal ${VALUES} values in one file / kubeseal of the same file`,
      aim: '<= 0.6 x',
      needs: ['kubeseal'],
      measure: () => ratio(3, sealFile, kubeseal),
    },
    {
      title: `memory of seal for ${SIZES.join('/')} manifests`,
      aim: 'the same',
      measure: memory,
    },
  ],
};
