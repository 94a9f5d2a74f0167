// Measures speed and memory: `npm run bench`. Each speed is a ratio to a baseline that the same
// machine takes at the same time, so that results of different machines can be compared.
import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { bin, folder, kseal, median, node, rawOperations } from './measure.mjs';
import { kmsRatio, localKeyRatio, memoryOverReviews } from './webhook.mjs';

const ROUNDS = 15;
const VALUES = 10_000;
const MANIFESTS = 10_000;

function milliseconds(action) {
  const start = performance.now();
  action();
  return performance.now() - start;
}

/** Alternates between action and baseline, so that both see the same load of the machine. */
function ratioTo(baseline, action, length = ROUNDS) {
  const rounds = Array.from({ length }, () => milliseconds(action) / milliseconds(baseline));
  return `${median(rounds).toFixed(2)} x`;
}

function report(title, result, aim) {
  process.stdout.write(`${title.padEnd(72)} ${result.padStart(8)}   aim ${aim}\n`);
}

/** A YAML stream of Secrets with 100 plaintext values each. */
function plainManifest(values) {
  const secret = (number) =>
    `apiVersion: v1\nkind: Secret\nmetadata:\n  name: s${number}\n  namespace: bench\nstringData:\n` +
    Array.from({ length: 100 }, (_, i) => `  key-${i}: value-${number}-${i}-abcdef\n`).join('');
  return Array.from({ length: values / 100 }, (_, i) => secret(i)).join('---\n');
}

kseal('keygen -o k');
const startNode = () => node(['-e', '0']);

report(
  'kseal --version / node -e 0',
  ratioTo(startNode, () => kseal('--version')),
  '<= 1.3 x',
);
report(
  'kseal seal of one value / node -e 0',
  ratioTo(startNode, () => kseal('seal db -n hr -k k.pub --stdin password', { input: 'S3cr3t' })),
  '<= 2 x',
);

writeFileSync(join(folder, 'plain.yaml'), plainManifest(VALUES));
const raw = rawOperations(2).publicKey;
const sealing = milliseconds(() => kseal('seal -f plain.yaml -k k.pub -o sealed.yaml'));
const rate = VALUES / ((sealing - milliseconds(startNode)) / 1000);
report(
  `sealing ${VALUES} values, whole process / raw public operations`,
  `${((100 * rate) / raw).toFixed(0)} %`,
  '>= 15 %',
);

/**
 * Writes `count` manifests of 5 sealed values each, in folders of 100. Sealing takes longer than
 * verifying, so all of them use the values of 100 Secrets, sealed for the whole namespace.
 */
function makeManifests(name, count) {
  mkdirSync(join(folder, 'seed'), { recursive: true });
  const values = ['a', 'b', 'c', 'd', 'e']
    .map((key) => `  ${key}: value-of-${key}-abcdef\n`)
    .join('');
  const head = 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: NAME\n  namespace: bench\n';
  for (let i = 0; i < 100; i++)
    writeFileSync(join(folder, 'seed', `${i}.yaml`), `${head}stringData:\n${values}`);
  kseal('seal -f seed -i -k k.pub --scope namespace-wide');
  for (let i = 0; i < count; i++) {
    const path = join(folder, name, `${Math.floor(i / 100)}`);
    mkdirSync(path, { recursive: true });
    const text = readFileSync(join(folder, 'seed', `${i % 100}.yaml`), 'utf8');
    writeFileSync(join(path, `${i}.yaml`), text.replace('NAME', `s${i}`));
  }
}

/** A program that reads and parses each manifest once. */
const parseAll = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { parse } from ${JSON.stringify(import.meta.resolve('yaml'))};
  for (const name of readdirSync('many', { recursive: true }))
    if (name.endsWith('.yaml')) parse(readFileSync('many/' + name, 'utf8'));
`;

/** Fills a folder with `times` hard links to each manifest of another. */
function makeLinks(name, from, times) {
  for (const path of readdirSync(join(folder, from), { recursive: true })) {
    if (!path.endsWith('.yaml')) continue;
    for (let i = 0; i < times; i++) {
      const link = join(folder, name, `${i}`, path);
      mkdirSync(join(link, '..'), { recursive: true });
      linkSync(join(folder, from, path), link);
    }
  }
}

/**
 * The peak memory of verifying each folder, in MB. V8 keeps garbage while the heap may grow: growth
 * that disappears with a heap limit (in MB) is garbage.
 */
function peakMemory(folders, ...limit) {
  const printPeak =
    'data:text/javascript,process.on("exit",()=>console.error(process.resourceUsage().maxRSS))';
  const peaks = folders.map((name) => {
    const args = [...limit, '--import', printPeak, bin, 'verify', name, '-k', 'k.pub'];
    return Math.round(Number(node(args).stderr) / 1024);
  });
  return `${peaks.join('/')} MB`;
}

makeManifests('many', MANIFESTS);
makeManifests('few', MANIFESTS / 10);
makeLinks('more', 'many', 5);
report(
  `verify of ${MANIFESTS} manifests / parsing them with yaml, 1 of ${cpus().length} cores each`,
  ratioTo(
    () => node(['--input-type=module', '-e', parseAll]),
    () => kseal('verify many -k k.pub'),
    5,
  ),
  '<= 1.5 x',
);
const folders = ['few', 'many', 'more'];
report(
  `memory of verify for ${MANIFESTS / 10}/${MANIFESTS}/${5 * MANIFESTS} manifests`,
  peakMemory(folders),
  'the same',
);
report(
  'the same with a heap limit of 32 MB',
  peakMemory(folders, '--max-old-space-size=32'),
  'the same',
);

report(
  'webhook, local RSA-4096 key / raw private operations',
  `${(100 * (await localKeyRatio())).toFixed(0)} %`,
  '>= 85 %',
);
report(
  'webhook, KMS with a latency of 50 ms: 20 values / one value',
  `${(await kmsRatio()).toFixed(2)} x`,
  '<= 3 x',
);
const [before, after] = await memoryOverReviews();
report(
  'memory of the webhook after 20,000 reviews / after 10,000',
  `${after}/${before} MB`,
  'the same',
);
