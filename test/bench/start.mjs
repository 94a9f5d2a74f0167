// Measures how long kseal takes to start, and to seal one value.
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bin, executable, node, plainSecret, ratio, run } from './measure.mjs';

const ROUNDS = 25;

const startNode = () => node(['-e', '0']);
const value = { input: 'S3cr3t-abcdef' };
const words = 'seal db -n hr -k k.pub --stdin password'.split(' ');
const kubeseal = () =>
  run('kubeseal', ['--cert', 'k.crt', '-o', 'yaml'], { input: plainSecret('db', 1) });

/** Copies what the package on npm has of the program: it is without the code that V8 made. */
function copyPackage() {
  const root = join(dirname(bin), '..');
  const filter = (path) => path !== join(root, 'dist/cache');
  for (const name of ['bin', 'dist', 'package.json'])
    cpSync(join(root, name), join('npm', name), { recursive: true, filter });
}

export default {
  name: 'start',
  columns: ['ratio', 'aim'],
  prepare: copyPackage,
  rows: [
    {
      title: 'kseal --version / node -e 0',
      aim: '<= 1.4 x',
      measure: () => ratio(ROUNDS, () => node([bin, '--version']), startNode),
    },
    {
      title: 'kseal seal of one value / node -e 0',
      aim: '<= 2.2 x',
      measure: () => ratio(ROUNDS, () => node([bin, ...words], value), startNode),
    },
    {
      title: 'kseal from npm, seal of one value / node -e 0',
      aim: '<= 2.2 x',
      measure: () => ratio(ROUNDS, () => node(['npm/bin/kseal.js', ...words], value), startNode),
    },
    {
      title: 'executable --version / node -e 0',
      needs: [executable],
      measure: () => ratio(ROUNDS, () => run(executable, ['--version']), startNode),
    },
    {
      title: 'executable seal of one value / kubeseal of the same',
      aim: '<= 2 x',
      needs: [executable, 'kubeseal'],
      measure: () => ratio(ROUNDS, () => run(executable, words, value), kubeseal),
    },
  ],
};
