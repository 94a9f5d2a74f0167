// Measures kseal beside other tools on the same work: durations in milliseconds, and the ratio to
// kseal. Each tool works in the fastest way that its command line offers.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { absence, bin, durations, executable, median, plainSecret, run } from './measure.mjs';

const FILES = 50;
const VALUES = 200;

/** A tool finds its lines in a row by `lines`, or else by its name, and its own files by `$TOOL`. */
const tools = [
  { name: 'kseal', needs: [] },
  { name: 'kseal executable', lines: 'kseal', needs: [executable] },
  { name: 'kubeseal', needs: ['kubeseal'] },
  { name: 'sops with age', needs: ['sops', 'age-keygen'] },
  { name: 'age', needs: ['age', 'age-keygen'] },
  { name: 'jose-util', needs: ['jose-util'] },
];

const kubesealOpen = 'kubeseal --recovery-unseal --recovery-private-key k.pem -o yaml';
const joseOpen = 'jose-util decrypt --key k.pem';
const joseSeal = 'jose-util encrypt --key k.pub --alg RSA-OAEP-256 --enc A128CBC-HS256';
const sopsSeal = "sops encrypt --encrypted-regex '^(data|stringData)$'";

/** Runs a line for each file `$f` of a folder, with the name `$n`. */
const forFiles = (folder, line) => `for f in ${folder}/*; do n=\${f##*/}; ${line}; done`;

/** Shell lines. The rows that open a value read what the rows before them have sealed. */
const rows = [
  {
    title: 'seal one value',
    rounds: 15,
    kseal: 'kseal seal db -n bench -k k.pub --stdin key-0 < value > one.$TOOL',
    kubeseal: 'kubeseal --cert k.crt -o yaml < one.yaml > one.$TOOL',
    'sops with age': `${sopsSeal} one.yaml > one.$TOOL`,
    age: 'age -R age.pub < value > one.$TOOL',
    'jose-util': `${joseSeal} < value > one.$TOOL`,
  },
  {
    title: 'open one value',
    rounds: 15,
    kseal: 'kseal decrypt -k k.pem < one.$TOOL > opened',
    kubeseal: `${kubesealOpen} < one.$TOOL > opened`,
    'sops with age': 'sops decrypt --input-type yaml --output-type yaml one.$TOOL > opened',
    age: 'age -d -i age.txt < one.$TOOL > opened',
    'jose-util': `${joseOpen} < one.$TOOL > opened`,
  },
  {
    title: `seal ${VALUES} values of one Secret`,
    rounds: 7,
    kseal: 'kseal seal -k k.pub -f - < many.yaml > many.$TOOL',
    kubeseal: 'kubeseal --cert k.crt -o yaml < many.yaml > many.$TOOL',
    'sops with age': `${sopsSeal} many.yaml > many.$TOOL`,
  },
  {
    title: `open ${VALUES} values of one Secret`,
    rounds: 5,
    kseal: 'kseal decrypt -k k.pem < many.$TOOL > opened',
    kubeseal: `${kubesealOpen} < many.$TOOL > opened`,
    'sops with age': 'sops decrypt --input-type yaml --output-type yaml many.$TOOL > opened',
  },
  {
    title: `seal ${2 * FILES} values in ${FILES} files`,
    rounds: 3,
    before: 'rm -rf folder.$TOOL opened.$TOOL && mkdir folder.$TOOL opened.$TOOL',
    kseal: 'cp files/* folder.$TOOL && kseal seal -k k.pub -i -f folder.$TOOL',
    kubeseal: forFiles('files', 'kubeseal --cert k.crt -o yaml -f $f -w folder.$TOOL/$n'),
    'sops with age': forFiles('files', `${sopsSeal} --output folder.$TOOL/$n $f`),
    age: forFiles('values', 'age -R age.pub -o folder.$TOOL/$n $f'),
    'jose-util': forFiles('values', `${joseSeal} -in $f -out folder.$TOOL/$n`),
  },
  {
    title: `open ${2 * FILES} values in ${FILES} files`,
    rounds: 3,
    kseal: 'kseal decrypt -k k.pem -o opened.$TOOL --force folder.$TOOL',
    kubeseal: forFiles('folder.$TOOL', `${kubesealOpen} < $f > opened.$TOOL/$n`),
    'sops with age': forFiles('folder.$TOOL', 'sops decrypt --output opened.$TOOL/$n $f'),
    age: forFiles('folder.$TOOL', 'age -d -i age.txt -o opened.$TOOL/$n $f'),
    'jose-util': forFiles('folder.$TOOL', `${joseOpen} -in $f -out opened.$TOOL/$n`),
  },
];

/** Runs a shell line for a tool. */
function perform(line, { name }) {
  const program = name === 'kseal' ? '"$NODE" "$KSEAL"' : '"$KSEAL"';
  const env = {
    NODE: process.execPath,
    KSEAL: name === 'kseal' ? bin : executable,
    TOOL: name.replaceAll(' ', '-'),
  };
  run('sh', ['-e', '-c', `kseal() { ${program} "$@"; }\n${line}`], { env });
}

function prepare() {
  writeFileSync('value', 'value-of-db-0-abcdef');
  writeFileSync('one.yaml', plainSecret('db', 1));
  writeFileSync('many.yaml', plainSecret('db', VALUES));
  for (const folder of ['files', 'values']) mkdirSync(folder);
  for (let i = 0; i < FILES; i++) writeFileSync(`files/${i}.yaml`, plainSecret(`s${i}`, 2));
  for (let i = 0; i < 2 * FILES; i++) writeFileSync(`values/${i}`, `value-of-s${i}-abcdef`);
  if (absence('age-keygen') === undefined) {
    run('age-keygen', ['-o', 'age.txt']);
    run('age-keygen', ['-y', '-o', 'age.pub', 'age.txt']);
    process.env.SOPS_AGE_KEY_FILE = 'age.txt';
    process.env.SOPS_AGE_RECIPIENTS = readFileSync('age.pub', 'utf8').trim();
  }
}

/** The cells of a row: the median of each tool, and of its ratio to kseal in the same round. */
function measure(row) {
  const lineFor = ({ name, lines = name }) => row[lines];
  const isThere = (tool) => tool.needs.every((program) => absence(program) === undefined);
  const measured = tools.filter((tool) => lineFor(tool) !== undefined && isThere(tool));
  const before = () => {
    for (const tool of measured) perform(row.before ?? ':', tool);
  };
  const actions = measured.map((tool) => () => perform(lineFor(tool), tool));
  const rounds = durations(row.rounds, actions, before);
  return tools.map((tool) => {
    if (lineFor(tool) === undefined) return '–';
    const index = measured.indexOf(tool);
    if (index < 0) return tool.needs.map(absence).find((text) => text !== undefined);
    const time = `${Math.round(median(rounds.map((times) => times[index])))} ms`;
    const ratio = median(rounds.map((times) => times[index] / times[0]));
    return index === 0 ? time : `${time} (${ratio.toFixed(2)} x)`;
  });
}

export default {
  name: 'peers',
  columns: tools.map(({ name }) => name),
  prepare,
  rows: rows.map((row) => ({ title: row.title, measure: () => measure(row) })),
};
