// Measures speed and memory: `npm run bench`, or `npm run bench -- start peers` for some groups of
// rows. Speeds are ratios to a baseline that the same machine takes in the same rounds, so that
// results of different machines can be compared. `--markdown` prints tables for a page, and `--write`
// also puts them into docs/performance.md.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { groups } from './groups.mjs';
import { absence, kseal, run } from './measure.mjs';

const page = join(import.meta.dirname, '../../docs/performance.md');
const heading = '## Figures\n';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { markdown: { type: 'boolean' }, write: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !groups.some((group) => group.name === name));
if (unknown.length > 0 || (options.write && positionals.length > 0)) {
  const names = groups.map(({ name }) => name).join(' ');
  process.stderr.write(`usage: npm run bench -- [--markdown] [${names}]\n       … -- --write\n`);
  process.exit(2);
}
const chosen = groups.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

/** The versions of what is measured and of what it is compared with. */
function machine() {
  const { node, openssl } = process.versions;
  const [{ model }] = cpus();
  const versionOf = (program, ...args) =>
    absence(program) ?? `${program} ${/\d+\.\d+\.\d+/.exec(run(program, args).stdout)}`;
  const peers = [
    versionOf('kubeseal', '--version'),
    versionOf('sops', '--disable-version-check', '--version'),
    versionOf('age', '--version'),
  ];
  return (
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores (${model}), ` +
    `Node.js ${node} with OpenSSL ${openssl}, ${versionOf('openssl', 'version')}, ${peers.join(', ')}.`
  );
}

let printed = '';
function print(text) {
  printed += text;
  process.stdout.write(text);
}

const asMarkdown = options.markdown || options.write;

function printRow(cells, widths) {
  if (asMarkdown) print(`| ${cells.join(' | ')} |\n`);
  else
    print(
      `${cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd()}\n`,
    );
}

async function measure({ name, columns, prepare, rows }) {
  const titles = [name, ...columns];
  const longest = Math.max(...rows.map(({ title }) => title.length));
  const widths = [longest, ...columns.map((column) => Math.max(column.length, 18))];
  print('\n');
  printRow(titles, widths);
  if (asMarkdown) printRow(titles.map(() => '---'));
  await prepare?.();
  for (const row of rows) {
    const absent = row.needs?.map(absence).find((text) => text !== undefined);
    const cells = [row.title, absent ?? (await row.measure()), row.aim ?? []].flat();
    printRow(cells.concat(Array(titles.length).fill('–')).slice(0, titles.length), widths);
  }
}

// Node.js reads these certificates at each start, which can take as long as the start itself.
delete process.env.NODE_EXTRA_CA_CERTS;
const folder = mkdtempSync(join(tmpdir(), 'kseal-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));
process.chdir(folder);
kseal('keygen -o k');
run('openssl', 'req -x509 -new -key k.pem -days 2 -subj /CN=bench -out k.crt'.split(' '));

print(`${machine()}\n`);
for (const group of chosen) await measure(group);
if (options.write) {
  const [before] = readFileSync(page, 'utf8').split(heading);
  writeFileSync(page, `${before}${heading}\n${printed}`);
}
